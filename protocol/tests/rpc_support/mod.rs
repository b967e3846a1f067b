//! What the RPC tests share: golden vectors, and ways to look at what a machine sent.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../golden/mod.rs"]
mod golden;
pub(crate) mod pair;

#[allow(unused_imports, reason = "each test file uses its own part")]
pub(crate) use golden::vector;

use kms_protocol::rpc::{Frame, next_frame};

/// Names of all RPC vectors in the folder.
pub(crate) fn vector_names() -> Vec<String> {
    golden::names("rpc_")
}

/// All RPC vectors by name.
pub(crate) fn vectors() -> Vec<(String, Vec<u8>)> {
    vector_names().into_iter().map(|name| (name.clone(), vector(&name))).collect()
}

/// `pdu` with another `frag_length`, in its own byte order.
pub(crate) fn with_frag_length(mut pdu: Vec<u8>, frag_length: u16) -> Vec<u8> {
    let little_endian = pdu[4] >> 4 == 1;
    let bytes = if little_endian { frag_length.to_le_bytes() } else { frag_length.to_be_bytes() };
    pdu[8..10].copy_from_slice(&bytes);
    pdu
}

/// `pdu` with another call id, in its own byte order.
pub(crate) fn with_call_id(mut pdu: Vec<u8>, call_id: u32) -> Vec<u8> {
    let little_endian = pdu[4] >> 4 == 1;
    let bytes = if little_endian { call_id.to_le_bytes() } else { call_id.to_be_bytes() };
    pdu[12..16].copy_from_slice(&bytes);
    pdu
}

/// `pdu` with other flags.
pub(crate) fn with_flags(mut pdu: Vec<u8>, flags: u8) -> Vec<u8> {
    pdu[3] = flags;
    pdu
}

/// Cuts a stream of whole PDUs.
pub(crate) fn pdus(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut pdus = Vec::new();
    while !stream.is_empty() {
        let Ok(Frame::Whole { pdu, .. }) = next_frame(stream) else {
            panic!("not a stream of whole PDUs: {stream:02x?}");
        };
        pdus.push(pdu);
        stream = &stream[pdu.len()..];
    }
    pdus
}

/// Runs `check` for every item and fails with all complaints at once; a panic is a complaint.
pub(crate) fn all_hold<T: std::fmt::Debug>(
    items: impl IntoIterator<Item = T>,
    check: impl Fn(&T) -> Result<(), String>,
) {
    let mut count = 0;
    let mut complaints = Vec::new();
    for item in items {
        count += 1;
        let check = std::panic::AssertUnwindSafe(|| check(&item));
        match std::panic::catch_unwind(check) {
            Ok(Ok(())) => {}
            Ok(Err(complaint)) => complaints.push(format!("{item:?}: {complaint}")),
            Err(_) => complaints.push(format!("{item:?}: panicked")),
        }
    }
    assert!(count > 0, "nothing was checked");
    assert!(
        complaints.is_empty(),
        "{} of {count} failed:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}
