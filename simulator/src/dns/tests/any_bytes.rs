//! No bytes make the server panic, talk to itself, or say more than it was allowed to.

use proptest::prelude::*;

use super::super::MAX_UDP_BYTES;
use super::*;

fn transport() -> impl Strategy<Value = Transport> {
    prop_oneof![Just(Transport::Udp), Just(Transport::Tcp)]
}

fn fault() -> impl Strategy<Value = Option<Fault>> {
    let faults = [Fault::NxDomain, Fault::ServFail(None), Fault::Truncate, Fault::Malformed];
    proptest::option::of(proptest::sample::select(faults.to_vec()))
}

/// Valid queries of every kind, to be damaged.
fn valid_query() -> impl Strategy<Value = Vec<u8>> {
    let names = [SERVICE, "kms2.lab.test.", "lab.test.", "kms.lab.test.", "gone.lab.test."];
    let types = [RecordType::SRV, RecordType::A, RecordType::ANY, RecordType::SOA];
    let parts = (
        proptest::sample::select(names.to_vec()),
        proptest::sample::select(types.to_vec()),
        proptest::option::of(any::<u16>()),
    );
    parts.prop_map(|(name, query_type, edns)| {
        let message = query(name, query_type);
        edns.map_or(message.clone(), |size| with_edns(message, size)).to_vec().unwrap()
    })
}

/// What holds for every reply.
fn check(query: &[u8], fault: Option<&Fault>, transport: Transport) {
    let zone = zone();
    let Reply::Send { bytes, summary, .. } = answer(&zone, fault, query, transport) else {
        return;
    };
    assert!(query.len() >= 12 && query[2] & 0x80 == 0, "answered {query:02x?}");
    assert_eq!(bytes[..2], query[..2], "the id is the query's");
    assert_eq!(bytes[2] & 0x80, 0x80, "an answer");
    if transport == Transport::Udp {
        assert!(bytes.len() <= usize::from(MAX_UDP_BYTES));
    }
    let has_no_control = |c: char| !c.is_control();
    assert!(summary.to_string().chars().all(has_no_control), "{summary}");
    if fault != Some(&Fault::Malformed) {
        Message::from_vec(&bytes).expect("an answer that can be decoded");
    }
    // Two such servers do not keep each other busy.
    assert!(matches!(answer(&zone, None, &bytes, transport), Reply::Nothing(_)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(
        query in proptest::collection::vec(any::<u8>(), 0..600),
        transport in transport(),
        fault in fault(),
    ) {
        check(&query, fault.as_ref(), transport);
    }

    #[test]
    fn random_bytes_behind_the_header_of_a_query(
        counts in proptest::array::uniform4(0_u16..3),
        rest in proptest::collection::vec(any::<u8>(), 0..300),
        transport in transport(),
    ) {
        let mut query = vec![0x12, 0x34, 0x01, 0x00];
        query.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
        query.extend(rest);
        check(&query, None, transport);
    }

    #[test]
    fn damaged_queries(
        query in valid_query(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        len in any::<proptest::sample::Index>(),
        is_cut in any::<bool>(),
        transport in transport(),
        fault in fault(),
    ) {
        let mut query = query;
        for (at, byte) in damage {
            let at = at.index(query.len());
            query[at] = byte;
        }
        if is_cut {
            query.truncate(len.index(query.len() + 1));
        }
        check(&query, fault.as_ref(), transport);
    }
}
