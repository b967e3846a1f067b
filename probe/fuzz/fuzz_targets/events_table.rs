#![no_main]

use kms_probe::analyze::readers::FileKind;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kms_probe_fuzz::read(FileKind::EventsTable, bytes));
