//! A client's state as `slmgr` shows it. Pure.

use std::fmt::Write as _;

use kms_protocol::filetime::FileTime;
use kms_protocol::kms::product::{Family, Product};
use kms_protocol::kms::{Hresult, LicenseStatus};

use crate::event_log::date;

/// What `slmgr /dlv` shows of a client. Names are escaped.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) product: &'static Product,
    /// A multiple activation key in place of the client setup key.
    pub(crate) is_mak: bool,
    pub(crate) cmid: String,
    pub(crate) status: LicenseStatus,
    /// Whole minutes until the state ends.
    pub(crate) minutes_left: u32,
    /// Why it notifies, where it does.
    pub(crate) reason: Hresult,
    pub(crate) rearms_left: u16,
    pub(crate) now: FileTime,
    /// The domain that was given for the look-up.
    pub(crate) domain: Option<String>,
    /// `HOST:PORT` that was given, and not found by DNS.
    pub(crate) fixed_host: Option<String>,
    /// The host that activated the client last, `HOST:PORT`.
    pub(crate) activated_by: Option<String>,
    /// Its address and ePID, where there is more than a name.
    pub(crate) activated_at: Option<(String, String)>,
    pub(crate) activation_interval_minutes: u16,
    pub(crate) renewal_interval_minutes: u16,
    pub(crate) host_caching: bool,
}

impl View {
    /// The lines of `slmgr /dlv` in the script's order, labels exact. Lines that a lab has no value
    /// for are left out: installation id, extended product id, certificate addresses.
    pub(crate) fn dlv(&self) -> String {
        let mut text = format!(
            "Software licensing service version: kms-sim {}\n\n",
            env!("CARGO_PKG_VERSION")
        );
        let product = self.product;
        let mut line = |label: &str, value: &str| {
            writeln!(text, "{label}: {value}").ok();
        };
        line("Name", &format!("{} edition", product.name));
        let (channel, key) = if self.is_mak {
            ("VOLUME_MAK", "Volume:MAK")
        } else {
            ("VOLUME_KMSCLIENT", "Volume:GVLK")
        };
        line("Description", &format!("{}, {channel} channel", description(product)));
        line("Activation ID", &product.sku_id.to_string());
        line("Application ID", &product.app_id.to_string());
        line("Product Key Channel", key);
        if let Some(key) = product.gvlk.filter(|_| !self.is_mak) {
            line("Partial Product Key", key.rsplit('-').next().unwrap_or_default());
        }
        self.status(&mut line);
        let rearms = self.rearms_left.to_string();
        line("Remaining Windows rearm count", &rearms);
        line("Remaining SKU rearm count", &rearms);
        line("Trusted time", &date(self.now));
        if self.is_mak {
            return text;
        }
        line("Configured Activation Type", "All");
        if self.status == LicenseStatus::LICENSED {
            text.push_str(
                "\nMost recent activation information:\nKey Management Service client information\n",
            );
            self.block(&mut text);
        } else {
            // The script prints this line instead of the block.
            text.push_str(
                "Please use slmgr.vbs /ato to activate and update KMS client information in order \
                 to update values.\n",
            );
        }
        text
    }

    fn status(&self, line: &mut impl FnMut(&str, &str)) {
        line("License Status", status_text(self.status));
        let minutes = self.minutes_left;
        let left = format!("{minutes} minute(s) ({} day(s))", minutes.div_ceil(24 * 60));
        match self.status {
            LicenseStatus::UNLICENSED => {}
            LicenseStatus::LICENSED if self.is_mak => {}
            LicenseStatus::LICENSED => line("Volume activation expiration", &left),
            LicenseStatus::NOTIFICATION => line("Notification Reason", &reason_text(self.reason)),
            _ => line("Time remaining", &left),
        }
    }

    fn block(&self, text: &mut String) {
        let mut line = |label: &str, value: &str| {
            writeln!(text, "    {label}{value}").ok();
        };
        line("Client Machine ID (CMID): ", &self.cmid);
        if let Some(domain) = &self.domain {
            line("Registered KMS SRV record lookup domain: ", domain);
        }
        match (&self.fixed_host, &self.activated_by) {
            (Some(host), _) => line("Registered KMS machine name: ", host),
            (None, Some(host)) => line("KMS machine name from DNS: ", host),
            (None, None) => line("DNS auto-discovery: ", "KMS name not available"),
        }
        match &self.activated_at {
            Some((address, epid)) => {
                line("KMS machine IP address: ", address);
                line("KMS machine extended PID: ", epid);
            }
            None => line("KMS machine IP address: ", "not available"),
        }
        let activation = self.activation_interval_minutes;
        line("Activation interval: ", &format!("{activation} minutes"));
        line("Renewal interval: ", &format!("{} minutes", self.renewal_interval_minutes));
        let caching = if self.host_caching { "enabled" } else { "disabled" };
        line("KMS host caching is ", caching);
    }
}

/// The text of slmgr for a licence state.
pub(crate) const fn status_text(status: LicenseStatus) -> &'static str {
    match status {
        LicenseStatus::UNLICENSED => "Unlicensed",
        LicenseStatus::LICENSED => "Licensed",
        LicenseStatus::OOB_GRACE => "Initial grace period",
        LicenseStatus::OOT_GRACE => {
            "Additional grace period (KMS license expired or hardware out of tolerance)"
        }
        LicenseStatus::NON_GENUINE_GRACE => "Non-genuine grace period.",
        LicenseStatus::NOTIFICATION => "Notification",
        LicenseStatus::EXTENDED_GRACE => "Extended grace period",
        _ => "Unknown",
    }
}

fn reason_text(reason: Hresult) -> String {
    match reason.0 {
        0xC004_F009 => format!("{reason} (grace time expired)."),
        0xC004_F200 => format!("{reason} (non-genuine)."),
        _ => format!("{reason}."),
    }
}

fn description(product: &Product) -> &'static str {
    match product.family {
        Family::WindowsClient | Family::WindowsServer => "Windows(R) Operating System",
        Family::Office | Family::Project | Family::Visio => product.group,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use kms_protocol::kms::product::{DEFAULT, PRODUCTS};

    fn start() -> FileTime {
        FileTime::from_unix(1_795_521_600, 0).unwrap()
    }

    fn view(status: LicenseStatus, minutes_left: u32) -> View {
        View {
            product: DEFAULT,
            is_mak: false,
            cmid: "36f27b39-2fd5-440b-be67-a09996d27a38".to_owned(),
            status,
            minutes_left,
            reason: Hresult(0xC004_F056),
            rearms_left: 1000,
            now: start(),
            domain: Some("lab.test".to_owned()),
            fixed_host: None,
            activated_by: None,
            activated_at: None,
            activation_interval_minutes: 120,
            renewal_interval_minutes: 10_080,
            host_caching: true,
        }
    }

    #[test]
    fn an_activated_client_is_shown_as_slmgr_shows_it() {
        let text = View {
            activated_by: Some("kms1.lab.test:1688".to_owned()),
            activated_at: Some(("127.0.0.1".to_owned(), "LAB01".to_owned())),
            ..view(LicenseStatus::LICENSED, 259_200)
        }
        .dlv();
        let expected = "\
Name: Windows 10/11 Enterprise edition
Description: Windows(R) Operating System, VOLUME_KMSCLIENT channel
Activation ID: 7e5b90ff-6c8e-5775-9dc3-4538d0e15940
Application ID: 55c92734-d682-4d71-983e-d6ec3f16059f
Product Key Channel: Volume:GVLK
Partial Product Key: 2YT43
License Status: Licensed
Volume activation expiration: 259200 minute(s) (180 day(s))
Remaining Windows rearm count: 1000
Remaining SKU rearm count: 1000
Trusted time: 2026/11/24 12:00
Configured Activation Type: All

Most recent activation information:
Key Management Service client information
    Client Machine ID (CMID): 36f27b39-2fd5-440b-be67-a09996d27a38
    Registered KMS SRV record lookup domain: lab.test
    KMS machine name from DNS: kms1.lab.test:1688
    KMS machine IP address: 127.0.0.1
    KMS machine extended PID: LAB01
    Activation interval: 120 minutes
    Renewal interval: 10080 minutes
    KMS host caching is enabled
";
        assert_eq!(text.split_once("\n\n").unwrap().1, expected);
    }

    #[test]
    fn a_client_that_is_not_activated_shows_the_one_line_instead_of_the_block() {
        let text = view(LicenseStatus::NOTIFICATION, 0).dlv();
        assert!(text.contains("License Status: Notification\nNotification Reason: 0xC004F056.\n"));
        assert!(text.ends_with("in order to update values.\n"));
        assert!(!text.contains("CMID"));
        let office = PRODUCTS.iter().find(|p| p.family == Family::Office).unwrap();
        let text = View { product: office, ..view(LicenseStatus::OOB_GRACE, 43_200) }.dlv();
        assert!(text.contains("Time remaining: 43200 minute(s) (30 day(s))\n"), "{text}");
    }

    #[test]
    fn a_key_of_many_activations_has_no_kms_block_and_no_end() {
        let text = View { is_mak: true, ..view(LicenseStatus::LICENSED, 0) }.dlv();
        assert!(
            text.contains("VOLUME_MAK channel\n") && text.contains("License Status: Licensed\n")
        );
        assert!(!text.contains("Key Management") && !text.contains("expiration"), "{text}");
    }
}
