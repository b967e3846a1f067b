//! One exchange with hand-made servers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use kms_probe::dns::exchange::{
    EdnsUse, MAX_STRAYS, Outcome, Patience, TcpFailure, Transport, exchange,
};
use kms_probe::dns::lookup::{MAX_ALIAS_QUERIES, lookup};
use kms_probe::dns::message::Stray;
use tokio::io::AsyncReadExt;

use crate::skip::Need;
use crate::{SHORT, ample, fake, name, skip, srv};

const SERVICE: &str = "_vlmcs._tcp.corp.test";

fn v4() -> IpAddr {
    Ipv4Addr::LOCALHOST.into()
}

fn good(query: &Message) -> Message {
    let mut answer = fake::response_to(query);
    answer.add_answer(fake::srv(SERVICE, 0, 0, 1688, "kms1.corp.test"));
    answer
}

#[tokio::test]
async fn a_closed_port_is_unreachable_at_once_and_names_who_said_so() {
    for ip in [v4(), Ipv6Addr::LOCALHOST.into()] {
        if ip.is_ipv6() && !skip::require("dns closed port over IPv6", &[Need::Ipv6Loopback]) {
            continue;
        }
        let server = fake::closed(ip).await;
        let exchange = exchange(server, &srv(SERVICE), ample()).await;
        let Outcome::Unreachable(error) = exchange.outcome else {
            panic!("{:?}", exchange.outcome)
        };
        assert_eq!(error.errno_name, "ECONNREFUSED");
        assert_eq!(exchange.attempts, 1);
        if cfg!(target_os = "linux") {
            let icmp = error.icmp.unwrap();
            assert_eq!((icmp.name(), icmp.from), ("port unreachable", Some(ip)));
        }
    }
}

#[tokio::test]
async fn a_server_is_asked_over_ipv6() {
    if !skip::require("a_server_is_asked_over_ipv6", &[Need::Ipv6Loopback]) {
        return;
    }
    let answer = |query: &Message| vec![good(query).to_vec().unwrap()];
    let server = fake::udp_at(Ipv6Addr::LOCALHOST.into(), answer).await;
    let exchange = exchange(server, &srv(SERVICE), ample()).await;
    assert_eq!(exchange.outcome, Outcome::Answer);
    assert_eq!(exchange.source, Some(Ipv6Addr::LOCALHOST.into()));
}

#[tokio::test]
async fn silence_is_a_timeout_after_every_attempt() {
    let (_socket, server) = fake::silent(v4()).await;
    let exchange = exchange(server, &srv(SERVICE), Patience::of(SHORT, 3)).await;
    assert_eq!(exchange.outcome, Outcome::Timeout);
    assert_eq!((exchange.attempts, exchange.edns), (3, EdnsUse::Unknown));
    assert!(exchange.response.is_none() && exchange.strays.is_empty());
}

#[tokio::test]
async fn a_wrong_id_first_is_recorded_and_the_right_answer_taken() {
    let server = fake::udp(|query| {
        let mut wrong = good(query);
        wrong.metadata.id = wrong.metadata.id.wrapping_add(1);
        vec![wrong.to_vec().unwrap(), good(query).to_vec().unwrap()]
    })
    .await;
    let exchange = exchange(server, &srv(SERVICE), ample()).await;
    assert_eq!(exchange.outcome, Outcome::Answer);
    assert_eq!(exchange.strays, [Stray::WrongId]);
}

#[tokio::test]
async fn an_answer_to_another_question_is_recorded_and_never_taken() {
    let server = fake::udp(|query| {
        let mut wrong = good(query);
        wrong.queries[0].set_name("other.test.".parse().unwrap());
        vec![wrong.to_vec().unwrap(), good(query).to_vec().unwrap()]
    })
    .await;
    let exchange = exchange(server, &srv(SERVICE), ample()).await;
    assert_eq!(exchange.outcome, Outcome::Answer);
    assert_eq!(exchange.strays, [Stray::WrongQuestion]);
}

#[tokio::test]
async fn only_strays_are_malformed_not_silence_and_their_list_is_bounded() {
    let server = fake::udp(|query| {
        let mut wrong = good(query);
        wrong.metadata.id = wrong.metadata.id.wrapping_add(1);
        vec![wrong.to_vec().unwrap(); MAX_STRAYS + 5]
    })
    .await;
    let exchange = exchange(server, &srv(SERVICE), Patience::of(SHORT, 1)).await;
    let Outcome::Malformed { detail } = exchange.outcome else { panic!("{:?}", exchange.outcome) };
    assert!(detail.contains("wrong id"), "{detail}");
    assert_eq!(exchange.strays.len(), MAX_STRAYS);
}

#[tokio::test]
async fn a_cut_answer_and_an_echo_are_malformed() {
    let cut = fake::udp(|query| {
        let whole = good(query).to_vec().unwrap();
        vec![whole[..whole.len() - 3].to_vec()]
    })
    .await;
    let echo = fake::udp(|query| vec![query.to_vec().unwrap()]).await;
    for server in [cut, echo] {
        let exchange = exchange(server, &srv(SERVICE), ample()).await;
        assert!(matches!(exchange.outcome, Outcome::Malformed { .. }), "{:?}", exchange.outcome);
    }
}

#[tokio::test]
async fn a_lost_query_is_sent_again() {
    let mut seen = 0;
    let server = fake::udp(move |query| {
        seen += 1;
        if seen == 1 { Vec::new() } else { vec![good(query).to_vec().unwrap()] }
    })
    .await;
    let exchange = exchange(server, &srv(SERVICE), Patience::of(SHORT, 3)).await;
    assert_eq!(exchange.outcome, Outcome::Answer);
    assert!(exchange.attempts > 1);
}

#[tokio::test]
async fn a_server_that_refuses_edns_is_asked_without() {
    for rcode in [ResponseCode::FormErr, ResponseCode::NotImp, ResponseCode::BADVERS] {
        let server = fake::udp(move |query| {
            let mut answer = good(query);
            if query.edns.is_some() {
                answer.answers.clear();
                answer.metadata.response_code = rcode;
            }
            vec![answer.to_vec().unwrap()]
        })
        .await;
        let exchange = exchange(server, &srv(SERVICE), ample()).await;
        assert_eq!(exchange.outcome, Outcome::Answer, "{rcode}");
        assert_eq!((exchange.edns, exchange.attempts), (EdnsUse::Refused, 2), "{rcode}");
    }
}

#[tokio::test]
async fn a_bare_formerr_header_refuses_edns_too() {
    let server = fake::udp(|query| {
        let mut answer = good(query);
        if query.edns.is_some() {
            answer = Message::error_msg(
                query.metadata.id,
                query.metadata.op_code,
                ResponseCode::FormErr,
            );
        }
        vec![answer.to_vec().unwrap()]
    })
    .await;
    let exchange = exchange(server, &srv(SERVICE), ample()).await;
    assert_eq!((exchange.outcome, exchange.edns), (Outcome::Answer, EdnsUse::Refused));
}

#[tokio::test]
async fn a_path_that_drops_edns_is_found_out() {
    let server = fake::udp(|query| {
        if query.edns.is_some() { Vec::new() } else { vec![good(query).to_vec().unwrap()] }
    })
    .await;
    let exchange = exchange(server, &srv(SERVICE), Patience::of(SHORT, 2)).await;
    assert_eq!((exchange.outcome, exchange.edns), (Outcome::Answer, EdnsUse::OnlyWithout));
}

#[tokio::test]
async fn every_response_code_has_its_outcome_and_extended_errors_are_kept() {
    for (rcode, outcome) in [
        (ResponseCode::ServFail, Outcome::ServFail),
        (ResponseCode::Refused, Outcome::Refused),
        (ResponseCode::NXDomain, Outcome::NxDomain),
        (ResponseCode::NoError, Outcome::NoData),
        (ResponseCode::NotAuth, Outcome::OtherRcode),
        (ResponseCode::BADCOOKIE, Outcome::OtherRcode),
    ] {
        let server = fake::answering(move |_, answer| {
            answer.metadata.response_code = rcode;
            let data = b"\x00\x16all servers\x07 down".to_vec();
            let edns = answer.edns.as_mut().unwrap();
            edns.options_mut().insert(EdnsOption::Unknown(15, data));
        })
        .await;
        let exchange = exchange(server, &srv(SERVICE), ample()).await;
        assert_eq!(exchange.outcome, outcome);
        let response = exchange.response.unwrap();
        assert_eq!(response.extended_errors[0].name, Some("No Reachable Authority"));
        assert_eq!(response.extended_errors[0].text, "all servers\\u{7} down");
    }
}

#[tokio::test]
async fn what_tcp_does_after_truncation_is_told_apart() {
    let (server, listener) = fake::truncating().await;
    drop(listener);
    let refused = exchange(server, &srv(SERVICE), ample()).await;
    assert_eq!(refused.outcome, Outcome::TruncatedNoTcp { tcp: TcpFailure::Refused });
    assert_eq!(refused.transport, Transport::Tcp);

    let (server, _never_accepting) = fake::truncating().await;
    let silent = exchange(server, &srv(SERVICE), Patience::of(SHORT, 1)).await;
    assert_eq!(silent.outcome, Outcome::TruncatedNoTcp { tcp: TcpFailure::Timeout });

    let (server, listener) = fake::truncating().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // Read the query, so that the close is orderly.
        let length = stream.read_u16().await.unwrap();
        stream.read_exact(&mut vec![0; usize::from(length)]).await.unwrap();
    });
    let closed = exchange(server, &srv(SERVICE), ample()).await;
    assert_eq!(closed.outcome, Outcome::TruncatedNoTcp { tcp: TcpFailure::Closed });
}

#[tokio::test]
async fn an_endless_chain_of_aliases_ends() {
    let mut count = 0;
    let server = fake::answering(move |query, answer| {
        count += 1;
        answer.add_answer(fake::cname(&fake::asked(query), &format!("a{count}.test")));
    })
    .await;
    let found = lookup(server, &srv(SERVICE), ample()).await;
    assert!(found.endless);
    assert_eq!(found.exchanges.len(), MAX_ALIAS_QUERIES + 1);
}

#[tokio::test]
async fn an_alias_out_of_the_answer_is_followed_with_another_query() {
    let server = fake::with_records(vec![
        fake::cname(SERVICE, "_vlmcs._tcp.other.test"),
        fake::srv("_vlmcs._tcp.other.test", 0, 0, 1688, "kms1.other.test"),
    ])
    .await;
    let found = lookup(server, &srv(SERVICE), ample()).await;
    assert_eq!(found.aliases, [name("_vlmcs._tcp.other.test")]);
    assert_eq!((found.outcome(), found.exchanges.len()), (Outcome::Answer, 2));
}
