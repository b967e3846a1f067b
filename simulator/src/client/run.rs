//! A client that lives: waits, asks, takes what it is told, and says so.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::kms::crypto::LabKeys;
use kms_protocol::kms::envelope::OpenResponse;
use kms_protocol::kms::product::Product;
use kms_protocol::kms::{Hresult, MachineName, Request, Version};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::clock::{self, AdminUrl, ClockError};
use super::discover::{self, DnsFailure, Resolver};
use super::exchange::{Failure, HostName, exchange};
use crate::admin::Token;
use crate::event_log::{event_12288, event_12289};
use crate::model::client::{Answer, Event, Lifecycle, Rules, State, order};
use crate::serve::{Clock, Rate, machine_time};
use crate::slmgr::{View, status_text};

/// Who the client is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// What it wants to activate.
    pub product: &'static Product,
    /// Client machine id.
    pub cmid: Guid,
    /// Its own name.
    pub machine_name: MachineName,
    /// Protocol version that it speaks.
    pub version: Version,
}

/// How it finds its host.
#[derive(Clone, Debug)]
pub enum Target {
    /// A host that was given.
    Host(HostName),
    /// What the SRV records of a domain list.
    Domain(String),
}

/// Whose time it lives in.
#[derive(Clone, Debug)]
pub enum TimeFrom {
    /// A clock of its own.
    Own(Clock),
    /// The clock of a running simulator, and the token that its admin API wants, if any.
    Simulator(AdminUrl, Option<Token>),
}

/// When it ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// After one attempt.
    OneAttempt,
    /// After so much of its own time.
    Passed(Duration),
    /// Only when it is told to.
    Told,
}

/// Everything about a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who.
    pub identity: Identity,
    /// The rules of its product.
    pub rules: Rules,
    /// Where to.
    pub target: Target,
    /// The DNS server to ask.
    pub dns: Option<SocketAddr>,
    /// Whose time.
    pub time: TimeFrom,
    /// The lab's keys.
    pub keys: LabKeys,
    /// Time for one exchange, of the machine's clock.
    pub timeout: Duration,
    /// Whether addresses beyond loopback may be asked.
    pub owns_target: bool,
    /// Of the choice among hosts, and of IVs.
    pub seed: u64,
}

/// A running client.
pub struct Client {
    options: Options,
    life: Lifecycle<HostName>,
    clock: Clock,
    clock_was_lost: bool,
    random: ChaCha8Rng,
    shown: State,
    activated_by: Option<(HostName, SocketAddr, String)>,
}

/// Why no host gave an answer.
enum NoAnswer {
    Host(Failure),
    Dns(DnsFailure),
}

impl Client {
    /// A client that was installed just now.
    ///
    /// # Errors
    /// [`ClockError`] when it is to follow a clock that cannot be read.
    pub async fn start(options: Options) -> Result<Self, ClockError> {
        let clock = match &options.time {
            TimeFrom::Own(clock) => *clock,
            TimeFrom::Simulator(url, token) => clock::fetch(*url, token.as_ref()).await?,
        };
        let life = Lifecycle::new(&options.rules, clock.now());
        let random = ChaCha8Rng::seed_from_u64(options.seed);
        let shown = State::Unlicensed;
        Ok(Self { options, life, clock, clock_was_lost: false, random, shown, activated_by: None })
    }

    /// Lives until `until`. It may be dropped at any await, and asked for its state after.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub async fn live(&mut self, until: Until, out: &mut dyn Write) -> io::Result<()> {
        let begun = self.clock.now();
        loop {
            self.follow(out).await?;
            let now = self.clock.now();
            self.handle(now, Event::Tick);
            self.tell_state(now, out)?;
            let end = match until {
                Until::Passed(time) => Some(begun.saturating_add(time)),
                Until::OneAttempt | Until::Told => None,
            };
            if end.is_some_and(|end| end <= now) {
                return Ok(());
            }
            if self.life.is_attempt_due(now) {
                self.attempt(out).await?;
                self.tell_state(self.clock.now(), out)?;
                if until == Until::OneAttempt {
                    return Ok(());
                }
                continue;
            }
            let due = self.life.next_due().into_iter().chain(end).min();
            tokio::time::sleep(self.wait(now, due)).await;
        }
    }

    /// Whether it is activated now.
    #[must_use]
    pub fn is_licensed(&self) -> bool {
        self.life.state().is_licensed()
    }

    /// The state as `slmgr /dlv` shows it.
    #[must_use]
    pub fn dlv(&mut self) -> String {
        let now = self.clock.now();
        self.handle(now, Event::Tick);
        let (domain, fixed_host) = match &self.options.target {
            Target::Host(host) => (None, Some(host)),
            Target::Domain(domain) => (Some(domain.as_str()), None),
        };
        let (state, by) = (self.life.state(), self.activated_by.as_ref());
        View {
            product: self.options.identity.product,
            is_mak: false,
            cmid: self.options.identity.cmid.to_string(),
            status: state.status(),
            minutes_left: state.minutes_left(now),
            reason: match state {
                State::Notification { reason } => reason,
                _ => Hresult::OK,
            },
            rearms_left: self.life.rearms_left(),
            now,
            domain: domain.map(str::to_owned),
            fixed_host: fixed_host.map(HostName::to_string),
            activated_by: by.map(|(host, ..)| host.to_string()),
            activated_at: by.map(|(_, address, epid)| (address.ip().to_string(), epid.clone())),
            activation_interval_minutes: self.life.activation_interval_minutes(),
            renewal_interval_minutes: self.life.renewal_interval_minutes(),
            host_caching: self.options.rules.host_caching,
        }
        .dlv()
    }

    fn handle(&mut self, now: FileTime, event: Event<HostName>) {
        let draw = self.random.next_u32();
        self.life.handle(&self.options.rules, now, draw, event);
    }

    /// Looks at the followed clock again. One that cannot be read goes on as it went.
    async fn follow(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let TimeFrom::Simulator(url, token) = &self.options.time else { return Ok(()) };
        match clock::fetch(*url, token.as_ref()).await {
            Ok(clock) => {
                self.clock = clock;
                self.clock_was_lost = false;
            }
            Err(error) => {
                if !std::mem::replace(&mut self.clock_was_lost, true) {
                    writeln!(out, "{}  clock  {error}; it is taken to go on", self.clock.now())?;
                }
            }
        }
        Ok(())
    }

    /// How long to wait for `due`, by the machine's clock. A clock of one's own cannot be moved.
    fn wait(&self, now: FileTime, due: Option<FileTime>) -> Duration {
        let most = match self.options.time {
            TimeFrom::Simulator(..) => FOLLOW_EVERY,
            TimeFrom::Own(_) => WAIT_MAX,
        };
        let rate = self.clock.rate();
        let Some(due) = due.filter(|_| rate != Rate::FROZEN) else { return most };
        let ticks = u128::from(due.ticks().saturating_sub(now.ticks()));
        let real = ticks * u128::from(Rate::REAL.millionths()) / u128::from(rate.millionths());
        // One microsecond more than rounding took away.
        let micros = u64::try_from(real / 10).unwrap_or(u64::MAX).saturating_add(1);
        Duration::from_micros(micros).min(most)
    }

    /// One attempt, at every host in turn: the remembered one first, then what DNS lists (TR-time:
    /// each is tried until an activated host with the right key answers).
    async fn attempt(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut last = None;
        if let Target::Host(host) = &self.options.target {
            let host = host.clone();
            match self.ask(&host, out).await? {
                Ok(()) => return Ok(()),
                Err(failure) => last = Some(failure),
            }
        } else if let Some(host) = self.life.cached_host().cloned() {
            match self.ask(&host, out).await? {
                Ok(()) => return Ok(()),
                Err(failure) => last = Some(failure),
            }
            self.handle(self.clock.now(), Event::CachedHostFailed);
        }
        if let Target::Domain(domain) = &self.options.target {
            match self.discover(&domain.clone()).await {
                Ok(hosts) => {
                    for host in hosts {
                        match self.ask(&host, out).await? {
                            Ok(()) => return Ok(()),
                            Err(failure) => last = Some(failure),
                        }
                    }
                }
                Err(failure) => {
                    self.say(out, "dns", &failure.to_string())?;
                    last = last.or(Some(NoAnswer::Dns(failure)));
                }
            }
        }
        let result = last.as_ref().map_or(Hresult::NO_KMS_AVAILABLE, shown_result);
        self.say(out, "ato", &result.to_string())?;
        self.handle(self.clock.now(), Event::Failed(result));
        Ok(())
    }

    async fn discover(&mut self, domain: &str) -> Result<Vec<HostName>, DnsFailure> {
        let Some(server) = self.options.dns else {
            return Err(DnsFailure::NoServer(domain.to_owned()));
        };
        let hosts = discover::hosts(Resolver::at(server), domain, &mut || fresh_id()).await?;
        let (candidates, hosts): (Vec<_>, Vec<_>) = hosts.into_iter().unzip();
        let random = &mut self.random;
        let order = order(&candidates, |below| random.random_range(0..below.max(1)));
        Ok(order.into_iter().filter_map(|index| hosts.get(index).cloned()).collect())
    }

    /// Asks one host, at each of its addresses until one answers.
    async fn ask(
        &mut self,
        host: &HostName,
        out: &mut dyn Write,
    ) -> io::Result<Result<(), NoAnswer>> {
        let resolver = self.options.dns.map(Resolver::at);
        let addresses = discover::addresses(resolver, host, &mut || fresh_id()).await;
        let addresses = match addresses {
            Ok(addresses) => addresses,
            Err(failure) => {
                self.say(out, "dns", &failure.to_string())?;
                return Ok(Err(NoAnswer::Dns(failure)));
            }
        };
        let mut last = None;
        for address in addresses {
            let request = self.request();
            match self.exchange(address, &request).await {
                Ok((open, address)) => {
                    self.take(host, address, &open, &request, out)?;
                    return Ok(Ok(()));
                }
                Err(failure) => {
                    self.tell_failure(host, &failure, &request, out)?;
                    last = Some(failure);
                }
            }
        }
        let last = last.map(NoAnswer::Host);
        Ok(Err(last.unwrap_or_else(|| NoAnswer::Dns(DnsFailure::NoRecords(host.to_string())))))
    }

    async fn exchange(
        &mut self,
        address: SocketAddr,
        request: &Request,
    ) -> Result<(OpenResponse, SocketAddr), Failure> {
        if !self.options.owns_target && !address.ip().to_canonical().is_loopback() {
            return Err(Failure::NotLoopback { address });
        }
        let mut iv = [0; 16];
        if request.version != Version::V4 {
            self.random.fill_bytes(&mut iv);
        }
        exchange(address, &self.options.keys, request, &iv, self.options.timeout).await
    }

    fn request(&self) -> Request {
        let (identity, now) = (&self.options.identity, self.clock.now());
        let state = self.life.state();
        Request {
            version: identity.version,
            vm_info: 0,
            license_status: state.status(),
            binding_expiration_minutes: state.minutes_left(now),
            app_id: identity.product.app_id,
            sku_id: identity.product.sku_id,
            kms_id: identity.product.kms_id,
            cmid: identity.cmid,
            n_policy: identity.product.n_policy,
            client_time: now,
            cmid_previous: Guid::ZERO,
            machine_name: identity.machine_name,
        }
    }

    fn take(
        &mut self,
        host: &HostName,
        address: SocketAddr,
        open: &OpenResponse,
        request: &Request,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let response = &open.response;
        let intervals = (response.activation_interval_minutes, response.renewal_interval_minutes);
        let answer = Answer {
            host: host.clone(),
            count: response.count,
            activation_interval_minutes: intervals.0,
            renewal_interval_minutes: intervals.1,
        };
        self.handle(self.clock.now(), Event::Answered(answer));
        let result = self.life.last_result();
        let bound = result == Hresult::OK;
        if bound {
            self.activated_by = Some((host.clone(), address, open.epid.to_string()));
        }
        self.say(out, "12288", &event_12288(Hresult::OK, &host.to_string(), request))?;
        let line = event_12289(Hresult::OK, bound, response.count, intervals, request);
        self.say(out, "12289", &line)?;
        if !bound {
            self.say(out, "ato", &result.to_string())?;
        }
        Ok(())
    }

    fn tell_failure(
        &self,
        host: &HostName,
        failure: &Failure,
        request: &Request,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if failure.is_answer() {
            self.say(out, "12288", &event_12288(Hresult::OK, &host.to_string(), request))?;
            let line = event_12289(failure.hresult(), false, 0, (0, 0), request);
            self.say(out, "12289", &line)?;
        } else {
            self.say(out, "12288", &event_12288(failure.hresult(), &host.to_string(), request))?;
        }
        self.say(out, "why", &failure.to_string())
    }

    fn tell_state(&mut self, now: FileTime, out: &mut dyn Write) -> io::Result<()> {
        let state = self.life.state();
        // A renewal moves the end of the state and is no new one.
        if std::mem::discriminant(&state) == std::mem::discriminant(&self.shown) {
            return Ok(());
        }
        self.shown = state;
        let until = state.until().map(|until| format!(" until {until}")).unwrap_or_default();
        writeln!(out, "{now}  state  {} {}{until}", state.status().0, status_text(state.status()))?;
        out.flush()
    }

    fn say(&self, out: &mut dyn Write, what: &str, words: &str) -> io::Result<()> {
        writeln!(out, "{}  {what:<5}  {words}", self.clock.now())?;
        out.flush()
    }
}

/// What `slmgr /ato` shows: the DNS code, or one of the two codes that name the host's own fault, or
/// that no host could be used, with the rest in event 12288.
fn shown_result(last: &NoAnswer) -> Hresult {
    match last {
        NoAnswer::Dns(failure) => failure.hresult(),
        NoAnswer::Host(failure) => match failure.hresult() {
            shown @ (Hresult::PRODUCT_NOT_COVERED | Hresult::HOST_NOT_ACTIVATED) => shown,
            _ => Hresult::NO_KMS_AVAILABLE,
        },
    }
}

#[allow(clippy::disallowed_methods, reason = "a message id must not be guessable; none is shown")]
fn fresh_id() -> u16 {
    rand::random()
}

/// A clock of one's own that goes at `rate` from what `clock` shows now.
#[must_use]
pub fn own_clock(clock: Clock, rate: Rate) -> Clock {
    clock.with_rate(machine_time(), rate)
}

/// How often a followed clock is looked at.
const FOLLOW_EVERY: Duration = Duration::from_millis(100);
/// A clock of the machine that is set while a client sleeps is noticed after so long.
const WAIT_MAX: Duration = Duration::from_secs(60);
