//! A check in Prometheus' text format (version 0.0.4), for the textfile collector of node_exporter.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::escape;
use super::words::severity_of;
use crate::check::{Entry, Report, StageFacts};
use crate::stage::clock::{ClockFacts, Reading};
use crate::verdict::Severity;

/// The report as samples. The series are listed in `docs/reports.md`.
#[must_use]
pub fn report(report: &Report) -> String {
    let mut text = Text::default();
    text.family("kms_probe_info", "The program that made these samples.");
    text.sample("kms_probe_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    if let Ok(started) = report.started.parse::<jiff::Timestamp>() {
        let name = "kms_probe_check_start_timestamp_seconds";
        text.family(name, "When the check began, in seconds since 1970.");
        text.sample(name, &[], started.as_millisecond() as f64 / 1000.0);
    }
    let entries: Vec<(Identity, &Entry)> =
        report.entries.iter().map(|entry| (Identity::of(entry), entry)).collect();
    for family in FAMILIES {
        let samples = entries.iter().flat_map(|(identity, entry)| {
            let samples = (family.samples)(entry);
            samples.into_iter().map(|(labels, value)| (identity.labels(&labels), value))
        });
        let samples: Vec<_> = samples.collect();
        if !samples.is_empty() {
            text.family(family.name, family.help);
        }
        for (labels, value) in &samples {
            let labels: Vec<(&str, &str)> =
                labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
            text.sample(family.name, &labels, *value);
        }
    }
    text.written
}

type Labels = Vec<(&'static str, String)>;

/// A series and where its values come from.
struct Family {
    name: &'static str,
    help: &'static str,
    samples: fn(&Entry) -> Vec<(Labels, f64)>,
}

/// The labels that tell entries apart.
struct Identity {
    target: String,
    host: String,
    port: String,
    address: String,
}

impl Identity {
    fn of(entry: &Entry) -> Self {
        Self {
            target: entry.target.clone(),
            host: entry.host.clone().unwrap_or_default(),
            port: entry.port.map(|port| port.to_string()).unwrap_or_default(),
            address: entry.address.map(|address| address.to_string()).unwrap_or_default(),
        }
    }

    fn labels(&self, further: &Labels) -> Labels {
        let mut labels = vec![
            ("target", self.target.clone()),
            ("host", self.host.clone()),
            ("port", self.port.clone()),
            ("address", self.address.clone()),
        ];
        labels.extend(further.iter().cloned());
        labels
    }
}

const FAMILIES: &[Family] = &[
    Family {
        name: "kms_probe_success",
        help: "Whether clients can reach this host as far as the check went: 1, or 0 from a warning up.",
        samples: |entry| one(if entry.verdict.severity < Severity::Warning { 1.0 } else { 0.0 }),
    },
    Family {
        name: "kms_probe_severity",
        help: "The worst of verdict and findings: 0 ok, 1 info, 2 warning, 3 critical.",
        samples: |entry| one(f64::from(entry.severity_with_findings() as u8)),
    },
    Family {
        name: "kms_probe_verdict",
        help: "The verdict, as a label; the value is 1.",
        samples: |entry| vec![verdict(entry.verdict.row.code, entry.verdict.severity)],
    },
    Family {
        name: "kms_probe_finding",
        help: "A finding beside the verdict, as a label; the value is 1.",
        samples: |entry| {
            let findings = entry.findings.iter().map(|finding| &finding.verdict);
            findings.map(|found| verdict(found.row.code, found.severity)).collect()
        },
    },
    Family {
        name: "kms_probe_stage_duration_seconds",
        help: "How long each stage that ran took.",
        samples: |entry| {
            let stages = entry.stages.iter();
            stages
                .map(|stage| (of_stage(stage.stage.name()), stage.elapsed.as_secs_f64()))
                .collect()
        },
    },
    Family {
        name: "kms_probe_stage_success",
        help: "Whether each stage that ran was healthy.",
        samples: |entry| {
            let is_healthy = |stage| severity_of(stage, entry) < Severity::Warning;
            let value = |stage| if is_healthy(stage) { 1.0 } else { 0.0 };
            let stages = entry.stages.iter();
            stages.map(|stage| (of_stage(stage.stage.name()), value(stage))).collect()
        },
    },
    Family {
        name: "kms_probe_tcp_syn_packets",
        help: "SYNs that the connect sent; more than one means that some were lost.",
        samples: |entry| {
            let syns = entry.stages.iter().find_map(|stage| match &stage.facts {
                StageFacts::Tcp(facts) => facts.connect.syns_sent,
                _ => None,
            });
            syns.map_or_else(Vec::new, |syns| one(f64::from(syns)))
        },
    },
    Family {
        name: "kms_probe_srv_share_ratio",
        help: "The share of all clients that SRV priority and weight send to this host.",
        samples: |entry| srv(entry, |endpoint| endpoint.share),
    },
    Family {
        name: "kms_probe_srv_priority",
        help: "The SRV priority of this host; the lowest is tried first.",
        samples: |entry| srv(entry, |endpoint| endpoint.priority.map(f64::from)),
    },
    Family {
        name: "kms_probe_srv_weight",
        help: "The SRV weight of this host among those of its priority.",
        samples: |entry| srv(entry, |endpoint| endpoint.weight.map(f64::from)),
    },
    Family {
        name: "kms_probe_srv_records",
        help: "How many SRV records the look-up that decided has found.",
        samples: |entry| entry.dns().map_or_else(Vec::new, |dns| one(dns.records().len() as f64)),
    },
    Family {
        name: "kms_probe_clock_offset_seconds",
        help: "How far each clock that was read is ahead of this machine's.",
        samples: clocks,
    },
    Family {
        name: "kms_probe_kms_clients_counted",
        help: "The count that the host answered with (depth kms).",
        samples: |entry| kms(entry, |count, _| count),
    },
    Family {
        name: "kms_probe_kms_clients_needed",
        help: "The count from which the product that was asked for activates (depth kms).",
        samples: |entry| kms(entry, |_, threshold| threshold),
    },
    Family {
        name: "kms_probe_kms_count_low",
        help: "Whether the count is below what the product needs: 1 or 0 (depth kms).",
        samples: |entry| kms(entry, |count, threshold| if count < threshold { 1.0 } else { 0.0 }),
    },
    Family {
        name: "kms_probe_certificate_days_left",
        help: "Whole days that each certificate of a chain is valid still; position 0 is the server's.",
        samples: certificates,
    },
];

fn one(value: f64) -> Vec<(Labels, f64)> {
    vec![(Vec::new(), value)]
}

fn of_stage(stage: &str) -> Labels {
    vec![("stage", stage.to_owned())]
}

fn verdict(code: &str, severity: Severity) -> (Labels, f64) {
    (vec![("verdict", code.to_owned()), ("severity", severity.name().to_owned())], 1.0)
}

fn srv(
    entry: &Entry,
    value: fn(&crate::stage::resolve::Endpoint) -> Option<f64>,
) -> Vec<(Labels, f64)> {
    let endpoint = entry.dns().and_then(|dns| dns.endpoint.as_ref());
    endpoint.and_then(value).map_or_else(Vec::new, one)
}

fn clocks(entry: &Entry) -> Vec<(Labels, f64)> {
    let clocks = entry.stages.iter().filter_map(|stage| match &stage.facts {
        StageFacts::Clock(facts) => Some((facts, facts.reading.as_ref()?)),
        _ => None,
    });
    let sample = |(facts, reading): (&ClockFacts, &Reading)| {
        let server = facts.server.map(|server| server.to_string()).unwrap_or_default();
        (vec![("server", server)], reading.offset_us as f64 / 1e6)
    };
    clocks.map(|(facts, reading)| sample((facts.as_ref(), reading))).collect()
}

fn certificates(entry: &Entry) -> Vec<(Labels, f64)> {
    let chains = entry.stages.iter().filter_map(|stage| match &stage.facts {
        StageFacts::Tls(facts) => Some(&facts.chain),
        _ => None,
    });
    let numbered = chains.flat_map(|chain| chain.iter().enumerate());
    let read = numbered.filter(|(_, certificate)| certificate.malformed.is_none());
    read.map(|(position, certificate)| {
        (vec![("position", position.to_string())], certificate.days_left as f64)
    })
    .collect()
}

fn kms(entry: &Entry, value: fn(f64, f64) -> f64) -> Vec<(Labels, f64)> {
    let answer = entry.stages.iter().find_map(|stage| match &stage.facts {
        StageFacts::Kms(facts) => Some((facts.answer.as_ref()?.count, facts.threshold)),
        _ => None,
    });
    answer.map_or_else(Vec::new, |(count, needed)| one(value(f64::from(count), f64::from(needed))))
}

/// Families and samples, each series once.
#[derive(Default)]
struct Text {
    written: String,
    series: BTreeSet<String>,
}

impl Text {
    fn family(&mut self, name: &str, help: &str) {
        let _infallible = writeln!(self.written, "# HELP {name} {help}\n# TYPE {name} gauge");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", label(value))).collect();
        let series = match labels.is_empty() {
            true => name.to_owned(),
            false => format!("{name}{{{}}}", labels.join(",")),
        };
        // A collector refuses a whole file in which a series comes twice.
        if value.is_finite() && self.series.insert(series.clone()) {
            let _infallible = writeln!(self.written, "{series} {value}");
        }
    }
}

/// A label's value: escaped twice, for a terminal and for the format, and of bounded length.
fn label(text: &str) -> String {
    let shown = escape(text);
    let end = shown.floor_char_boundary(LABEL_BYTES_MAX);
    let cut = shown.get(..end).unwrap_or_default();
    cut.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The longest name in DNS has 253 characters.
const LABEL_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_end_early_and_is_bounded() {
        assert_eq!(label("a\"} 1\n"), "a\\\"} 1\\\\u{a}");
        assert_eq!(label("c:\\x"), "c:\\\\x");
        assert_eq!(label(&"ü".repeat(1_000)).len(), LABEL_BYTES_MAX);
    }

    #[test]
    fn a_series_is_written_once_and_never_without_a_number() {
        let mut text = Text::default();
        text.sample("a", &[("x", "1")], 1.0);
        text.sample("a", &[("x", "1")], 2.0);
        text.sample("b", &[], f64::NAN);
        assert_eq!(text.written, "a{x=\"1\"} 1\n");
    }
}
