//! What readers find: events, tool output, conversations, answers of DNS, and where each stood.

use std::net::{IpAddr, SocketAddr};

use super::moment::Moment;
use super::names::{Id, Name};

/// Where something was read: a file, and a line, record or packet in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Index of the file, in the order in which files were given.
    pub file: u16,
    /// What is counted there.
    pub unit: Unit,
    /// Its number, from 1; records of Windows have the number that their log gave them.
    pub number: u64,
}

/// What is counted in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// Lines of text.
    #[default]
    Line,
    /// Records of an event log, rows of a journal.
    Record,
    /// Packets of a capture.
    Packet,
}

impl Unit {
    /// The word in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Record => "record",
            Self::Packet => "packet",
        }
    }
}

/// One event about volume activation. Small, since there may be millions.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// When it was logged.
    pub time: Moment,
    /// The client's own clock in the request, to the minute.
    pub client_time: Moment,
    /// Where it was read.
    pub place: Place,
    /// Event id; a request that was seen by our own journal or in a capture counts as 12290.
    pub id: u32,
    /// The result.
    pub hresult: Option<u32>,
    /// 12288 and 12289: flags.
    pub flags: u32,
    /// Minutes until the licence state ends.
    pub minutes: Option<u32>,
    /// 12289 and journals: the count that the host gave.
    pub count: Option<u32>,
    /// 12288 and 12290: the count that the client needs.
    pub n_policy: Option<u32>,
    /// 12288 and 12290: the client machine id.
    pub cmid: Id,
    /// 12288 and 12290: activation id of the product.
    pub sku: Id,
    /// 12290: the client's name; 12293 and 12294: the domain.
    pub name: Name,
    /// 12288: host and port as the client has them.
    pub host: Name,
    /// Journals and captures: the client's address.
    pub address: Name,
    /// The machine that logged the event.
    pub computer: Name,
    /// Licence status.
    pub status: Option<u8>,
    /// 12289: whether the client is activated.
    pub is_bound: Option<bool>,
    /// A request that was sealed with a key that the host does not have.
    pub is_foreign_key: bool,
}

impl Event {
    /// An event of which only the id is known.
    #[must_use]
    pub const fn new(id: u32, place: Place) -> Self {
        Self {
            time: Moment::UNKNOWN,
            client_time: Moment::UNKNOWN,
            place,
            id,
            hresult: None,
            flags: 0,
            minutes: None,
            count: None,
            n_policy: None,
            cmid: Id::NONE,
            sku: Id::NONE,
            name: Name::NONE,
            host: Name::NONE,
            address: Name::NONE,
            computer: Name::NONE,
            status: None,
            is_bound: None,
            is_foreign_key: false,
        }
    }

    /// Whether a host logged that it processed a request.
    #[must_use]
    pub const fn is_of_host(&self) -> bool {
        self.id == HOST_PROCESSED
    }
}

/// The client sent a request.
pub const CLIENT_SENT: u32 = 12288;
/// The client processed an answer.
pub const CLIENT_PROCESSED: u32 = 12289;
/// The host processed a request.
pub const HOST_PROCESSED: u32 = 12290;
/// The host's service failed to start.
pub const HOST_FAILED: u32 = 12291;
/// Publishing in DNS failed.
pub const PUBLISH_FAILED: u32 = 12293;
/// Publishing in DNS succeeded.
pub const PUBLISHED: u32 = 12294;
/// Activation through Active Directory succeeded.
pub const AD_ACTIVATED: u32 = 12308;
/// Automatic activation failed.
pub const ACTIVATION_FAILED: u32 = 8198;
/// A proof of purchase from the firmware was not installed.
pub const FIRMWARE_KEY: u32 = 1058;
/// The licensing status was checked.
pub const STATUS_CHECKED: u32 = 1003;

/// Flag of 12288 and 12289: the count is too low.
pub const FLAG_NOT_ENOUGH_COUNT: u32 = 0x0400_0000;

/// Which script wrote a report on one licence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// slmgr.vbs /dlv, /dli or /xpr.
    Slmgr,
    /// ospp.vbs /dstatus.
    Ospp,
}

/// How a product's key was sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A client setup key.
    KmsClient,
    /// A host key.
    KmsHost,
    /// A multiple activation key.
    Mak,
    /// A retail key.
    Retail,
    /// A key of the machine's maker.
    Oem,
    /// Any other.
    Other,
}

/// What slmgr or ospp says of one licence.
#[derive(Clone, Debug)]
pub struct License {
    /// Where it begins.
    pub place: Place,
    /// Who wrote it.
    pub tool: Tool,
    /// `en`, `de` or `zh`; `None` where labels were not known and positions were used.
    pub language: Option<&'static str>,
    /// The product, as it calls itself.
    pub product: String,
    /// How its key was sold.
    pub channel: Option<Channel>,
    /// The last five characters of the key.
    pub partial_key: Option<String>,
    /// Licence status.
    pub status: Option<u8>,
    /// The code behind a status, such as the reason of a notification.
    pub code: Option<u32>,
    /// Minutes until that status ends.
    pub minutes: Option<u32>,
    /// Client machine id.
    pub cmid: Id,
    /// The host that was set by hand or policy.
    pub registered_host: Name,
    /// The host that was found in DNS.
    pub found_host: Name,
    /// The script says that nothing was found in DNS.
    pub dns_found_none: bool,
    /// Minutes between attempts.
    pub activation_interval: Option<u32>,
    /// Minutes between renewals.
    pub renewal_interval: Option<u32>,
    /// The counters, where the machine is a KMS host.
    pub host: Option<HostCounters>,
}

/// What slmgr says of a KMS host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCounters {
    /// Clients that it has counted.
    pub count: Option<u32>,
    /// TCP port.
    pub port: Option<u16>,
    /// All requests since it was installed.
    pub total: Option<u64>,
    /// Those that it refused.
    pub failed: Option<u64>,
}

/// One TCP connection of a capture that speaks KMS, or tries to.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Its first packet.
    pub place: Place,
    /// When that was.
    pub time: Moment,
    /// Who opened it.
    pub client: SocketAddr,
    /// Whom it was opened to.
    pub server: SocketAddr,
    /// How far it came, and how it ended.
    pub end: End,
    /// How far it came.
    pub reached: Reached,
    /// SYNs that were sent.
    pub syns: u32,
    /// Time from the SYN to its answer, in microseconds.
    pub connect_us: Option<u64>,
    /// Protocol versions of its requests, in their order: `4.0`.
    pub versions: Vec<String>,
    /// Requests and their answers.
    pub requests: u32,
    /// Answers to requests.
    pub answers: u32,
    /// The status of the first fault, or HRESULT of the first refusal.
    pub code: Option<u32>,
    /// A few words on what stopped it.
    pub detail: String,
}

/// How far a conversation came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reached {
    /// The SYN was not answered by a SYN-ACK.
    Nothing,
    /// The connection was established.
    Connected,
    /// A bind was sent.
    BindSent,
    /// The bind was accepted.
    Bound,
    /// A call was sent.
    RequestSent,
    /// A call was answered.
    Answered,
}

impl Reached {
    /// The word in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Connected => "connected",
            Self::BindSent => "bind_sent",
            Self::Bound => "bound",
            Self::RequestSent => "request_sent",
            Self::Answered => "answered",
        }
    }
}

/// How a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client closed.
    ClientFin,
    /// The host closed.
    ServerFin,
    /// The client reset.
    ClientReset,
    /// The host, or something in its name, reset.
    ServerReset,
    /// An ICMP error came back: type and code, and who sent it.
    Icmp(u8, u8, IpAddr),
    /// The capture ends first, or nothing more was sent.
    Open,
}

/// An answer of DNS about KMS hosts.
#[derive(Clone, Debug)]
pub struct DnsAnswer {
    /// Where it was read.
    pub place: Place,
    /// When it was sent.
    pub time: Moment,
    /// The name that was asked for.
    pub question: Name,
    /// The response code: 0 is no error, 3 is that the name does not exist.
    pub rcode: u16,
    /// Targets and ports.
    pub hosts: Vec<Name>,
}

/// A verdict that one of our own reports holds.
#[derive(Clone, Debug)]
pub struct OwnVerdict {
    /// Where it was read.
    pub place: Place,
    /// The target of the check.
    pub target: Name,
    /// The code.
    pub code: String,
    /// How much it matters: the report's own word.
    pub severity: String,
    /// The report's sentence of cause.
    pub cause: String,
    /// The report's sentence of remedy.
    pub remedy: Option<String>,
}
