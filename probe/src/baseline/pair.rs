//! Which entry of the earlier check is which of this one.

use super::snapshot::PastEntry;

/// Entries beside each other: before and now.
pub(super) type Pair<'a> = (Option<&'a PastEntry>, Option<&'a PastEntry>);

/// Every entry of both exactly once. Those that agree in everything come together first, then
/// those whose address, port or host alone has changed, in the order of `now`; what is left came
/// or went.
pub(super) fn pairs<'a>(before: &'a [PastEntry], now: &'a [PastEntry]) -> Vec<Pair<'a>> {
    let mut old: Vec<Option<&PastEntry>> = before.iter().map(Some).collect();
    let mut pairs: Vec<Pair<'_>> = now.iter().map(|entry| (None, Some(entry))).collect();
    for same in STEPS {
        for (partner, entry) in pairs.iter_mut().filter(|(partner, _)| partner.is_none()) {
            let Some(entry) = entry else { continue };
            let found = old.iter_mut().find(|old| old.is_some_and(|old| same(old, entry)));
            *partner = found.and_then(Option::take);
        }
    }
    pairs.extend(old.into_iter().flatten().map(|entry| (Some(entry), None)));
    pairs
}

type Same = fn(&PastEntry, &PastEntry) -> bool;

const STEPS: [Same; 4] = [
    |a, b| {
        let place = |entry: &PastEntry| (entry.port, entry.address.clone());
        same_host(a, b) && place(a) == place(b)
    },
    |a, b| same_host(a, b) && a.port == b.port,
    |a, b| same_host(a, b),
    // A target that led nowhere and now leads to a host, or the other way round.
    |a, b| a.target == b.target && (a.host.is_none() || b.host.is_none()),
];

fn same_host(a: &PastEntry, b: &PastEntry) -> bool {
    a.target == b.target && a.host == b.host
}
