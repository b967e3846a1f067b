//! The dashboard: a page that says the state by itself, and a script that keeps it up to date.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::super::extract::Params;
use super::super::lab::Lab;
use super::super::problem::Problem;
use super::hosts::{self, HostView, OfHost};
use super::state::LabState;
use crate::fault::Listed;
use crate::journal::{FlatRow, Row};

/// The dashboard.
#[utoipa::path(get, path = "/", tag = "page", security(()), params(OfHost),
    responses((status = 200, description = "The page", body = String, content_type = "text/html")))]
pub(super) async fn page(
    State(lab): State<Arc<Lab>>,
    Params(of): Params<OfHost>,
) -> Result<Html<String>, Problem> {
    // Where a token is needed, nobody learns here which hosts there are.
    let place = if lab.needs_token { 0 } else { of.place(&lab)? };
    let page = document(&lab, place, of.host.is_some()).into_string();
    // Direction marks and other invisible characters of a name could show it as another.
    Ok(Html(kms_page::text::escape_page(&page).into_owned()))
}

/// The dashboard's style.
#[utoipa::path(get, path = "/page.css", tag = "page", security(()),
    responses((status = 200, description = "The style", body = String, content_type = "text/css")))]
pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

/// The dashboard's script.
#[utoipa::path(get, path = "/page.js", tag = "page", security(()),
    responses((status = 200, description = "The script", body = String,
               content_type = "text/javascript")))]
pub(super) async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT).into_response()
}

fn document(lab: &Lab, place: usize, names_host: bool) -> Markup {
    // Where a token is needed, the page is served without it and may say nothing of the lab.
    let shown = (!lab.needs_token).then(|| Shown::of(lab, place));
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "kms-sim" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/page.css";
                script src="/page.js" defer {}
            }
            body {
                header {
                    h1 { "kms-sim" }
                    span.soft { "version " (env!("CARGO_PKG_VERSION")) }
                    @if let Some(shown) = &shown { span.soft { "listening on " (shown.state.listen.join(", ")) } }
                    strong #sinkhole.bad { @if shown.as_ref().is_some_and(|shown| shown.state.sinkhole) { (SINKHOLE) } }
                    span #link role="status" { "static: scripts are off" }
                    p.lab.soft { "A lab host. It cannot activate anything." }
                }
                form #token-form.hidden {
                    label for="token" { "Token of this server" }
                    input #token type="password" autocomplete="current-password";
                    button { "use it" }
                }
                dl.gauges {
                    @for (id, label) in GAUGES {
                        div { dt { (label) } dd id=(id) { (value(shown.as_ref(), id)) } }
                    }
                }
                main {
                    (hosts_table(shown.as_ref()))
                    (sections(shown.as_ref(), names_host))
                }
            }
        }
    }
}

/// Where there are several hosts: all of them, each a link to the page about it.
fn hosts_table(shown: Option<&Shown>) -> Markup {
    let several = shown.is_some_and(|shown| shown.hosts.len() > 1);
    html! {
        section #host-section.hidden[!several] {
            h2 { "Hosts" }
            div.scroll { table {
                thead { tr {
                    th { "Host" } th.wide { "Listens on" } th.number { "Answered" }
                    th { "Counted" } th.number { "Own rules on" }
                } }
                tbody #hosts { @if let Some(shown) = shown { (shown.hosts()) } }
            } }
        }
    }
}

fn sections(shown: Option<&Shown>, names_host: bool) -> Markup {
    html! {
        section.third { h2 { "Exchanges per second" } svg #plot-rate.plot role="img" {} }
        section.third { h2 { "Service time" } svg #plot-service.plot role="img" {} }
        section.third { h2 { "Clients counted" } svg #plot-counts.plot role="img" {} }
        section {
            h2 { "Requests as they happen" }
            div.scroll { table {
                thead { tr {
                    th { "Time (UTC)" } th { "Client" } th { "Product" } th.wide { "From" }
                    th.number { "Count" } th { "Result" } th { "Fault" }
                } }
                tbody #requests aria-live="off" {
                    @if let Some(shown) = shown { (shown.requests()) }
                    @else { (none(7, "nothing to see without the token")) }
                }
            } }
        }
        section.half {
            h2 { "Count against threshold" }
            div.scroll { table {
                thead { tr { th { "Application" } th.number { "Count" } th { "Needed" } th.number.wide { "Remembered at most" } } }
                tbody #applications { @if let Some(shown) = shown { (shown.applications()) } }
            } }
        }
        section.half {
            h2 { "Clients by licence state" }
            div.scroll { table {
                thead { tr { th { "State" } th.number { "Clients" } th.wide { "Share" } } }
                tbody #statuses { @if let Some(shown) = shown { (shown.statuses()) } }
            } }
        }
        section { (faults(shown, names_host)) }
        section.half { (clock(shown)) }
        section.half {
            h2 { "DNS records" }
            div.scroll { table {
                thead { tr { th { "Name" } th.number { "TTL" } th { "Type" } th { "Data" } } }
                tbody #records { @if let Some(shown) = shown { (shown.records()) } }
            } }
            h2 { "Journal" }
            p #journal { @if let Some(shown) = shown { (shown.journal()) } }
        }
        section { (clients()) }
    }
}

fn faults(shown: Option<&Shown>, names_host: bool) -> Markup {
    html! {
        h2 { "Faults" }
        div.scroll { table {
            thead { tr { th { "On" } th { "Rule" } th { "What it does" } th.number { "Matched" } th.number { "Applied" } th {} } }
            tbody #rules { @if let Some(shown) = shown { (shown.rules()) } }
        } }
        form #fault-form.needs-script.hidden {
            label for="fault" { @if names_host { "New rule for this host" } @else { "New rule" } }
            input #fault type="text" placeholder="delay time=200ms probability=0.5" autocomplete="off" spellcheck="false";
            button { "add" }
            button #fault-reset type="button" { "reset all counts" }
        }
        p #fault-message.message role="status" {}
    }
}

fn clock(shown: Option<&Shown>) -> Markup {
    html! {
        h2 { "Clock of the host" }
        p {
            strong #host-time { @if let Some(shown) = shown { (shown.state.clock.time) } } " UTC, "
            span #clock-mode {} " "
            span #clock-offset.soft {}
        }
        div.row.needs-script.hidden {
            @for (step_s, label) in STEPS { button data-step=(step_s) { (label) } }
            button #clock-real { "real time" }
        }
        form #scale-form.needs-script.hidden {
            label for="scale" { "Speed" }
            select #scale {
                @for (scale, label) in SCALES { option value=(scale) selected[*scale == 1] { (label) } }
            }
            button { "set" }
        }
        p #clock-message.message role="status" {}
    }
}

fn clients() -> Markup {
    html! {
        h2 { "Clients" }
        form #search-form.needs-script.hidden {
            label for="search" { "Name, address, product or CMID" }
            input #search type="search" autocomplete="off";
            button { "search" }
        }
        div.scroll { table {
            thead { tr {
                th { "Name" } th { "Product" } th.wide { "CMID" } th { "State" } th.wide { "Address" }
                th { "Counted" } th { "Last seen (UTC)" }
            } }
            tbody #clients { (none(7, "needs scripts")) }
        } }
        div.row.needs-script.hidden {
            button #clients-back { "back" }
            span #clients-page {}
            button #clients-on { "on" }
        }
    }
}

fn none(columns: usize, why: &str) -> Markup {
    html! { tr { td.soft colspan=(columns) { (why) } } }
}

fn value(shown: Option<&Shown>, id: &str) -> String {
    shown.map_or_else(|| "–".to_owned(), |shown| shown.gauge(id))
}

/// The state as the page says it without its script.
struct Shown {
    state: LabState,
    requests: Vec<FlatRow>,
    rules: Vec<Listed>,
    hosts: Vec<HostView>,
}

impl Shown {
    fn of(lab: &Lab, place: usize) -> Self {
        let latest: Vec<Arc<Row>> = match lab.watched().host(place) {
            Some(host) => host.latest.iter().rev().cloned().collect(),
            None => Vec::new(),
        };
        let mut rules = lab.host(place).faults().list();
        rules.extend(lab.first().common_faults().list());
        Self {
            state: LabState::of(lab, place),
            requests: latest.iter().map(|row| FlatRow::from(&**row)).collect(),
            rules,
            hosts: hosts::all(lab),
        }
    }

    /// What a gauge shows without the script, which alone knows rates.
    fn gauge(&self, id: &str) -> String {
        let LabState { connections, requests, faults, .. } = &self.state;
        match id {
            "connections" => format!("{} of {}", connections.open, connections.limit),
            "answered" => requests.answered.to_string(),
            "foreign" => requests.foreign_keys.to_string(),
            "rules-on" => faults.enabled.to_string(),
            _ => "–".to_owned(),
        }
    }

    fn hosts(&self) -> Markup {
        html! {
            @for host in &self.hosts {
                tr aria-current=[(host.name == self.state.host).then_some("true")] {
                    td.name { a href=(format!("/?host={}", host.name)) { (host.name) } }
                    td.wide.name { (host.listen.join(", ")) }
                    td.number { (host.requests) }
                    td { @for application in &host.applications { div { (application.name) ": " (application.count) } } }
                    td.number { (host.rules_on) }
                }
            }
        }
    }

    fn requests(&self) -> Markup {
        html! {
            @if self.requests.is_empty() { (none(7, "no request yet")) }
            @for row in &self.requests {
                tr {
                    td { (row.time.get(11..19).unwrap_or_default()) }
                    td.name { (row.client.as_deref().unwrap_or("–")) }
                    td.name { (row.product.unwrap_or("–")) }
                    td.wide.name { (row.peer.as_deref().unwrap_or("–")) }
                    td.number { @if let Some(count) = row.count { (count) } @else { "–" } }
                    td { (row.reason.as_deref().or(row.outcome).unwrap_or_default()) }
                    td.name { (row.fault_rule.as_deref().unwrap_or_default()) }
                }
            }
        }
    }

    fn applications(&self) -> Markup {
        html! {
            @for application in &self.state.applications {
                tr {
                    td.name { (application.name) }
                    td.number { (application.count) }
                    td {
                        @for threshold in &application.thresholds {
                            div { (threshold.kind) ": " (application.count) " of " (threshold.clients) }
                        }
                    }
                    td.number.wide { (application.capacity) }
                }
            }
        }
    }

    fn statuses(&self) -> Markup {
        html! {
            @for state in &self.state.licence_states {
                tr { td.name { (state.name) } td.number { (state.clients) } td.wide {} }
            }
        }
    }

    fn rules(&self) -> Markup {
        html! {
            @if self.rules.is_empty() { (none(6, "no rules: the host behaves")) }
            @for listed in &self.rules {
                tr {
                    td { (if listed.rule.enabled { "on" } else { "off" }) }
                    td.name { (listed.rule.id) }
                    td.name { (listed.rule.kind().name()) " at " (listed.rule.stage.name()) }
                    td.number { (listed.matched) }
                    td.number { (listed.applied) }
                    td {}
                }
            }
        }
    }

    fn records(&self) -> Markup {
        html! {
            @match &self.state.dns {
                None => (none(4, "no embedded DNS server (--dns)")),
                Some(dns) => @for record in &dns.records {
                    tr {
                        td.name { (record.name) }
                        td.number { (record.ttl_s) }
                        td { (record.kind) }
                        td.name { (record.data) }
                    }
                }
            }
        }
    }

    fn journal(&self) -> String {
        self.state.journal.as_ref().map_or_else(
            || "none (--journal)".to_owned(),
            |journal| format!("{}, durability {}", journal.file, journal.durability),
        )
    }
}

const SINKHOLE: &str = "SINKHOLE: everybody is refused";
const STYLE: &str = include_str!("../page/page.css");
const SCRIPT: &str = include_str!("../page/page.js");

const GAUGES: &[(&str, &str)] = &[
    ("connections", "Connections"),
    ("rate", "Exchanges per second"),
    ("service", "Service time, 99%"),
    ("answered", "Calls answered"),
    ("foreign", "Foreign keys"),
    ("rules-on", "Fault rules on"),
];
const STEPS: &[(i64, &str)] = &[
    (-3_600, "- 1 h"),
    (3_600, "+ 1 h"),
    (86_400, "+ 1 day"),
    (7 * 86_400, "+ 7 days"),
    (30 * 86_400, "+ 30 days"),
    (180 * 86_400, "+ 180 days"),
];
const SCALES: &[(u32, &str)] = &[
    (0, "frozen"),
    (1, "real"),
    (60, "60 x: an hour a minute"),
    (3_600, "3,600 x: an hour a second"),
    (86_400, "86,400 x: a day a second"),
];
