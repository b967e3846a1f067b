//! A look-up at one server: an exchange, and more of them where an alias leads out of what the
//! server put into its answer.

use std::net::SocketAddr;

use serde::Serialize;

use super::exchange::{Exchange, Outcome, Patience, exchange};
use super::message::{Question, Record};
use super::name::DomainName;

/// What a server says of one name and type, aliases followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lookup {
    /// The exchanges made, in order; never empty. The last one decides.
    pub exchanges: Vec<Exchange>,
    /// Canonical names met on the way from the name asked for, in order.
    pub aliases: Vec<DomainName>,
    /// Records of the type asked for.
    pub records: Vec<Record>,
    /// True if the chain of aliases was longer than [`MAX_ALIAS_QUERIES`] queries, or a loop.
    pub endless: bool,
}

impl Lookup {
    /// The exchange that decided the outcome.
    #[must_use]
    pub fn last(&self) -> Option<&Exchange> {
        self.exchanges.last()
    }

    /// The outcome, which is that of the last exchange; silence if there was none.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.last().map_or(Outcome::Timeout, |exchange| exchange.outcome.clone())
    }
}

/// Asks `server` for `question` and follows aliases as far as the server leaves that to the client.
pub async fn lookup(server: SocketAddr, question: &Question, patience: Patience) -> Lookup {
    let mut found =
        Lookup { exchanges: Vec::new(), aliases: Vec::new(), records: Vec::new(), endless: false };
    let mut question = question.clone();
    for _ in 0..=MAX_ALIAS_QUERIES {
        let exchange = exchange(server, &question, patience).await;
        let next = found.take(&question, &exchange);
        found.exchanges.push(exchange);
        match next {
            Some(name) => question.name = name,
            None => return found,
        }
    }
    found.endless = true;
    found
}

impl Lookup {
    /// Keeps what the exchange found; returns the name to ask for next, if there is one.
    fn take(&mut self, question: &Question, exchange: &Exchange) -> Option<DomainName> {
        let response = exchange.response.as_ref()?;
        let (aliases, records) = response.follow(&question.name, question.record_type);
        self.records = records.into_iter().cloned().collect();
        self.aliases.extend(aliases.iter().cloned());
        // A denial with SOA, or another code than NOERROR, speaks of the end of the chain already.
        let unfinished = exchange.outcome == Outcome::NoData && response.negative.is_none();
        aliases.last().filter(|_| unfinished).cloned()
    }
}

/// Queries made at most to follow aliases, beyond the first.
pub const MAX_ALIAS_QUERIES: usize = 8;
