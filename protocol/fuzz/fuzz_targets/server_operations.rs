//! Client bytes and answers against the server machine. The body is a plain function, which
//! an ordinary test calls over the committed corpus as well.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kms_protocol_fuzz::server_operations(bytes));
