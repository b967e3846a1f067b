//! Operations and server bytes against the client machine. The body is a plain function, which
//! an ordinary test calls over the committed corpus as well.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kms_protocol_fuzz::client_operations(bytes));
