//! The licence state that a client reports about itself.

use core::fmt;

/// A client's licence state. Values other than the named ones survive a round trip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LicenseStatus(pub u32);

impl LicenseStatus {
    /// No licence in use.
    pub const UNLICENSED: Self = Self(0);
    /// Activated.
    pub const LICENSED: Self = Self(1);
    /// Initial grace period, also called out-of-box grace.
    pub const OOB_GRACE: Self = Self(2);
    /// Additional grace period: the activation ran out or the hardware is out of tolerance.
    pub const OOT_GRACE: Self = Self(3);
    /// Grace period of an installation that failed validation.
    pub const NON_GENUINE_GRACE: Self = Self(4);
    /// Grace is over and the user is being told.
    pub const NOTIFICATION: Self = Self(5);
    /// Extended grace period.
    pub const EXTENDED_GRACE: Self = Self(6);

    /// The state's name, or `None` for a value that is not documented.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::UNLICENSED => "unlicensed",
            Self::LICENSED => "licensed",
            Self::OOB_GRACE => "initial grace",
            Self::OOT_GRACE => "additional grace",
            Self::NON_GENUINE_GRACE => "non-genuine grace",
            Self::NOTIFICATION => "notification",
            Self::EXTENDED_GRACE => "extended grace",
            _ => return None,
        })
    }
}

impl fmt::Display for LicenseStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "unknown ({})", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn the_seven_documented_states_have_names_and_others_keep_their_number() {
        let names: std::vec::Vec<_> = (0..7).filter_map(|n| LicenseStatus(n).name()).collect();
        assert_eq!(names.len(), 7);
        assert_eq!((names[1], names[5]), ("licensed", "notification"));
        assert_eq!(LicenseStatus(7).name(), None);
        assert_eq!(LicenseStatus(u32::MAX).to_string(), "unknown (4294967295)");
    }
}
