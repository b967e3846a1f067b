//! A client of other hands: impacket's RPC runtime and NDR engine, with the lab's cryptography
//! written a second time in Python. It verifies every field of what `serve` answers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use kms_protocol::kms::product;
use kms_tests::harness::child::{run_ok, script};
use kms_tests::harness::server::LabServer;
use kms_tests::skip::{self, Need};
use serde_json::{Value, from_str, json};

#[test]
fn impacket_verifies_answers_and_decodes_refusals_and_faults() {
    let test = "impacket_verifies_answers_and_decodes_refusals_and_faults";
    if !skip::require(test, &[Need::Python("impacket")]) {
        return;
    }
    let server = LabServer::start();
    let answers = run_client(&server);

    // Length of the payload, count, activation and renewal interval in minutes.
    assert_eq!(
        answers["success"],
        json!({
            "ndr32 v4": [160, 1, 120, 10080],
            "ndr32 v5": [228, 1, 120, 10080],
            "ndr32 v6": [260, 1, 120, 10080],
            "ndr64 v4": [160, 1, 120, 10080],
            "ndr64 v5": [228, 1, 120, 10080],
            "ndr64 v6": [260, 1, 120, 10080],
            "fragmented": [260, 1, 120, 10080],
            "second client, altered context": [228, 2, 120, 10080],
        })
    );
    assert_eq!(
        answers["hresult"],
        json!({
            "unknown product": "C004F042",
            "client five hours behind": "C004F06C",
            "client five hours ahead": "C004F06C",
            "threshold over 1000": "8007000D",
            "one byte short": "8007000D",
            "version 7": "8007000D",
            "outer version differs": "8007000D",
            "foreign key, version 4": "8007000D",
            "foreign key, version 5": "8007000D",
            "foreign key, version 6": "8007000D",
        })
    );
    let fault = |name: &str| answers["fault"][name].as_str().unwrap().to_owned();
    assert!(fault("operation 1").contains("nca_s_op_rng_error"));
    assert!(fault("operation 65535").contains("nca_s_op_rng_error"));
    assert!(fault("sizes disagree").contains("rpc_x_bad_stub_data"), "{}", fault("sizes disagree"));
    // Three clients were accepted, the last one after the faults; refusals are not counted.
    assert_eq!(server.0.count(product::DEFAULT.app_id), 3);
    // The three, and a version 6 request that calls itself version 5: another key's to the host.
    assert_eq!(server.0.totals().foreign_keys, 4);
}

fn run_client(server: &LabServer) -> Value {
    let product = product::DEFAULT;
    let product = json!({
        "app_id": product.app_id.to_string(),
        "sku_id": product.sku_id.to_string(),
        "kms_id": product.kms_id.to_string(),
        "n_policy": product.n_policy,
    });
    let mut command = Command::new(skip::python("impacket").unwrap());
    command
        .arg("-B")
        .arg(script("impacket_client.py"))
        .arg(server.address().ip().to_string())
        .arg(server.address().port().to_string())
        .arg(product.to_string());
    from_str(&run_ok(&mut command)).unwrap()
}
