extern crate std;

use super::*;
use std::string::ToString;
use std::vec::Vec;

/// Written out by hand, apart from the tables: what `explain` must know.
const DOCUMENTED: &[u32] = &[
    0xC004_F074,
    0xC004_F038,
    0xC004_F039,
    0xC004_F041,
    0xC004_F042,
    0xC004_F06C,
    0xC004_F069,
    0xC004_F06B,
    0xC004_F056,
    0xC004_F050,
    0xC004_F051,
    0xC004_F035,
    0xC004_F00F,
    0xC004_F009,
    0xC004_F014,
    0xC004_F015,
    0xC004_F017,
    0xC004_F025,
    0xC004_F02C,
    0xC004_F064,
    0xC004_F065,
    0x4004_F065,
    0xC004_F200,
    0xC004_C008,
    0xC004_C001,
    0xC004_C003,
    0xC004_C017,
    0xC004_C020,
    0xC004_C021,
    0xC004_B100,
    0xC004_B011,
    0xC004_E015,
    0xC004_FD01,
    0xC004_FD02,
    0x8007_232B,
    0x8007_232A,
    0x8007_251D,
    0x8007_267C,
    0x8007_2338,
    0x8009_2328,
    0x8007_007B,
    0x8007_06BA,
    0x8007_05B4,
    0xC002_0017,
    0x8007_139F,
    0x8007_0005,
    0x8007_000D,
    0x8007_0490,
    0x8004_FE21,
    0x8004_FE33,
    0x8000_4005,
    0x8007_2EE2,
    0x8007_2EE7,
    0x8007_2F8F,
    0x8007_0422,
    0x8007_0426,
    0x8007_0001,
    0x4004_F00C,
    0x4004_F00D,
    0x4004_F040,
    0x4004_FC04,
];

#[test]
fn every_documented_code_is_explained() {
    for code in DOCUMENTED {
        assert_eq!(Hresult(*code).info().map(|info| info.code), Some(Hresult(*code)));
    }
    // And success, which the list leaves out.
    assert_eq!(all().count(), DOCUMENTED.len() + 1);
}

#[test]
fn codes_are_sorted_and_unique_across_all_tables() {
    let codes: Vec<_> = all().map(|info| info.code).collect();
    assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
}

#[test]
fn every_row_says_something_in_every_column() {
    for info in all() {
        for (column, text) in [
            ("meaning", info.meaning),
            ("cause", info.cause),
            ("remedy", info.remedy),
            ("source", info.source),
        ] {
            assert!(text.len() >= 7, "{}: {column} is `{text}`", info.code);
            assert!(!text.contains("  "), "{}: {column} has a double space", info.code);
        }
        for text in [info.cause, info.remedy] {
            assert!(text.ends_with(['.', ')']), "{}: `{text}` is no sentence", info.code);
        }
        assert!(!info.meaning.ends_with('.'), "{}", info.code);
        assert!(info.seen_by.is_empty() == (info.code == Hresult(0xC004_F017)), "{}", info.code);
    }
}

#[test]
fn codes_print_as_windows_prints_them_and_know_their_kind() {
    assert_eq!(Hresult::NO_KMS_AVAILABLE.to_string(), "0xC004F074");
    assert_eq!(Hresult(0xD).to_string(), "0x0000000D");
    assert_eq!(Hresult::RPC_SERVER_UNAVAILABLE.win32(), Some(1722));
    assert_eq!(Hresult::NO_KMS_AVAILABLE.win32(), None);
    assert!(Hresult::INVALID_DATA.is_failure());
    assert!(!Hresult(0x4004_F040).is_failure());
    assert_eq!(Hresult::OK.name(), Some("S_OK"));
    assert_eq!(Hresult(0x1234_5678).name(), None);
    assert_eq!(Hresult::NOT_ENOUGH_COUNT.name(), Some("SL_E_VL_NOT_ENOUGH_COUNT"));
}
