//! What decodes must encode to something that decodes to the same. The body is a plain function, which
//! an ordinary test calls over the committed corpus as well.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kms_protocol_fuzz::round_trip(bytes));
