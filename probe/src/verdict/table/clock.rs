//! What another machine's clock shows beside this one's.

use crate::stage::Stage;
use crate::verdict::{Row, Seen, Severity};

/// The clocks agree.
pub static OK: Row = Row {
    code: "clock.ok",
    stage: Stage::Clock,
    severity: Severity::Ok,
    port_state: None,
    cause: "The clock of {clock} is {offset} this machine's, give or take {uncertainty}{near}.",
    remedy: None,
    client_sees: &[],
    client_note: None,
};

/// More than the four hours that a KMS host tolerates.
pub static SKEWED: Row = Row {
    code: "clock.skewed",
    stage: Stage::Clock,
    severity: Severity::Critical,
    port_state: None,
    cause: "The clock of {clock} is {offset} this machine's, give or take {uncertainty}: with more \
            than 4 hours between client and KMS host, compared in UTC so that time zones do not \
            matter, the host refuses every request with 0xC004F06C{whose}.",
    remedy: Some(
        "Correct {wrong_clock} (`w32tm /resync` on Windows, chrony or another NTP client \
         elsewhere) and find out why it lost its time source; `slmgr /ato` shows only 0xC004F074, \
         and 0xC004F06C stands in event 12288 on the client and 12290 on the host.",
    ),
    client_sees: &[
        Seen {
            code: 0xC004_F074,
            place: "slmgr /ato",
            source: "Microsoft, Error 0xC004F074 when you try to activate Windows",
        },
        Seen {
            code: 0xC004_F06C,
            place: "events 12288 and 12290",
            source: "Microsoft, Error 0xC004F06C when you try to activate Windows",
        },
    ],
    client_note: None,
};

/// More than the five minutes that Kerberos tolerates by default.
pub static DRIFTING: Row = Row {
    code: "clock.drifting",
    stage: Stage::Clock,
    severity: Severity::Warning,
    port_state: None,
    cause: "The clock of {clock} is {offset} this machine's, give or take {uncertainty}: KMS \
            tolerates up to 4 hours, but a clock that is more than 5 minutes off has lost its time \
            source{near}{whose}.",
    remedy: Some(
        "Synchronise {wrong_clock} (`w32tm /resync` on Windows, chrony or another NTP client \
         elsewhere) before it drifts past 4 hours, where activation ends with 0xC004F06C.",
    ),
    client_sees: &[],
    client_note: Some("nothing yet"),
};

/// It did not show.
pub static UNKNOWN: Row = Row {
    code: "clock.unknown",
    stage: Stage::Clock,
    severity: Severity::Info,
    port_state: None,
    cause: "The clock of {clock} is not known: {why_unknown}.",
    remedy: Some(
        "Where 0xC004F06C is suspected, ask in another way: `--clock {other_clock}`, or \
         `w32tm /stripchart /computer:{host} /samples:3 /dataonly` on a Windows machine.",
    ),
    client_sees: &[],
    client_note: Some("nothing follows from this for a client"),
};

/// All rows of the stage.
pub static ROWS: &[&Row] = &[&OK, &SKEWED, &DRIFTING, &UNKNOWN];
