//! The KMS hosts of a domain, and the addresses of a host, asked of one DNS server.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use kms_page::text::escape;
use kms_protocol::kms::Hresult;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use super::exchange::HostName;
use crate::dns::name;
use crate::model::client::Candidate;

/// A DNS server, and how long it is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resolver {
    /// Where it is.
    pub(crate) server: SocketAddr,
    /// How often a question is sent at most, over UDP.
    pub(crate) tries: u32,
    /// How long each is waited for.
    pub(crate) try_time: Duration,
}

/// Why DNS led nowhere.
#[derive(Debug, Error)]
pub(crate) enum DnsFailure {
    #[error("`{0}` does not exist")]
    NoName(String),
    #[error("`{0}` has no such records")]
    NoRecords(String),
    #[error("DNS server {server} answered {code} for `{name}`")]
    Code { server: SocketAddr, name: String, code: ResponseCode },
    #[error("DNS server {server} gave no answer for `{name}`")]
    Silent { server: SocketAddr, name: String },
    #[error("DNS server {server} cannot be asked: {source}")]
    Socket { server: SocketAddr, source: io::Error },
    #[error("DNS server {server} gave an answer for `{name}` that cannot be read")]
    Malformed { server: SocketAddr, name: String },
    #[error("{0}")]
    BadName(#[from] name::NameError),
    #[error("`{0}` is a name, and without --dns there is nobody to ask for its address")]
    NoServer(String),
}

impl Resolver {
    /// The server at `server`, asked twice, for two seconds each.
    pub(crate) const fn at(server: SocketAddr) -> Self {
        Self { server, tries: TRIES, try_time: TRY_TIME }
    }
}

impl DnsFailure {
    /// What a Windows client shows, where it is documented; else that no host could be used.
    pub(crate) const fn hresult(&self) -> Hresult {
        match self {
            Self::NoName(_) => Hresult::DNS_NAME_ERROR,
            Self::NoRecords(_) => Hresult::DNS_NO_RECORDS,
            Self::Code { code: ResponseCode::ServFail, .. } => Hresult(DNS_SERVER_FAILURE),
            _ => Hresult::NO_KMS_AVAILABLE,
        }
    }
}

/// The hosts that `_vlmcs._tcp.DOMAIN` lists, as they stand there; at most [`HOSTS_MAX`].
pub(crate) async fn hosts(
    resolver: Resolver,
    domain: &str,
    ids: &mut (dyn FnMut() -> u16 + Send),
) -> Result<Vec<(Candidate, HostName)>, DnsFailure> {
    let service = name::parse(&format!("_vlmcs._tcp.{domain}"))?;
    let answer = query(resolver, &service, RecordType::SRV, ids()).await?;
    let hosts = answer.answers.iter().filter_map(|record| match &record.data {
        RData::SRV(srv) if !srv.target.is_root() => {
            let target = srv.target.to_ascii();
            let name = target.trim_end_matches('.').to_owned();
            let candidate = Candidate { priority: srv.priority, weight: srv.weight };
            Some((candidate, HostName { name, port: srv.port }))
        }
        _ => None,
    });
    let hosts: Vec<_> = hosts.take(HOSTS_MAX).collect();
    if hosts.is_empty() { Err(DnsFailure::NoRecords(shown(&service))) } else { Ok(hosts) }
}

/// The addresses of a host, IPv4 first; at most [`ADDRESSES_MAX`].
pub(crate) async fn addresses(
    resolver: Option<Resolver>,
    host: &HostName,
    ids: &mut (dyn FnMut() -> u16 + Send),
) -> Result<Vec<SocketAddr>, DnsFailure> {
    if let Some(address) = host.address() {
        return Ok(vec![SocketAddr::new(address, host.port)]);
    }
    let no_server = || DnsFailure::NoServer(escape(&host.name).into_owned());
    let resolver = resolver.ok_or_else(no_server)?;
    let name = name::parse(&host.name)?;
    let mut found = Vec::new();
    for kind in [RecordType::A, RecordType::AAAA] {
        let answer = match query(resolver, &name, kind, ids()).await {
            Ok(answer) => answer,
            Err(DnsFailure::NoRecords(_)) => continue,
            Err(_) if !found.is_empty() => continue,
            Err(failure) => return Err(failure),
        };
        found.extend(answer.answers.iter().filter_map(|record| match &record.data {
            RData::A(a) => Some(SocketAddr::new(IpAddr::V4(a.0), host.port)),
            RData::AAAA(aaaa) => Some(SocketAddr::new(IpAddr::V6(aaaa.0), host.port)),
            _ => None,
        }));
    }
    found.truncate(ADDRESSES_MAX);
    if found.is_empty() { Err(DnsFailure::NoRecords(shown(&name))) } else { Ok(found) }
}

/// One question over UDP, again if need be, and over TCP where the answer was cut (RFC 7766).
async fn query(
    resolver: Resolver,
    name: &Name,
    kind: RecordType,
    id: u16,
) -> Result<Message, DnsFailure> {
    let Resolver { server, tries, try_time } = resolver;
    let fail = |source| DnsFailure::Socket { server, source };
    let mut question = Message::new(id, MessageType::Query, OpCode::Query);
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(name.clone(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_BYTES_MAX);
    question.set_edns(edns);
    let bytes = question.to_vec().map_err(|error| fail(io::Error::other(error)))?;
    let answer = match over_udp(resolver, &bytes, &question).await.map_err(fail)? {
        Some(answer) if answer.metadata.truncation => {
            let exchange =
                tokio::time::timeout(try_time.saturating_mul(tries), over_tcp(server, &bytes));
            let silent = || DnsFailure::Silent { server, name: shown(name) };
            let bytes = exchange.await.map_err(|_| silent())?.map_err(fail)?;
            let answer = Message::from_vec(&bytes).ok().filter(|answer| fits(&question, answer));
            answer.ok_or_else(|| DnsFailure::Malformed { server, name: shown(name) })?
        }
        Some(answer) => answer,
        None => return Err(DnsFailure::Silent { server, name: shown(name) }),
    };
    match answer.metadata.response_code {
        ResponseCode::NoError if answer.answers.is_empty() => {
            Err(DnsFailure::NoRecords(shown(name)))
        }
        ResponseCode::NoError => Ok(answer),
        ResponseCode::NXDomain => Err(DnsFailure::NoName(shown(name))),
        code => Err(DnsFailure::Code { server, name: shown(name), code }),
    }
}

/// `None`: silence, or nothing that answers this question.
async fn over_udp(
    resolver: Resolver,
    bytes: &[u8],
    question: &Message,
) -> io::Result<Option<Message>> {
    let Resolver { server, tries, try_time } = resolver;
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    for _ in 0..tries {
        socket.send(bytes).await?;
        let answered = tokio::time::timeout(try_time, async {
            let mut buffer = vec![0; usize::from(u16::MAX)];
            loop {
                let count = socket.recv(&mut buffer).await?;
                let answer = Message::from_vec(buffer.get(..count).unwrap_or_default());
                if let Some(answer) = answer.ok().filter(|answer| fits(question, answer)) {
                    return io::Result::Ok(answer);
                }
            }
        });
        if let Ok(answer) = answered.await {
            return answer.map(Some);
        }
    }
    Ok(None)
}

async fn over_tcp(server: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), bytes].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

fn fits(question: &Message, answer: &Message) -> bool {
    answer.metadata.id == question.metadata.id
        && answer.metadata.message_type == MessageType::Response
        && (answer.queries == question.queries || answer.queries.is_empty())
}

fn shown(name: &Name) -> String {
    escape(name.to_ascii().trim_end_matches('.')).into_owned()
}

/// Hosts that are considered of one list.
const HOSTS_MAX: usize = 64;
/// Addresses that are considered of one host.
const ADDRESSES_MAX: usize = 8;
const UDP_BYTES_MAX: u16 = 1232;
const TRIES: u32 = 2;
const TRY_TIME: Duration = Duration::from_secs(2);
/// DNS_ERROR_RCODE_SERVER_FAILURE.
const DNS_SERVER_FAILURE: u32 = 0x8007_232A;
