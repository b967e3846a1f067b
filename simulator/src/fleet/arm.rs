//! What a fleet asks of the world outside its clients: a list of hosts, an answer, a change.

use kms_protocol::kms::{Hresult, Request};

use super::scenario::{Change, Seconds};
use crate::model::Query;
use crate::model::client::Candidate;

/// Where clients ask. The virtual arm answers from models in this process; the wire arm from `serve` and
/// its DNS on real sockets. Both see the same calls in the same order, so a client decides alike on both.
pub trait Arm {
    /// The hosts that DNS lists to a client of `site` at `now`, as they stand in the answer.
    ///
    /// # Errors
    /// What a Windows client shows when DNS leads nowhere.
    fn discover(&mut self, now: Seconds, site: usize) -> Result<Vec<Listed>, Hresult>;

    /// One request of a client of `site` to `host`, and the answer.
    ///
    /// # Errors
    /// [`NoAnswer`].
    fn ask(
        &mut self,
        now: Seconds,
        site: usize,
        host: usize,
        request: &Request,
    ) -> Result<Answered, NoAnswer>;

    /// [`Arm::ask`] without a whole request, where that is all that the host looks at and it takes the
    /// request; `None`, and nothing has happened: ask the long way.
    fn ask_shortly(
        &mut self,
        _now: Seconds,
        _site: usize,
        _host: usize,
        _query: &Query,
    ) -> Option<Answered> {
        None
    }

    /// What `host` counts at `now`.
    ///
    /// # Errors
    /// Why it could not be learned; the run ends.
    fn counts(&mut self, now: Seconds, host: usize) -> anyhow::Result<Counts>;

    /// A change of the scenario that concerns hosts, DNS or links begins, or ends.
    ///
    /// # Errors
    /// Why the world could not be changed; the run ends.
    fn change(&mut self, now: Seconds, change: &Change, begins: bool) -> anyhow::Result<()>;
}

/// What a host counts: distinct clients of the last 30 days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of Windows.
    pub windows: u32,
    /// Of Office.
    pub office: u32,
}

/// A host in an SRV answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Index into the scenario's hosts.
    pub host: usize,
    /// Its priority and weight.
    pub candidate: Candidate,
}

/// What a host answered to a request that it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Clients that it has counted.
    pub count: u32,
    /// Minutes between attempts while not activated.
    pub activation_interval_minutes: u32,
    /// Minutes between renewals.
    pub renewal_interval_minutes: u32,
}

/// Why a request came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The host refused: it was there, and said why.
    Refused(Hresult),
    /// Nothing answered; what event 12288 shows.
    Unreachable(Hresult),
}
