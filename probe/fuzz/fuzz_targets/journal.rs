#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kms_probe_fuzz::read_journal(bytes));
