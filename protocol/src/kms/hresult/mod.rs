//! Status codes around volume activation: what they mean, why they come up, what to do.
//!
//! Three tables, each sorted by code: informational and success codes, Win32 and DNS codes,
//! licensing codes. Symbols of 0x4004xxxx and 0xC004xxxx are those of the Windows SDK's `slerror.h`;
//! causes and remedies say in our own words what the Microsoft page named in `source` documents.

mod activation;
mod informational;
mod licensing;
mod win32;

use core::fmt;

/// A 32-bit status code. Any value survives; [`Hresult::info`] knows the documented ones.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hresult(pub u32);

/// What is known about one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HresultInfo {
    /// The code.
    pub code: Hresult,
    /// Its name in the Windows SDK, where it has one.
    pub symbol: Option<&'static str>,
    /// What it says, in one line.
    pub meaning: &'static str,
    /// Why it comes up.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// Who meets it; empty where Microsoft does not say.
    pub seen_by: &'static [SeenBy],
    /// The Microsoft page or file behind this row.
    pub source: &'static str,
}

/// The side on which a code comes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeenBy {
    /// A machine that activates against a KMS host.
    Client,
    /// The KMS host.
    Host,
    /// A machine that activates with Microsoft directly: with a MAK, online or by phone.
    Mak,
    /// A virtual machine that activates through its Hyper-V host (AVMA).
    AvmaGuest,
}

impl Hresult {
    /// Success.
    pub const OK: Self = Self(0);
    /// ERROR_INVALID_DATA: what a host answers to a request it cannot verify.
    pub const INVALID_DATA: Self = Self(0x8007_000D);
    /// RPC_S_SERVER_UNAVAILABLE: no RPC server answered.
    pub const RPC_SERVER_UNAVAILABLE: Self = Self(0x8007_06BA);
    /// DNS_ERROR_RCODE_NAME_ERROR: the SRV name does not exist.
    pub const DNS_NAME_ERROR: Self = Self(0x8007_232B);
    /// DNS_INFO_NO_RECORDS: the name exists and has no SRV record.
    pub const DNS_NO_RECORDS: Self = Self(0x8007_251D);
    /// SL_E_VL_NOT_ENOUGH_COUNT: a client's verdict on a count below what it needs.
    pub const NOT_ENOUGH_COUNT: Self = Self(0xC004_F038);
    /// SL_E_VL_KEY_MANAGEMENT_SERVICE_NOT_ACTIVATED: the host itself is not activated.
    pub const HOST_NOT_ACTIVATED: Self = Self(0xC004_F041);
    /// SL_E_VL_KEY_MANAGEMENT_SERVICE_ID_MISMATCH: the host's key does not cover the product.
    pub const PRODUCT_NOT_COVERED: Self = Self(0xC004_F042);
    /// SL_E_VL_INVALID_TIMESTAMP: the clocks are more than four hours apart.
    pub const INVALID_TIMESTAMP: Self = Self(0xC004_F06C);
    /// SL_E_VL_BINDING_SERVICE_UNAVAILABLE: no KMS host could be used.
    pub const NO_KMS_AVAILABLE: Self = Self(0xC004_F074);

    /// The code's symbol, or `None` when it has none or is not in the table.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        self.info().and_then(|info| info.symbol)
    }

    /// What is known about the code.
    #[must_use]
    pub fn info(self) -> Option<&'static HresultInfo> {
        TABLES.iter().find_map(|table| {
            let index = table.binary_search_by_key(&self, |info| info.code).ok()?;
            table.get(index)
        })
    }

    /// Whether the code reports a failure: its top bit is set.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        self.0 >> 31 == 1
    }

    /// The Win32 error inside, when the code is one: 1722 in 0x800706BA.
    #[must_use]
    pub const fn win32(self) -> Option<u16> {
        if self.0 >> 16 == 0x8007 { Some((self.0 & 0xFFFF) as u16) } else { None }
    }
}

/// All rows, in the order of their codes.
pub fn all() -> impl Iterator<Item = &'static HresultInfo> {
    TABLES.iter().copied().flatten()
}

impl fmt::Display for Hresult {
    /// The form in which Windows prints it: `0xC004F074`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08X}", self.0)
    }
}

impl fmt::Debug for Hresult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SeenBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "KMS client",
            Self::Host => "KMS host",
            Self::Mak => "MAK or online activation",
            Self::AvmaGuest => "AVMA guest",
        })
    }
}

const TABLES: [&[HresultInfo]; 4] =
    [informational::ROWS, win32::ROWS, activation::ROWS, licensing::ROWS];

#[cfg(test)]
mod tests;
