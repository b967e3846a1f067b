//! The tour for people.

use std::fmt::Write as _;

use super::{Step, Tour};
use crate::report::{self, Style};
use crate::verdict::Severity;

/// What stands above the first step.
#[must_use]
pub fn opening(style: Style) -> String {
    let text = style.labelled("", 0, OPENING);
    format!("{text}\n\n")
}

/// One step: the scene, the command, what the probe says, and whether that was expected.
#[must_use]
pub fn text(step: &Step, style: Style) -> String {
    let mut text = String::new();
    let mut line = |line: &str| {
        let _infallible = writeln!(text, "{line}");
    };
    line(&style.strong(&format!("{}. {}", step.number, step.title)));
    line(&style.labelled("   ", 3, &step.scene));
    line("");
    line(&format!("   $ {}", step.command));
    for reported in report::text::check(&step.report, narrowed(style)).lines() {
        line(&format!("   {reported}"));
    }
    line("");
    let outcome = if step.as_expected() {
        style.severity(Severity::Ok, &format!("as expected: {}", step.expected))
    } else {
        let wrong = format!("NOT as expected: {} instead of {}", step.got(), step.expected);
        style.severity(Severity::Critical, &wrong)
    };
    line(&format!("   {outcome}"));
    line("");
    text
}

/// What stands below the last step.
#[must_use]
pub fn closing(tour: &Tour, style: Style) -> String {
    let total = tour.steps.len();
    let right = tour.steps.iter().filter(|step| step.as_expected()).count();
    let severity = if right == total { Severity::Ok } else { Severity::Critical };
    let count = style.severity(severity, &format!("{right} of {total} verdicts as expected."));
    let next = if right == total { NEXT } else { REPORT_IT };
    format!("{count}\n{}\n", style.labelled("", 0, next))
}

/// The report inside a step is indented by three columns.
fn narrowed(style: Style) -> Style {
    Style { columns: style.columns.map(|columns| columns.saturating_sub(3)), ..style }
}

const OPENING: &str = "A lab on loopback: a simulated KMS host, a DNS server and a few broken \
    things run inside this process. Nothing leaves this machine and nothing real can be activated.";

const NEXT: &str = "Next: `kms-probe check YOUR.DOMAIN` for your own network, and `kms-sim serve` \
    for a host to experiment with.";

const REPORT_IT: &str = "Something on this machine behaves otherwise than the lab assumes: a local \
    packet filter, or a defect of this program.";
