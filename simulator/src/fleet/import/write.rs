//! A scenario as TOML that people read: what it rests on at its head, defaults left out, one client a
//! line.

use std::fmt::Write as _;

use toml::Value;

use super::ReadFile;
use super::plan::Planned;
use crate::fleet::scenario::{Group, Host, Identity, Key, Life, Presence, Scenario, Site};

/// The whole file.
pub(super) fn toml(planned: &Planned, files: &[ReadFile]) -> String {
    let mut text = head(planned, files);
    let Scenario { name, title, start, duration, sample_every, .. } = &planned.scenario;
    for (key, value) in [
        ("name", name.clone()),
        ("title", title.clone()),
        ("start", start.to_string()),
        ("duration", duration.to_string()),
        ("sample_every", sample_every.to_string()),
    ] {
        line(&mut text, key, value);
    }
    for site in &planned.scenario.sites {
        put_site(&mut text, site);
    }
    for host in &planned.scenario.hosts {
        put_host(&mut text, host);
    }
    for group in &planned.scenario.groups {
        put_group(&mut text, group);
    }
    text
}

fn head(planned: &Planned, files: &[ReadFile]) -> String {
    let mut text = format!("# Imported by kms-sim {} from:\n", env!("CARGO_PKG_VERSION"));
    for file in files {
        let ReadFile { name, kind, rows, passed_over, unused } = file;
        write!(text, "#   {name}: {}, {rows} of clients", kind.name()).ok();
        if *passed_over > 0 {
            write!(text, ", {passed_over} of other things passed over").ok();
        }
        if !unused.is_empty() {
            write!(text, "; not used: {}", unused.join(", ")).ok();
        }
        text.push('\n');
    }
    for (title, sentences) in [("Known", &planned.known), ("Assumed", &planned.assumed)] {
        writeln!(text, "#\n# {title}:").ok();
        for sentence in sentences {
            writeln!(text, "# - {sentence}").ok();
        }
    }
    text.push('\n');
    text
}

fn put_site(text: &mut String, site: &Site) {
    text.push_str("\n[[site]]\n");
    line(text, "name", site.name.as_str());
    if !site.dns.is_empty() {
        let records: Vec<String> = site
            .dns
            .iter()
            .map(|record| format!("{{ host = {} }}", quoted(&record.host)))
            .collect();
        writeln!(text, "dns = [{}]", records.join(", ")).ok();
    }
}

fn put_host(text: &mut String, host: &Host) {
    text.push_str("\n[[host]]\n");
    line(text, "name", host.name.as_str());
    line(text, "site", host.site.as_str());
    for (key, count) in
        [("remembers_windows", host.remembers_windows), ("remembers_office", host.remembers_office)]
    {
        if count > 0 {
            line(text, key, i64::from(count));
        }
    }
}

fn put_group(text: &mut String, group: &Group) {
    text.push_str("\n[[group]]\n");
    line(text, "name", group.name.as_str());
    line(text, "site", group.site.as_str());
    line(text, "count", i64::from(group.count));
    line(text, "product", group.product.as_str());
    match group.identity {
        Identity::NamePerBoot => line(text, "identity", "name-per-boot"),
        Identity::CmidPerBoot => line(text, "identity", "cmid-per-boot"),
        Identity::Stable | Identity::SharedCmid => {}
    }
    match group.presence {
        Presence::PoweredOff { from, until } => {
            writeln!(
                text,
                "presence = {{ kind = \"powered-off\", from = \"{from}\", until = \"{until}\" }}"
            )
            .ok();
        }
        Presence::OfficeHours { .. } => text.push_str("presence = { kind = \"office-hours\" }\n"),
        Presence::Always | Presence::Laptop { .. } => {}
    }
    if group.life == Life::Activated {
        line(text, "life", "activated");
    }
    if group.first_start_within.0 > 0 {
        line(text, "first_start_within", group.first_start_within.to_string());
    }
    if group.key == Key::Wrong {
        line(text, "key", "wrong");
    }
    text.push_str("clients = [\n");
    for client in &group.clients {
        writeln!(text, "  {},", quoted(&client.to_string())).ok();
    }
    text.push_str("]\n");
}

fn line(text: &mut String, key: &str, value: impl Into<Value>) {
    writeln!(text, "{key} = {}", value.into()).ok();
}

fn quoted(text: &str) -> Value {
    Value::from(text)
}
