//! From TOML to a [`Config`]: what is wrong is said with its line, before anything is watched.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kms_page::nearest;
use kms_protocol::kms::crypto::LabKey;
use toml::Spanned;

use super::shape::{CommandShape, MailShape, RecoveryShape, WebhookShape};
use super::shape::{Depth, MailTls, Shape, TargetShape};
use super::values::{MOfN, Percent, Secret, Time, secret};
use super::{
    ARGUMENTS_MAX, CHANNELS_MAX, CONCURRENCY_MAX, Channel, Config, Mail, Means, Pace,
    RecoveryCommand, Retry, SOURCES_MAX, TARGETS_MAX, Watchpoint, Webhook,
};
use crate::check::{self, Family, KmsOptions, Timeouts};
use crate::config::file::{Place, Problem};
use crate::platform::origin::Origin;
use crate::stage::Stage;
use crate::target::{Asked, Target};
use crate::watch::state::{ConfirmRules, FlapRules, Level, RecoveryRules, Rules};
use crate::watch::template::Template;

/// Understands `text`, the contents of the file `name`. Files that it names are looked for in `folder`
/// where they are not absolute.
///
/// # Errors
/// The first thing that is wrong, with line and column.
pub fn parse(name: &str, text: &str, folder: &Path) -> Result<Config, Problem> {
    let problem = |wrong: Wrong| Problem {
        name: name.to_owned(),
        place: Place::in_text(text, wrong.at),
        reason: wrong.reason,
    };
    let shape: Shape = toml::from_str(text).map_err(|error| {
        let reason = in_our_words(error.message());
        problem(Wrong { at: error.span().map_or(0, |span| span.start), reason })
    })?;
    build(shape, folder).map_err(problem)
}

/// What is wrong, and where in the text.
struct Wrong {
    at: usize,
    reason: String,
}

type Result1<T> = Result<T, Wrong>;

fn wrong<T>(span: Range<usize>, reason: impl Into<String>) -> Result1<T> {
    Err(Wrong { at: span.start, reason: reason.into() })
}

/// What serde says, with the key that was probably meant.
fn in_our_words(message: &str) -> String {
    let message = message.lines().map(str::trim).collect::<Vec<_>>().join("; ");
    let Some(rest) = message.strip_prefix("unknown field ") else {
        return match message.strip_prefix("missing field ") {
            Some(key) => format!("key {key} is missing"),
            None => message,
        };
    };
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let Some(key) = quoted.next() else { return message };
    let known: Vec<&str> = quoted.collect();
    match nearest(key, known.iter().copied()) {
        Some(near) => format!("unknown key `{key}`; the nearest is `{near}`"),
        None => format!("unknown key `{key}`; there are `{}`", known.join("`, `")),
    }
}

fn build(mut shape: Shape, folder: &Path) -> Result1<Config> {
    shape.look_in(folder);
    let channels = channels(shape.webhook, shape.mail, shape.command, folder)?;
    let recoveries = recoveries(shape.recovery)?;
    let defaults = shape.defaults.map_or_else(TargetShape::default, Spanned::into_inner);
    for (key, span) in [
        ("name", defaults.name.as_ref().map(Spanned::span)),
        ("target", defaults.target.as_ref().map(Spanned::span)),
        ("host", defaults.host.as_ref().map(Spanned::span)),
    ] {
        if let Some(span) = span {
            return wrong(span, format!("key `{key}` belongs into a `[[target]]`"));
        }
    }
    if shape.target.is_empty() {
        return wrong(0..0, "no target: add a table `[[target]]` with `target = \"…\"`");
    }
    if shape.target.len() > TARGETS_MAX {
        return wrong(0..0, format!("at most {TARGETS_MAX} targets are possible"));
    }
    let mut watchpoints: Vec<Watchpoint> = Vec::new();
    for target in shape.target {
        let span = target.span();
        let found = Filling { channels: &channels, recoveries: &recoveries }.watchpoints(
            target.into_inner(),
            &defaults,
            span,
        )?;
        watchpoints.extend(found);
    }
    no_name_twice(&watchpoints)?;
    Ok(Config {
        history: shape.history.unwrap_or_else(|| folder.join(HISTORY)),
        seed: shape.seed,
        concurrency: within("concurrency", shape.concurrency, 8, 1..=CONCURRENCY_MAX)?,
        retention: time("retention", shape.retention, days(90), HOUR)?,
        retained_rows: within("retained_rows", shape.retained_rows, 1_000_000, 1000..=u64::MAX)?,
        watchpoints,
        channels,
    })
}

fn no_name_twice(watchpoints: &[Watchpoint]) -> Result1<()> {
    let mut seen = std::collections::BTreeSet::new();
    for point in watchpoints {
        if !seen.insert((point.name.as_str(), point.source)) {
            let reason = format!("two targets have the name `{}`: give one another", point.name);
            return wrong(0..0, reason);
        }
    }
    Ok(())
}

/// What targets refer to.
struct Filling<'a> {
    channels: &'a [Arc<Channel>],
    recoveries: &'a BTreeMap<String, (Arc<RecoveryCommand>, RecoveryRules)>,
}

impl Filling<'_> {
    fn watchpoints(
        &self,
        own: TargetShape,
        defaults: &TargetShape,
        span: Range<usize>,
    ) -> Result1<Vec<Watchpoint>> {
        let Some(text) = own.target.clone() else { return wrong(span, "key `target` is missing") };
        let names_are_hosts = own.host.as_ref().is_some_and(|host| *host.get_ref());
        let asked = Asked::parse(text.get_ref(), names_are_hosts)
            .or_else(|error| wrong(text.span(), format!("key `target`: {error}")))?;
        let name = own.name.clone().unwrap_or_else(|| text.clone());
        check_name(name.get_ref(), name.span())?;
        let merged = own.over(defaults);
        let sources = merged.sources.clone();
        let vantages = vantages(sources.as_ref())?;
        let recovery = self.recovery(&merged)?;
        let rules = rules(&merged, recovery.as_ref().map(|(_, rules)| *rules))?;
        let channels = self.channels(&merged)?;
        let pace = pace(&merged)?;
        vantages
            .into_iter()
            .map(|source| {
                Ok(Watchpoint {
                    name: name.get_ref().clone(),
                    asked: asked.clone(),
                    source,
                    check: options(&merged, &asked.target, source, &text)?,
                    pace,
                    rules,
                    channels: channels.clone(),
                    recovery: recovery.as_ref().map(|(command, _)| Arc::clone(command)),
                })
            })
            .collect()
    }

    fn recovery(
        &self,
        shape: &TargetShape,
    ) -> Result1<Option<(Arc<RecoveryCommand>, RecoveryRules)>> {
        let Some(name) = &shape.recovery else { return Ok(None) };
        match self.recoveries.get(name.get_ref()) {
            Some(found) => Ok(Some(found.clone())),
            None if name.get_ref() == NONE => Ok(None),
            None => {
                let known = self.recoveries.keys().map(String::as_str);
                wrong(name.span(), unknown("recovery", name.get_ref(), known))
            }
        }
    }

    fn channels(&self, shape: &TargetShape) -> Result1<Vec<String>> {
        let known = || self.channels.iter().map(|channel| channel.name.as_str());
        let Some(names) = &shape.alerts else { return Ok(known().map(str::to_owned).collect()) };
        for name in names.get_ref() {
            if !known().any(|known| known == name) {
                return wrong(names.span(), unknown("alerts", name, known()));
            }
        }
        Ok(names.get_ref().clone())
    }
}

impl TargetShape {
    fn over(self, defaults: &Self) -> Self {
        let other = defaults.clone();
        Self {
            name: self.name,
            target: self.target,
            host: self.host,
            depth: self.depth.or(other.depth),
            timeout: self.timeout.or(other.timeout),
            resolvers: self.resolvers.or(other.resolvers),
            sources: self.sources.or(other.sources),
            lab_key: self.lab_key.or(other.lab_key),
            expect_lab: self.expect_lab.or(other.expect_lab),
            interval: self.interval.or(other.interval),
            confirm_interval: self.confirm_interval.or(other.confirm_interval),
            jitter: self.jitter.or(other.jitter),
            confirm: self.confirm.or(other.confirm),
            flapping: self.flapping.or(other.flapping),
            flap_changes: self.flap_changes.or(other.flap_changes),
            flap_within: self.flap_within.or(other.flap_within),
            alerts: self.alerts.or(other.alerts),
            recovery: self.recovery.or(other.recovery),
        }
    }
}

fn unknown<'a>(key: &str, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(name, known.clone()) {
        Some(near) => format!("key `{key}`: there is no `{name}`; the nearest is `{near}`"),
        None if known.clone().next().is_none() => {
            format!("key `{key}`: there is no `{name}`, and no other either")
        }
        None => {
            let known: Vec<_> = known.collect();
            format!("key `{key}`: there is no `{name}`; there are `{}`", known.join("`, `"))
        }
    }
}

/// Names stand in logs, headers and messages.
fn check_name(name: &str, span: Range<usize>) -> Result1<()> {
    let is_fine = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.chars().any(kms_page::text::is_dangerous);
    if is_fine {
        return Ok(());
    }
    wrong(span, format!("a name has 1 to {NAME_BYTES_MAX} bytes and no control characters"))
}

/// The addresses that a target is watched from; one that the kernel chooses where none is named.
fn vantages(sources: Option<&Spanned<Vec<IpAddr>>>) -> Result1<Vec<Option<IpAddr>>> {
    let Some(sources) = sources.filter(|sources| !sources.get_ref().is_empty()) else {
        return Ok(vec![None]);
    };
    if sources.get_ref().len() > SOURCES_MAX {
        return wrong(sources.span(), format!("at most {SOURCES_MAX} sources are possible"));
    }
    let mut unique: Vec<Option<IpAddr>> = Vec::new();
    for source in sources.get_ref() {
        if unique.contains(&Some(*source)) {
            return wrong(sources.span(), format!("key `sources`: `{source}` stands there twice"));
        }
        unique.push(Some(*source));
    }
    Ok(unique)
}

fn options(
    shape: &TargetShape,
    target: &Target,
    source: Option<IpAddr>,
    text: &Spanned<String>,
) -> Result1<check::Options> {
    let depth = shape.depth.map_or(Stage::Rpc, Stage::from);
    let family = source.map(|source| if source.is_ipv4() { Family::V4 } else { Family::V6 });
    if let Target::Address(address) = target {
        if depth == Stage::Dns {
            let reason = "an address needs no DNS, so depth `dns` has nothing to check";
            return wrong(text.span(), reason);
        }
        if let (Some(family), Some(source)) = (family.filter(|it| !it.has(address)), source) {
            let name = family.name();
            let reason = format!("`{address}` is not an {name} address, and source `{source}` is");
            return wrong(text.span(), reason);
        }
    }
    let timeout = time("timeout", shape.timeout.clone(), check::TIMEOUT_DEFAULT, MILLISECOND)?;
    let key = match &shape.lab_key {
        None => LabKey::DEFAULT,
        Some(text) => text
            .get_ref()
            .parse()
            .or_else(|error| wrong(text.span(), format!("key `lab_key`: {error}")))?,
    };
    let resolvers = shape.resolvers.as_ref().map_or(&[][..], |resolvers| resolvers.get_ref());
    Ok(check::Options {
        depth,
        resolvers: resolvers.iter().map(|resolver| resolver.0).collect(),
        timeouts: Timeouts::all(timeout),
        family,
        origin: Origin { source, interface: None },
        kms: KmsOptions { expect_lab: shape.expect_lab.unwrap_or(false), ..KmsOptions::new(&key) },
        ..check::Options::default()
    })
}

fn pace(shape: &TargetShape) -> Result1<Pace> {
    let interval = time("interval", shape.interval.clone(), Duration::from_secs(300), SECOND)?;
    let soon = interval.min(Duration::from_secs(60));
    let confirm = time("confirm_interval", shape.confirm_interval.clone(), soon, SECOND)?;
    if let Some(given) = shape.confirm_interval.as_ref().filter(|_| confirm > interval) {
        return wrong(given.span(), "key `confirm_interval`: at most `interval` is wanted");
    }
    let jitter_percent = shape.jitter.unwrap_or(Percent(10)).0;
    Ok(Pace { interval, confirm_interval: confirm, jitter_percent })
}

fn rules(shape: &TargetShape, recovery: Option<RecoveryRules>) -> Result1<Rules> {
    let confirm = shape.confirm.unwrap_or(MOfN(ConfirmRules { checks: 2, out_of: 3 })).0;
    let changes =
        within("flap_changes", shape.flap_changes.clone(), 6, 2..=FlapRules::CHANGES_MAX)?;
    let within = time("flap_within", shape.flap_within.clone(), HOUR, SECOND)?;
    let flapping = shape.flapping.unwrap_or(true).then_some(FlapRules { changes, within });
    Ok(Rules { confirm, flapping, recovery })
}

fn channels(
    webhooks: BTreeMap<String, Spanned<WebhookShape>>,
    mails: BTreeMap<String, Spanned<MailShape>>,
    commands: BTreeMap<String, Spanned<CommandShape>>,
    folder: &Path,
) -> Result1<Vec<Arc<Channel>>> {
    let mut channels: Vec<Arc<Channel>> = Vec::new();
    let mut add = |name: String, span: Range<usize>, channel: Result1<Channel>| {
        check_name(&name, span.clone())?;
        if channels.iter().any(|known| known.name == name) {
            let reason = format!("two ways of alerting have the name `{name}`: give one another");
            return wrong(span, reason);
        }
        if channels.len() >= CHANNELS_MAX {
            return wrong(span, format!("at most {CHANNELS_MAX} ways of alerting are possible"));
        }
        channels.push(Arc::new(channel?));
        Ok(())
    };
    for (name, shape) in webhooks {
        let span = shape.span();
        add(name.clone(), span.clone(), webhook(name, shape.into_inner(), span, folder))?;
    }
    for (name, shape) in mails {
        let span = shape.span();
        add(name.clone(), span.clone(), mail(name, shape.into_inner(), span))?;
    }
    for (name, shape) in commands {
        let span = shape.span();
        add(name.clone(), span, command(name, shape.into_inner()))?;
    }
    Ok(channels)
}

fn webhook(
    name: String,
    shape: WebhookShape,
    span: Range<usize>,
    folder: &Path,
) -> Result1<Channel> {
    let url = shape.url.get_ref();
    if !(url.starts_with("http://") || url.starts_with("https://")) {
        let reason = "key `url`: `http://…` or `https://…` is wanted";
        return wrong(shape.url.span(), reason);
    }
    let uri: axum::http::Uri =
        url.parse().or_else(|error| wrong(shape.url.span(), format!("key `url`: {error}")))?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        let reason = "key `url`: user and password belong into `headers`, as `Authorization`";
        return wrong(shape.url.span(), reason);
    }
    let secret = secret(shape.secret_file.as_ref(), shape.secret_env.as_ref(), "secret")
        .or_else(|error| wrong(span, format!("{error:#}")))?;
    let template = match &shape.template {
        None => None,
        Some(text) => Some(
            Template::parse(text.get_ref())
                .or_else(|reason| wrong(text.span(), format!("key `template`: {reason}")))?,
        ),
    };
    let headers = headers(&shape.headers, folder)?;
    let webhook = Webhook { url: url.clone(), secret, headers, template, ca: ca(shape.ca_file)? };
    let retry = retry(shape.retry, shape.retry_max, shape.give_up)?;
    let timeout = time("timeout", shape.timeout, ATTEMPT, SECOND)?;
    Ok(Channel { name, means: Means::Webhook(webhook), timeout, retry })
}

/// A value `env:NAME` or `file:PATH` is read from there, for a header may carry a secret.
fn headers(
    shape: &BTreeMap<String, Spanned<String>>,
    folder: &Path,
) -> Result1<Vec<(String, Secret)>> {
    let mut headers = Vec::new();
    for (name, value) in shape {
        let text = value.get_ref();
        let secret = match (text.strip_prefix("env:"), text.strip_prefix("file:")) {
            (Some(variable), _) => Secret::from_env(variable),
            (_, Some(path)) => Secret::from_file(&folder.join(path)),
            _ => Secret::parse(text),
        };
        let secret =
            secret.or_else(|error| wrong(value.span(), format!("header `{name}`: {error:#}")))?;
        let is_name = axum::http::HeaderName::try_from(name.as_str()).is_ok();
        let is_value = axum::http::HeaderValue::try_from(secret.expose()).is_ok();
        if !is_name || !is_value {
            return wrong(value.span(), format!("header `{name}` is none that HTTP allows"));
        }
        headers.push((name.clone(), secret));
    }
    Ok(headers)
}

fn mail(name: String, shape: MailShape, span: Range<usize>) -> Result1<Channel> {
    let mailbox = |text: &str, span: Range<usize>, key: &str| {
        text.parse::<lettre::message::Mailbox>().or_else(|error| {
            wrong(span, format!("key `{key}`: `{text}` is no mail address: {error}"))
        })
    };
    let from = mailbox(shape.from.get_ref(), shape.from.span(), "from")?;
    let to = shape.to.get_ref();
    let to: Vec<_> =
        to.iter().map(|it| mailbox(it, shape.to.span(), "to")).collect::<Result<_, _>>()?;
    if to.is_empty() || to.len() > RECIPIENTS_MAX {
        let reason = format!("key `to`: 1 to {RECIPIENTS_MAX} addresses are wanted");
        return wrong(shape.to.span(), reason);
    }
    let tls = shape.tls.as_ref().map_or(MailTls::Starttls, |tls| *tls.get_ref());
    let password = secret(shape.password_file.as_ref(), shape.password_env.as_ref(), "password")
        .or_else(|error| wrong(span.clone(), format!("{error:#}")))?;
    let login = match (shape.user, password) {
        (Some(user), Some(password)) => Some((user.into_inner(), password)),
        (None, None) => None,
        (Some(user), None) => {
            let reason = "key `user` needs `password_file` or `password_env` beside it";
            return wrong(user.span(), reason);
        }
        (None, Some(_)) => return wrong(span, "a password needs `user` beside it"),
    };
    if let Some(tls) = shape.tls.filter(|it| *it.get_ref() == MailTls::None && login.is_some()) {
        return wrong(
            tls.span(),
            "a password is not sent in the clear: use `starttls` or `implicit`",
        );
    }
    let port = shape.port.unwrap_or(match tls {
        MailTls::None => 25,
        MailTls::Starttls => 587,
        MailTls::Implicit => 465,
    });
    let relay = shape.relay.into_inner();
    let mail = Mail { relay, port, tls, ca: ca(shape.ca_file)?, from, to, login };
    let retry = retry(shape.retry, shape.retry_max, shape.give_up)?;
    let timeout = time("timeout", shape.timeout, ATTEMPT, SECOND)?;
    Ok(Channel { name, means: Means::Mail(Box::new(mail)), timeout, retry })
}

fn command(name: String, shape: CommandShape) -> Result1<Channel> {
    let command = words(&shape.command)?;
    let retry = retry(shape.retry, shape.retry_max, shape.give_up)?;
    let timeout = time("timeout", shape.timeout, COMMAND, SECOND)?;
    Ok(Channel { name, means: Means::Command(command), timeout, retry })
}

fn recoveries(
    shapes: BTreeMap<String, Spanned<RecoveryShape>>,
) -> Result1<BTreeMap<String, (Arc<RecoveryCommand>, RecoveryRules)>> {
    let mut recoveries = BTreeMap::new();
    for (name, shape) in shapes {
        check_name(&name, shape.span())?;
        let shape = shape.into_inner();
        let from = match shape.on {
            None => Level::Down,
            Some(level) if *level.get_ref() != Level::Up => level.into_inner(),
            Some(level) => return wrong(level.span(), "key `on`: `down` or `degraded` is wanted"),
        };
        let backoff = time("backoff", shape.backoff, Duration::from_secs(60), SECOND)?;
        let rules = RecoveryRules {
            from,
            backoff,
            backoff_max: time("backoff_max", shape.backoff_max, HOUR.max(backoff), backoff)?,
            per_hour: within("per_hour", shape.per_hour, 4, 1..=RecoveryRules::PER_HOUR_MAX)?,
            attempts: within("attempts", shape.attempts, 5, 1..=1000)?,
            verify_after: time("verify_after", shape.verify_after, 10 * SECOND, MILLISECOND)?,
        };
        let timeout = time("timeout", shape.timeout, COMMAND, SECOND)?;
        let command = words(&shape.command)?;
        let command = Arc::new(RecoveryCommand { name: name.clone(), command, timeout });
        recoveries.insert(name, (command, rules));
    }
    Ok(recoveries)
}

fn words(command: &Spanned<Vec<String>>) -> Result1<Vec<String>> {
    let words = command.get_ref();
    let is_empty = words.first().is_none_or(String::is_empty);
    if is_empty || words.len() > ARGUMENTS_MAX || words.iter().any(|word| word.contains('\0')) {
        let reason = format!(
            "key `command`: an array of the program and its arguments is wanted, \
             at most {ARGUMENTS_MAX}"
        );
        return wrong(command.span(), reason);
    }
    Ok(words.clone())
}

fn ca(file: Option<Spanned<PathBuf>>) -> Result1<Option<Vec<u8>>> {
    let Some(file) = file else { return Ok(None) };
    let name = file.get_ref().display().to_string();
    let bytes = std::fs::File::open(file.get_ref()).and_then(|file| {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        file.take(super::FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    match bytes {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) => wrong(file.span(), format!("key `ca_file`: cannot read `{name}`: {error}")),
    }
}

fn retry(
    first: Option<Spanned<Time>>,
    max: Option<Spanned<Time>>,
    give_up: Option<Spanned<Time>>,
) -> Result1<Retry> {
    let first = time("retry", first, 10 * SECOND, SECOND)?;
    let max = time("retry_max", max, Duration::from_secs(900).max(first), first)?;
    Ok(Retry { first, max, give_up: time("give_up", give_up, days(1), SECOND)? })
}

fn time(
    key: &str,
    given: Option<Spanned<Time>>,
    default: Duration,
    min: Duration,
) -> Result1<Duration> {
    let Some(given) = given else { return Ok(default) };
    match given.get_ref().0 {
        time if time < min => {
            wrong(given.span(), format!("key `{key}`: at least {min:?} is wanted"))
        }
        time => Ok(time),
    }
}

fn within<T: PartialOrd + std::fmt::Display + Copy>(
    key: &str,
    given: Option<Spanned<T>>,
    default: T,
    range: std::ops::RangeInclusive<T>,
) -> Result1<T> {
    let Some(given) = given else { return Ok(default) };
    if range.contains(given.get_ref()) {
        return Ok(*given.get_ref());
    }
    let (min, max) = (range.start(), range.end());
    wrong(given.span(), format!("key `{key}`: a number from {min} to {max} is wanted"))
}

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

impl From<Depth> for Stage {
    fn from(depth: Depth) -> Self {
        match depth {
            Depth::Dns => Self::Dns,
            Depth::Tcp => Self::Tcp,
            Depth::Bind => Self::Bind,
            Depth::Rpc => Self::Rpc,
            Depth::Kms => Self::Kms,
        }
    }
}

/// The history where the file names none.
const HISTORY: &str = "kms-watch.db";
/// A target's `recovery` that takes the default away.
const NONE: &str = "none";
const NAME_BYTES_MAX: usize = 128;
const RECIPIENTS_MAX: usize = 50;
const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
/// One attempt to deliver an alert.
const ATTEMPT: Duration = Duration::from_secs(10);
/// One run of a command.
const COMMAND: Duration = Duration::from_secs(60);
