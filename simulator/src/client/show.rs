//! A client's state and events as Windows shows them. Pure.

use std::fmt::Write as _;
use std::net::SocketAddr;

use kms_protocol::filetime::FileTime;
use kms_protocol::kms::product::{Family, Product};
use kms_protocol::kms::{Hresult, Request};

use super::exchange::HostName;
use crate::model::client::{Lifecycle, State};

/// What `slmgr /dlv` shows of a client.
pub(super) struct View<'a> {
    pub(super) product: &'static Product,
    pub(super) cmid: String,
    pub(super) life: &'a Lifecycle<HostName>,
    pub(super) now: FileTime,
    /// The domain that was given for the look-up.
    pub(super) domain: Option<&'a str>,
    /// The host that was given, and not found by DNS.
    pub(super) fixed_host: Option<&'a HostName>,
    /// The host that activated the client last: its name, address and ePID.
    pub(super) activated_by: Option<&'a (HostName, SocketAddr, String)>,
    pub(super) host_caching: bool,
}

impl View<'_> {
    /// The lines of `slmgr /dlv` in the script's order, labels exact. Lines that a lab has no value
    /// for are left out: installation id, extended product id, certificate addresses.
    pub(super) fn dlv(&self) -> String {
        let mut text = format!(
            "Software licensing service version: kms-sim {}\n\n",
            env!("CARGO_PKG_VERSION")
        );
        let product = self.product;
        let mut line = |label: &str, value: &str| {
            writeln!(text, "{label}: {value}").ok();
        };
        line("Name", &format!("{} edition", product.name));
        line("Description", &format!("{}, VOLUME_KMSCLIENT channel", description(product)));
        line("Activation ID", &product.sku_id.to_string());
        line("Application ID", &product.app_id.to_string());
        line("Product Key Channel", "Volume:GVLK");
        if let Some(key) = product.gvlk {
            line("Partial Product Key", key.rsplit('-').next().unwrap_or_default());
        }
        self.status(&mut line);
        let rearms = self.life.rearms_left().to_string();
        line("Remaining Windows rearm count", &rearms);
        line("Remaining SKU rearm count", &rearms);
        line("Trusted time", &date(self.now));
        line("Configured Activation Type", "All");
        if self.life.state().is_licensed() {
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
        let state = self.life.state();
        line("License Status", status_text(state));
        let minutes = state.minutes_left(self.now);
        let left = format!("{minutes} minute(s) ({} day(s))", minutes.div_ceil(24 * 60));
        match state {
            State::Unlicensed => {}
            State::Licensed { .. } => line("Volume activation expiration", &left),
            State::Notification { reason } => line("Notification Reason", &reason_text(reason)),
            _ => line("Time remaining", &left),
        }
    }

    fn block(&self, text: &mut String) {
        let mut line = |label: &str, value: &str| {
            writeln!(text, "    {label}{value}").ok();
        };
        line("Client Machine ID (CMID): ", &self.cmid);
        if let Some(domain) = self.domain {
            line("Registered KMS SRV record lookup domain: ", domain);
        }
        match (self.fixed_host, self.activated_by) {
            (Some(host), _) => line("Registered KMS machine name: ", &host.to_string()),
            (None, Some((host, ..))) => line("KMS machine name from DNS: ", &host.to_string()),
            (None, None) => line("DNS auto-discovery: ", "KMS name not available"),
        }
        match self.activated_by {
            Some((_, address, epid)) => {
                line("KMS machine IP address: ", &address.ip().to_string());
                line("KMS machine extended PID: ", epid);
            }
            None => line("KMS machine IP address: ", "not available"),
        }
        let activation = self.life.activation_interval_minutes();
        line("Activation interval: ", &format!("{activation} minutes"));
        line("Renewal interval: ", &format!("{} minutes", self.life.renewal_interval_minutes()));
        let caching = if self.host_caching { "enabled" } else { "disabled" };
        line("KMS host caching is ", caching);
    }
}

/// The text of slmgr for a licence state.
pub(super) const fn status_text(state: State) -> &'static str {
    match state {
        State::Unlicensed => "Unlicensed",
        State::Licensed { .. } => "Licensed",
        State::InitialGrace { .. } => "Initial grace period",
        State::AdditionalGrace { .. } => {
            "Additional grace period (KMS license expired or hardware out of tolerance)"
        }
        State::NonGenuineGrace { .. } => "Non-genuine grace period.",
        State::Notification { .. } => "Notification",
        State::ExtendedGrace { .. } => "Extended grace period",
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

/// Event 12288: the fields of its info line (TechNet, "Windows Event Log", table 11).
pub(super) fn event_12288(result: Hresult, server: &HostName, request: &Request) -> String {
    format!(
        "{result}, 0x00000000, {server}, {}, {}, {}, {}, {}, {}, {}",
        request.cmid,
        date(request.client_time),
        request.vm_info,
        request.license_status.0,
        request.binding_expiration_minutes,
        request.sku_id,
        request.n_policy,
    )
}

/// Event 12289: the fields of its info line (the same table). A count that is too low is a flag.
pub(super) fn event_12289(
    result: Hresult,
    bound: bool,
    count: u32,
    intervals_minutes: (u32, u32),
    request: &Request,
) -> String {
    let too_low = result == Hresult::OK && !bound;
    let flags = if too_low { NOT_ENOUGH_COUNT } else { 0 };
    format!(
        "{result}, {flags:#010x}, {}, 0, {count}, {}, {}, {}",
        u8::from(bound),
        intervals_minutes.0,
        intervals_minutes.1,
        date(request.client_time),
    )
}

/// `2026/11/24 12:16`, in UTC.
fn date(time: FileTime) -> String {
    let text = time.to_string().replace('-', "/");
    text.get(..text.len().saturating_sub(3)).unwrap_or_default().to_owned()
}

/// The flag of Volume Activation 2.0 Operations Guide, page 29.
const NOT_ENOUGH_COUNT: u32 = 0x0400_0000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::model::client::{Answer, Event, Rules};
    use kms_protocol::guid::Guid;
    use kms_protocol::kms::product::{DEFAULT, PRODUCTS};
    use kms_protocol::kms::{LicenseStatus, MachineName, Version};
    use std::time::Duration;

    fn start() -> FileTime {
        FileTime::from_unix(1_795_521_600, 0).unwrap()
    }

    fn host() -> HostName {
        "kms1.lab.test".parse().unwrap()
    }

    fn view<'a>(
        life: &'a Lifecycle<HostName>,
        by: Option<&'a (HostName, SocketAddr, String)>,
    ) -> View<'a> {
        View {
            product: DEFAULT,
            cmid: "36f27b39-2fd5-440b-be67-a09996d27a38".to_owned(),
            life,
            now: start(),
            domain: Some("lab.test"),
            fixed_host: None,
            activated_by: by,
            host_caching: true,
        }
    }

    #[test]
    fn an_activated_client_is_shown_as_slmgr_shows_it() {
        let rules = Rules::of(DEFAULT);
        let mut life = Lifecycle::new(&rules, start());
        let answer = Answer {
            host: host(),
            count: 25,
            activation_interval_minutes: 120,
            renewal_interval_minutes: 10_080,
        };
        life.handle(&rules, start(), 0, Event::Answered(answer));
        let by = (host(), "127.0.0.1:1688".parse().unwrap(), "LAB01".to_owned());
        let text = view(&life, Some(&by)).dlv();
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
        let rules = Rules::of(DEFAULT);
        let text = view(&Lifecycle::new(&rules, start()), None).dlv();
        assert!(text.contains("License Status: Notification\nNotification Reason: 0xC004F056.\n"));
        assert!(text.ends_with("in order to update values.\n"));
        assert!(!text.contains("CMID"));
        let office = PRODUCTS.iter().find(|p| p.family == Family::Office).unwrap();
        let life = Lifecycle::new(&Rules::of(office), start());
        let text = View { product: office, ..view(&life, None) }.dlv();
        assert!(text.contains("Time remaining: 43200 minute(s) (30 day(s))\n"), "{text}");
    }

    #[test]
    fn events_have_the_documented_fields_in_their_order() {
        let request = Request {
            version: Version::V6,
            vm_info: 0,
            license_status: LicenseStatus(2),
            binding_expiration_minutes: 41_760,
            app_id: DEFAULT.app_id,
            sku_id: DEFAULT.sku_id,
            kms_id: DEFAULT.kms_id,
            cmid: Guid::ZERO,
            n_policy: 25,
            client_time: start().saturating_add(Duration::from_secs(59)),
            cmid_previous: Guid::ZERO,
            machine_name: MachineName::default(),
        };
        assert_eq!(
            event_12288(Hresult::INVALID_TIMESTAMP, &host(), &request),
            "0xC004F06C, 0x00000000, kms1.lab.test:1688, 00000000-0000-0000-0000-000000000000, \
             2026/11/24 12:00, 0, 2, 41760, 7e5b90ff-6c8e-5775-9dc3-4538d0e15940, 25"
        );
        for (bound, count, expected) in [
            (true, 25, "0x00000000, 0x00000000, 1, 0, 25, 120, 10080, 2026/11/24 12:00"),
            (false, 4, "0x00000000, 0x04000000, 0, 0, 4, 120, 10080, 2026/11/24 12:00"),
        ] {
            let line = event_12289(Hresult::OK, bound, count, (120, 10_080), &request);
            assert_eq!(line, expected);
        }
    }
}
