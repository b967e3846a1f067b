//! What can be said of a number that is in no table: its parts, [MS-ERREF] 2.1.

use serde::Serialize;

/// The parts of a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decoded {
    /// In words.
    pub summary: String,
    /// Whether it reports a failure.
    pub is_failure: bool,
    /// Facility number.
    pub facility: u16,
    /// Facility name, where it is known.
    pub facility_name: Option<&'static str>,
    /// Code within the facility.
    pub code: u16,
}

/// Takes a number apart.
#[must_use]
pub fn decode(number: u32) -> Decoded {
    let is_failure = number >> 31 == 1;
    let facility = u16::try_from((number >> 16) & 0x7FF).unwrap_or_default();
    let code = u16::try_from(number & 0xFFFF).unwrap_or_default();
    let facility_name = facility_name(facility);
    Decoded {
        summary: summary(number, facility, facility_name, code),
        is_failure,
        facility,
        facility_name,
        code,
    }
}

fn summary(number: u32, facility: u16, name: Option<&'static str>, code: u16) -> String {
    match number >> 16 {
        0 => format!("Win32 error {code}, as `net helpmsg {code}` explains it on Windows"),
        0x8007 => format!(
            "HRESULT around Win32 error {code}, as `net helpmsg {code}` explains it on Windows"
        ),
        0x1C00 | 0x1C01 => "in the range of DCE/RPC fault codes, and not a known one".to_owned(),
        0xC004 | 0x4004 => {
            "in the range of the software licensing service, and not a documented one: \
             `slui.exe 0x2a` followed by the code explains it on Windows"
                .to_owned()
        }
        _ => {
            let kind = if number >> 31 == 1 { "failure" } else { "success or information" };
            let name = name.map_or_else(String::new, |name| format!(" ({name})"));
            format!("HRESULT of facility {facility}{name}, code {code}: a {kind}")
        }
    }
}

fn facility_name(facility: u16) -> Option<&'static str> {
    Some(match facility {
        0 => "NULL",
        1 => "RPC",
        2 => "DISPATCH",
        3 => "STORAGE",
        4 => "ITF",
        7 => "WIN32",
        8 => "WINDOWS",
        9 => "SECURITY",
        10 => "CONTROL",
        11 => "CERT",
        12 => "INTERNET",
        25 => "HTTP",
        36 => "WINDOWSUPDATE",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_the_format() {
        let decoded = decode(0x8009_2001);
        assert!(decoded.is_failure);
        assert_eq!((decoded.facility, decoded.code), (9, 0x2001));
        assert_eq!(decoded.facility_name, Some("SECURITY"));
        assert!(decode(5).summary.contains("Win32 error 5"));
        assert!(decode(0xC004_FFFF).summary.contains("software licensing"));
        assert!(decode(0x1C00_00FF).summary.contains("DCE/RPC"));
    }
}
