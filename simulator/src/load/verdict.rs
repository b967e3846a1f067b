//! How an exchange ended, in the names of `kms-probe check`, and the phase that it ended in.

use std::io;

/// The part of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// From the SYN to the open connection.
    Connect,
    /// From the bind to its answer.
    Bind,
    /// From the request to its answer.
    Call,
}

impl Phase {
    /// All, in order.
    pub const ALL: [Self; 3] = [Self::Connect, Self::Bind, Self::Call];

    /// As reports name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Bind => "bind",
            Self::Call => "call",
        }
    }
}

macro_rules! verdicts {
    ($($name:ident $phase:ident $text:literal,)*) => {
        /// Why an exchange failed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Verdict { $(#[doc = concat!("`", $text, "`.")] $name,)* }

        impl Verdict {
            /// All, in the order of phases.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As reports name it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Where it happens.
            #[must_use]
            pub const fn phase(self) -> Phase {
                match self { $(Self::$name => Phase::$phase,)* }
            }
        }
    };
}

verdicts! {
    TcpRefused Connect "tcp.refused",
    TcpTimeout Connect "tcp.timeout",
    TcpReset Connect "tcp.reset",
    TcpHostUnreachable Connect "tcp.host_unreachable",
    TcpNetUnreachable Connect "tcp.net_unreachable",
    TcpProhibited Connect "tcp.prohibited",
    TcpFailed Connect "tcp.failed",
    LocalPorts Connect "local.ports",
    LocalDescriptors Connect "local.descriptors",
    BindClosed Bind "bind.closed",
    BindReset Bind "bind.reset",
    BindTimeout Bind "bind.timeout",
    BindMalformed Bind "bind.malformed",
    BindNak Bind "bind.nak",
    BindNotKms Bind "bind.not_kms",
    RpcExecuted Call "rpc.executed",
    RpcFault Call "rpc.fault",
    RpcClosed Call "rpc.closed",
    RpcReset Call "rpc.reset",
    RpcTimeout Call "rpc.timeout",
    RpcMalformed Call "rpc.malformed",
    KmsForeignKey Call "kms.foreign_key",
    KmsHresult Call "kms.hresult",
    KmsMacMismatch Call "kms.mac_mismatch",
    KmsFault Call "kms.fault",
    KmsClosed Call "kms.closed",
    KmsReset Call "kms.reset",
    KmsTimeout Call "kms.timeout",
    KmsMalformed Call "kms.malformed",
}

/// How a connection may end under an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    Closed,
    Reset,
    Timeout,
    Malformed,
}

impl Verdict {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Whether the generator itself is to blame.
    #[must_use]
    pub const fn is_local(self) -> bool {
        matches!(self, Self::LocalPorts | Self::LocalDescriptors)
    }

    /// What a connect's error means.
    pub(super) fn of_connect(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::TcpRefused,
            io::ErrorKind::TimedOut => Self::TcpTimeout,
            io::ErrorKind::ConnectionReset => Self::TcpReset,
            io::ErrorKind::HostUnreachable => Self::TcpHostUnreachable,
            io::ErrorKind::NetworkUnreachable => Self::TcpNetUnreachable,
            io::ErrorKind::PermissionDenied => Self::TcpProhibited,
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => Self::LocalPorts,
            _ if error.raw_os_error().is_some_and(is_out_of_descriptors) => Self::LocalDescriptors,
            _ => Self::TcpFailed,
        }
    }

    /// What the end of a connection means in a phase; `kms` at that depth.
    pub(super) const fn of_end(broken: Broken, phase: Phase, kms: bool) -> Self {
        match (phase, broken) {
            (Phase::Connect, Broken::Timeout) => Self::TcpTimeout,
            (Phase::Connect, Broken::Reset) => Self::TcpReset,
            (Phase::Connect, _) => Self::TcpFailed,
            (Phase::Bind, Broken::Closed) => Self::BindClosed,
            (Phase::Bind, Broken::Reset) => Self::BindReset,
            (Phase::Bind, Broken::Timeout) => Self::BindTimeout,
            (Phase::Bind, Broken::Malformed) => Self::BindMalformed,
            (Phase::Call, Broken::Closed) if kms => Self::KmsClosed,
            (Phase::Call, Broken::Reset) if kms => Self::KmsReset,
            (Phase::Call, Broken::Timeout) if kms => Self::KmsTimeout,
            (Phase::Call, Broken::Malformed) if kms => Self::KmsMalformed,
            (Phase::Call, Broken::Closed) => Self::RpcClosed,
            (Phase::Call, Broken::Reset) => Self::RpcReset,
            (Phase::Call, Broken::Timeout) => Self::RpcTimeout,
            (Phase::Call, Broken::Malformed) => Self::RpcMalformed,
        }
    }
}

const fn is_out_of_descriptors(code: i32) -> bool {
    code == nix::errno::Errno::EMFILE as i32 || code == nix::errno::Errno::ENFILE as i32
}
