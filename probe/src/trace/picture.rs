//! The path to each port as a line: `you --1--2--X`. Plain characters, so that it survives every
//! terminal, log and mail.

use super::facts::TraceFacts;
use super::path::{End, PortPath};
use super::table;
use crate::verdict::Row;
use crate::verdict::judge::duration;

/// One line per port: the line itself, and what it shows in words.
pub(super) fn lines(facts: &TraceFacts, paths: &[PortPath], row: &'static Row) -> Vec<Line> {
    paths.iter().map(|path| line(facts, path, paths, row)).collect()
}

/// A path as a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) port: u16,
    pub(super) drawing: String,
    pub(super) meaning: String,
}

fn line(facts: &TraceFacts, path: &PortPath, all: &[PortPath], row: &'static Row) -> Line {
    // Control ports are not always waited for to the end.
    let elapsed = || match path.is_control {
        true => String::new(),
        false => format!(" in {}", duration(std::time::Duration::from_micros(facts.elapsed_us))),
    };
    let forged = std::ptr::eq(row, &table::RESET_ON_PATH) && !path.is_control;
    let early = std::ptr::eq(row, &table::ANSWERED_EARLY) && !path.is_control;
    let (last, mark, meaning) = match path.end {
        End::SynAck { ttl } if early => (
            ttl.saturating_sub(1),
            "!".to_owned(),
            format!("accepted at hop {ttl}, before the host"),
        ),
        End::SynAck { ttl } => (ttl.saturating_sub(1), format!("[{ttl}]"), "open".to_owned()),
        End::Reset { ttl } if forged => {
            (ttl.saturating_sub(1), "!".to_owned(), format!("reset at hop {ttl}, before the host"))
        }
        End::Reset { ttl } => {
            (ttl.saturating_sub(1), format!("[{ttl}]"), "closed (reset)".to_owned())
        }
        End::Rejected { ttl, icmp } => {
            let hop = icmp.from.and_then(|from| hop_of(all, from));
            let last = hop.unwrap_or(ttl.saturating_sub(1));
            let from = icmp.from.map_or(String::new(), |from| format!(" from {from}"));
            (last, "!".to_owned(), format!("rejected: {}{from}", icmp.words()))
        }
        End::NotSent { error } => (0, "X".to_owned(), format!("not sent: {}", error.kind.words())),
        End::Silent => {
            let last = path.last_router().map_or(0, |hop| hop.ttl);
            let meaning = if last == 0 {
                format!("no answer at all{}", elapsed())
            } else {
                format!("no answer from behind hop {last}{}", elapsed())
            };
            (last, "X".to_owned(), meaning)
        }
    };
    let hops = (1..=last).map(|ttl| {
        let answered = path.hop(ttl).is_some_and(|hop| !hop.answers.is_empty());
        if answered { ttl.to_string() } else { "*".to_owned() }
    });
    let mut stations = vec!["you".to_owned()];
    stations.extend(shortened(hops.collect()));
    stations.push(mark);
    Line { port: path.port, drawing: stations.join("--"), meaning }
}

/// Where an address answers "time exceeded", on any port.
fn hop_of(paths: &[PortPath], address: std::net::IpAddr) -> Option<u8> {
    let hops = paths.iter().flat_map(|path| &path.hops);
    hops.filter(|hop| hop.routers().contains(&address)).map(|hop| hop.ttl).min()
}

/// The middle of a long path is left out.
fn shortened(mut hops: Vec<String>) -> Vec<String> {
    if hops.len() > HOPS_DRAWN_MAX {
        let end = hops.len() - HOPS_DRAWN_MAX / 2;
        hops.splice(HOPS_DRAWN_MAX / 2..end, ["..".to_owned()]);
    }
    hops
}

const HOPS_DRAWN_MAX: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_long_path_is_left_out() {
        let hops = |count: u8| (1..=count).map(|ttl| ttl.to_string()).collect::<Vec<_>>();
        assert_eq!(shortened(hops(12)), hops(12));
        let long = shortened(hops(20)).join("-");
        assert_eq!(long, "1-2-3-4-5-6-..-15-16-17-18-19-20");
    }
}
