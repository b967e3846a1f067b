//! The fuzz bodies over their committed corpus, every file also cut at every length: what a fuzzer
//! once found stays found, with the ordinary toolchain.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../fuzz/src/lib.rs"]
#[allow(unreachable_pub, clippy::panic, reason = "written for the fuzz targets")]
mod bodies;
mod rpc_support;

use std::path::Path;

use rpc_support::{all_hold, vectors};

#[test]
fn decode_holds_over_its_corpus() {
    holds("decode", bodies::decode);
}

#[test]
fn round_trip_holds_over_its_corpus() {
    holds("round_trip", bodies::round_trip);
}

#[test]
fn client_operations_hold_over_their_corpus() {
    holds("client_operations", bodies::client_operations);
}

#[test]
fn server_operations_hold_over_their_corpus() {
    holds("server_operations", bodies::server_operations);
}

#[test]
fn every_golden_pdu_is_a_seed_of_the_decoders() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    all_hold(vectors(), |(name, bytes)| {
        for target in ["decode", "round_trip"] {
            let seed = std::fs::read(corpus.join(target).join(name));
            if seed.ok().as_ref() != Some(bytes) {
                return Err(format!("corpus/{target}/{name} is absent or another PDU"));
            }
        }
        Ok(())
    });
}

fn holds(target: &str, body: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = std::fs::read_dir(folder).expect(target).map(|entry| entry.unwrap().path());
    all_hold(files, |file| {
        let bytes = std::fs::read(file).unwrap();
        (0..=bytes.len()).for_each(|len| body(&bytes[..len]));
        Ok(())
    });
}
