//! Tickets as text that can be pasted into any ticket system.

use super::{Owner, Request};
use crate::check::Report;
use crate::dns::name::DomainName;
use crate::report::words::{client_view, place, target, utc};
use crate::report::{Style, escape, facts_text};
use crate::verdict::judge;

/// Every request under its number.
pub(super) fn tickets(report: &Report, requests: &[Request<'_>]) -> String {
    let observed = utc(&report.started);
    if requests.is_empty() {
        return format!("Nothing to ask for: every check of {observed} is healthy.\n");
    }
    let shown = requests.iter().take(REQUESTS_MAX).enumerate();
    let mut tickets: Vec<String> = shown
        .map(|(index, request)| ticket(request, index + 1, requests.len(), &observed))
        .collect();
    if let Some(more) = requests.len().checked_sub(REQUESTS_MAX).filter(|more| *more > 0) {
        tickets.push(format!("{more} more not shown\n"));
    }
    tickets.join("\n")
}

fn ticket(request: &Request<'_>, number: usize, of: usize, observed: &str) -> String {
    let verdict = request.verdict;
    let mut lines = Lines::default();
    let number = if of == 1 { String::new() } else { format!(" {number} of {of}") };
    lines.plain(&format!("Ticket{number}: {}", escape(&subject(request))));
    lines.plain(&format!("{:=<68}", ""));
    lines.fact("For", &request.owner.to_string());
    lines.fact("Observed", observed);
    lines.fact("By", concat!("kms-probe ", env!("CARGO_PKG_VERSION")));
    lines.fact("Verdict", &format!("{} ({})", verdict.row.code, verdict.severity.name()));
    lines.heading("What is wrong");
    lines.sentence(&verdict.cause);
    if let Some(seen) = client_view(verdict) {
        lines.sentence(&format!("Windows clients show: {seen}"));
    }
    lines.heading("What is asked for");
    lines.sentence(&asked_for(request));
    flow(request, &mut lines);
    evidence(request, &mut lines);
    rules(request, &mut lines);
    records(request, &mut lines);
    lines.heading("To test the change, from the same client");
    for command in tests(request) {
        lines.command(&command);
    }
    lines.text
}

fn subject(request: &Request<'_>) -> String {
    let code = request.verdict.row.code;
    match (&request.flow, request.owner) {
        (Some(flow), Owner::Firewall) => format!("allow {flow}"),
        (Some(flow), Owner::DnsPath) => format!("allow {flow} (DNS)"),
        (Some(flow), Owner::Inspection) => format!("do not inspect {flow} ({code})"),
        (Some(flow), Owner::Routing) => format!("no way for {flow} ({code})"),
        _ => {
            let entry = request.entry;
            format!("{code} at {}", place(entry).unwrap_or_else(|| target(entry).to_owned()))
        }
    }
}

fn asked_for(request: &Request<'_>) -> String {
    let remedy = request.verdict.remedy.clone().unwrap_or_default();
    let Some(flow) = request.flow.filter(|_| request.owner == Owner::Inspection) else {
        return remedy;
    };
    format!(
        "Let {flow} pass without application-layer inspection, in both directions: it is DCE/RPC \
         with the interface {KMS_INTERFACE} version 1.0, bound directly on this port without the \
         endpoint mapper. {remedy}"
    )
}

fn flow(request: &Request<'_>, lines: &mut Lines) {
    let Some(flow) = &request.flow else { return };
    if request.owner == Owner::Dns {
        lines.heading("Asked");
        lines.fact("server", &flow.destination.to_string());
        lines.facts("from", flow.source);
        return;
    }
    lines.heading("Flow");
    let source = flow.source.map_or_else(
        || "not known: nothing could be sent".to_owned(),
        |source| format!("{source} (replace it by the network of all clients), any port"),
    );
    lines.fact("source", &source);
    let host = request.entry.host.as_deref().filter(|_| request.owner != Owner::DnsPath);
    let name = host.filter(|host| *host != flow.destination.ip().to_string());
    let name = name.map_or_else(String::new, |name| format!(" ({name})"));
    lines.fact("destination", &format!("{}{name}", flow.destination.ip()));
    let protocols: Vec<String> =
        flow.protocols.iter().map(|protocol| protocol.name().to_uppercase()).collect();
    lines.fact("protocol", &protocols.join(" and "));
    lines.fact("port", &flow.destination.port().to_string());
    lines.facts("hop", hop(request));
}

/// Where on the path it stops, as far as that is known; `None` where it is no matter of a hop.
fn hop(request: &Request<'_>) -> Option<String> {
    let destination = request.flow?.destination;
    match (request.owner, request.hop) {
        (_, Some(hop)) => Some(format!("{hop} sent the ICMP error")),
        (Owner::Firewall, None) => {
            Some(format!("not known; `kms-probe trace {destination}` on the client finds it"))
        }
        (Owner::Inspection, None) => Some(
            "not known: the SYN passes, so that no trace finds the device; compare captures on \
             both sides of each firewall"
                .to_owned(),
        ),
        _ => None,
    }
}

fn evidence(request: &Request<'_>, lines: &mut Lines) {
    lines.heading("Evidence (all times UTC)");
    for stage in &request.entry.stages {
        let label = format!("{} {}", stage.stage.name(), judge::duration(stage.elapsed));
        lines.fact(&label, &format!("{}: {}", stage.verdict, facts_text::line(&stage.facts)));
    }
    for line in facts_text::beside(&request.entry.beside) {
        lines.fact(line.label, &format!("{}: {}", line.word, line.facts));
    }
}

fn rules(request: &Request<'_>, lines: &mut Lines) {
    if request.rules.is_empty() {
        return;
    }
    lines.heading("Rule to add (one of these, for the device concerned)");
    for recipe in &request.rules {
        lines.comment(recipe.device);
        recipe.lines.iter().for_each(|line| lines.command(line));
    }
    lines.sentence("Answers must be let back, as every stateful filter does by itself.");
}

fn records(request: &Request<'_>, lines: &mut Lines) {
    for record in &request.records {
        lines.heading("Record to add (one of these, for the server concerned)");
        lines.sentence(&record.purpose);
        lines.comment("BIND zone file");
        lines.command(&record.zone_line);
        lines.comment("nsupdate");
        record.nsupdate.lines().for_each(|line| lines.command(line));
        lines.comment("Windows DNS server (PowerShell, elevated)");
        lines.command(&record.windows);
        lines.comment("dnsmasq");
        lines.command(&record.dnsmasq);
    }
}

/// What shows that it worked. Only plain names go into a command.
fn tests(request: &Request<'_>) -> Vec<String> {
    let entry = request.entry;
    if request.verdict.row.code.starts_with("dns.") {
        let name = entry.dns().map(|dns| &dns.resolved.facts.name);
        let name = name.filter(|name| DomainName::is_plain(name));
        return vec![match name {
            Some(name) => format!("kms-probe discover {name}"),
            None => "kms-probe discover".to_owned(),
        }];
    }
    match request.flow {
        Some(flow) => vec![format!("kms-probe check {}", flow.destination)],
        None => vec!["kms-probe check".to_owned()],
    }
}

/// Lines in the making. Whatever is put in is escaped.
#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    fn plain(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn heading(&mut self, heading: &str) {
        self.plain("");
        self.plain(heading);
    }

    fn fact(&mut self, name: &str, value: &str) {
        let line = WRAPPED.labelled(&format!("  {name} "), NAME_COLUMNS, &escape(value));
        self.plain(&line);
    }

    fn facts(&mut self, name: &str, value: Option<impl ToString>) {
        value.iter().for_each(|value| self.fact(name, &value.to_string()));
    }

    fn sentence(&mut self, sentence: &str) {
        let line = WRAPPED.labelled("", 2, &escape(sentence));
        self.plain(&line);
    }

    fn comment(&mut self, comment: &str) {
        self.plain(&format!("  {comment}:"));
    }

    /// A command stays on its line, so that it can be copied.
    fn command(&mut self, command: &str) {
        self.plain(&format!("    {}", escape(command)));
    }
}

const WRAPPED: Style = Style { colour: false, columns: Some(96) };
const NAME_COLUMNS: usize = 16;
const KMS_INTERFACE: &str = "51c82175-844e-4750-b0d8-ec255555bc06";

/// More would be no ticket.
const REQUESTS_MAX: usize = 100;
