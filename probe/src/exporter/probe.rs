//! One scrape: from its parameters to samples.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::metrics::{Refused, Result as Ended};
use super::recent::Probed;
use super::{Exporter, MODULE_DEFAULT, Module, Settings};
use crate::check::{self, Report};
use crate::report::{self, Style};
use crate::stage::Stage;
use crate::target::{Asked, Target};
use crate::verdict::Severity;

/// What a scrape asks for.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub target: Option<String>,
    pub module: Option<String>,
    /// The report as a person reads it, in place of samples.
    pub debug: bool,
    /// How long the scraper waits.
    pub scrape_timeout: Option<Duration>,
}

/// Why there are no samples.
#[derive(Debug)]
pub(super) enum NoProbe {
    Refused(Refused, String),
    /// This program's own failure.
    Failed(String),
}

/// A scrape, understood and admitted.
struct Admitted {
    asked: Asked,
    module_name: String,
    module: Module,
}

/// Makes the probe, within the time that the scraper gives.
pub(super) async fn run(exporter: &Arc<Exporter>, wanted: Wanted) -> Result<String, NoProbe> {
    let budget = wanted.scrape_timeout.unwrap_or(exporter.options.scrape_timeout);
    let budget = budget.saturating_sub(exporter.options.reserve).max(BUDGET_MIN);
    let begun = Instant::now();
    let admitted = admit(&exporter.settings(), &wanted)?;
    let place = timeout(budget, Arc::clone(&exporter.places).acquire_owned()).await;
    let Ok(Ok(place)) = place else {
        let why = format!("all {} places were taken for {budget:?}", exporter.options.places);
        return Err(NoProbe::Refused(Refused::Busy, why));
    };
    let left = budget.saturating_sub(begun.elapsed());
    let Admitted { asked, module_name, module } = admitted;
    let (targets, options) = (vec![asked], module.within(left));
    exporter.metrics.in_flight.inc();
    let owner = Arc::clone(exporter);
    let checking = tokio::task::spawn_blocking(move || {
        let report = check::run(&targets, &options);
        // The place is held for as long as the sockets are, whoever still waits for the answer.
        owner.metrics.in_flight.dec();
        drop(place);
        report
    });
    // A stage that ends with the time that is left still has its verdict told.
    let report = match timeout(left + exporter.options.reserve / 2, checking).await {
        Err(_) => None,
        Ok(Ok(Ok(report))) => Some(report),
        Ok(Ok(Err(error))) => {
            exporter.metrics.probed(&module_name, Ended::Error, begun.elapsed());
            return Err(NoProbe::Failed(format!("{error:#}")));
        }
        Ok(Err(_)) => return Err(NoProbe::Failed("the check ended without a result".to_owned())),
    };
    let elapsed = begun.elapsed();
    let target = wanted.target.unwrap_or_default();
    note(exporter, target, &module_name, report.as_ref(), elapsed);
    Ok(match (report, wanted.debug) {
        (Some(report), true) => report::text::check(&report, Style::PLAIN),
        (Some(report), false) => samples(report, elapsed),
        (None, _) => timed_out(elapsed),
    })
}

/// Understands a scrape, and refuses what the list of targets does not admit.
fn admit(settings: &Settings, wanted: &Wanted) -> Result<Admitted, NoProbe> {
    let bad = |why: String| NoProbe::Refused(Refused::BadRequest, why);
    let module_name = wanted.module.clone().unwrap_or_else(|| MODULE_DEFAULT.to_owned());
    let module = settings.modules.get(&module_name).ok_or_else(|| {
        let known: Vec<&str> = settings.modules.keys().map(String::as_str).collect();
        let shown = report::escape(&module_name);
        bad(format!("no module `{shown}`; there are: {}", known.join(", ")))
    })?;
    let text = wanted.target.as_deref().filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| bad("the parameter `target` is missing".to_owned()))?;
    let asked = Asked::parse(text, module.names_are_hosts)
        .map_err(|error| bad(format!("target `{}`: {error}", report::escape(text))))?;
    if matches!(asked.target, Target::Address(_)) && module.options.depth == Stage::Dns {
        let why = format!("an address needs no DNS, and module `{module_name}` asks DNS only");
        return Err(bad(why));
    }
    if !settings.allow.admits(&asked.target) {
        let why = format!(
            "target `{}` is not admitted: `[targets] allow` of the modules file has no line for it",
            report::escape(text)
        );
        return Err(NoProbe::Refused(Refused::NotAllowed, why));
    }
    Ok(Admitted { asked, module_name, module: module.clone() })
}

/// What the exporter keeps of a probe: counters, and a line on its page.
fn note(
    exporter: &Exporter,
    target: String,
    module: &str,
    report: Option<&Report>,
    elapsed: Duration,
) {
    if let (Some(observe), Some(report)) = (&exporter.options.observe, report) {
        observe(report);
    }
    let severity = report.map_or(Severity::Critical, Report::severity);
    let ended = match report {
        None => Ended::TimedOut,
        Some(_) if severity < Severity::Warning => Ended::Success,
        Some(_) => Ended::Failure,
    };
    exporter.metrics.probed(module, ended, elapsed);
    let worst = report.and_then(Report::worst).map(|verdict| verdict.row.code.to_owned());
    let probed = Probed {
        at: jiff::Timestamp::now().to_string(),
        target,
        module: module.to_owned(),
        verdict: worst.unwrap_or_else(|| "no result in time".to_owned()),
        severity: severity.name(),
        elapsed,
    };
    let mut recent = exporter.recent.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    recent.add(probed);
}

/// The samples of a check, after those that every exporter of this convention has.
fn samples(mut report: Report, elapsed: Duration) -> String {
    let success = report.severity() < Severity::Warning;
    let omitted = report.entries.len().saturating_sub(ENTRIES_MAX);
    report.entries.truncate(ENTRIES_MAX);
    let mut text = head(success, false, elapsed);
    text.push_str(&gauge(
        "kms_probe_entries_omitted",
        "Addresses of the target beyond the bound, which have no samples of their own.",
        omitted as f64,
    ));
    text.push_str(&report::prometheus::report(&report));
    text
}

/// A scrape whose time was over before the check's.
fn timed_out(elapsed: Duration) -> String {
    head(false, true, elapsed)
}

fn head(success: bool, timed_out: bool, elapsed: Duration) -> String {
    let number = |is| if is { 1.0 } else { 0.0 };
    [
        gauge(
            "probe_success",
            "Whether clients can reach every host of the target: 1, or 0 from a warning up.",
            number(success),
        ),
        gauge(
            "probe_duration_seconds",
            "How long the probe took, waiting for a place included.",
            elapsed.as_secs_f64(),
        ),
        gauge(
            "kms_probe_timed_out",
            "Whether the scrape's time was over before the check had a verdict.",
            number(timed_out),
        ),
    ]
    .concat()
}

fn gauge(name: &str, help: &str, value: f64) -> String {
    format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n")
}

/// A scrape gets this much time at least.
const BUDGET_MIN: Duration = Duration::from_millis(100);
/// Addresses of one target with samples of their own.
const ENTRIES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    fn wanted(target: &str, module: &str) -> Wanted {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Wanted { target: given(target), module: given(module), ..Wanted::default() }
    }

    fn refusal(target: &str, module: &str) -> (Refused, String) {
        match admit(&Settings::built_in(), &wanted(target, module)) {
            Err(NoProbe::Refused(why, text)) => (why, text),
            other => panic!("{:?}", other.map(|_| ())),
        }
    }

    #[test]
    fn a_scrape_says_what_is_wrong_with_it() {
        for (target, module, why, part) in [
            ("", "", Refused::BadRequest, "`target` is missing"),
            (
                "127.0.0.1",
                "x",
                Refused::BadRequest,
                "no module `x`; there are: bind, dns, rpc, tcp",
            ),
            ("a b", "", Refused::BadRequest, "not a domain or host name"),
            ("127.0.0.1", "dns", Refused::BadRequest, "asks DNS only"),
            ("192.0.2.1", "tcp", Refused::NotAllowed, "is not admitted"),
            ("corp.test", "dns", Refused::NotAllowed, "is not admitted"),
        ] {
            let (got, text) = refusal(target, module);
            assert_eq!(got, why, "{text}");
            assert!(text.contains(part), "{text}");
        }
        let admitted = admit(&Settings::built_in(), &wanted("127.0.0.1:99", "")).ok().unwrap();
        assert_eq!(admitted.module_name, MODULE_DEFAULT);
    }

    #[test]
    fn samples_are_of_a_bounded_number_of_addresses() {
        let target = Asked::parse("127.0.0.1:1", false).unwrap();
        let options = check::Options { depth: Stage::Tcp, ..check::Options::default() };
        let mut report = check::run(&[target], &options).unwrap();
        let entry = report.entries.first().unwrap().clone();
        report.entries = (1..=ENTRIES_MAX + 3)
            .map(|port| check::Entry { port: u16::try_from(port).ok(), ..entry.clone() })
            .collect();
        let text = samples(report, Duration::from_millis(5));
        assert!(text.contains("kms_probe_entries_omitted 3\n"), "{text}");
        assert_eq!(text.matches("kms_probe_success{").count(), ENTRIES_MAX);
        assert!(text.contains("\nprobe_success 0\n"));
        assert!(text.contains("\nprobe_duration_seconds 0.005\n"));
    }
}
