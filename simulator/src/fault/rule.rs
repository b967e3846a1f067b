//! A rule: where, when and what.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kms_protocol::filetime::FileTime;
use kms_protocol::kms::Version;

use super::action::Action;
use super::kind::Kind;
use super::pairs::{Pairs, RuleError, time_text};
use super::place::{Facts, Place, Stage};
use super::when::{Moment, When};

/// A rule. It can be written as keys and texts ([`Rule::read`], [`Rule::write`]), which is what
/// files, flags and interfaces do.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name among the rules of a server.
    pub id: RuleId,
    /// Whether it is on.
    pub enabled: bool,
    /// The stage at which it is asked.
    pub stage: Stage,
    /// Whom it concerns.
    pub place: Place,
    /// Which events of those.
    pub when: When,
    /// What goes wrong.
    pub action: Action,
}

/// The name of a rule: 1 to [`ID_CHARS_MAX`] letters, digits, dots, hyphens and underscores.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(Arc<str>);

/// Text that is no name of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRuleId;

impl Rule {
    /// Reads a rule from keys and texts. `fallback_id` names it where it does not say.
    ///
    /// # Errors
    /// [`RuleError`] with the key.
    pub fn read(mut pairs: Pairs, fallback_id: &RuleId) -> Result<Self, RuleError> {
        let kind = pairs
            .take_with("kind", |name| {
                Kind::by_name(name).ok_or_else(|| {
                    "no such kind of fault (`kms-sim faults list` prints all)".to_owned()
                })
            })?
            .ok_or_else(|| RuleError::required("kind", "`kms-sim faults list` prints all"))?;
        let id = pairs.take("id")?;
        let enabled = pairs.take_with("enabled", read_bool)?.unwrap_or(true);
        let stage = take_stage(kind, &mut pairs)?;
        let when = take_when(&mut pairs)?;
        let place = take_place(stage, &mut pairs)?;
        let action = Action::take(kind, &mut pairs)?;
        pairs.finish(&known_keys(kind, stage))?;
        Ok(Self {
            id: id.unwrap_or_else(|| fallback_id.clone()),
            enabled,
            stage,
            place: with_defaults(place, kind),
            when,
            action,
        })
    }

    /// The rule as keys and texts, from which [`Rule::read`] makes the same rule.
    #[must_use]
    pub fn write(&self) -> Vec<(&'static str, Vec<String>)> {
        let mut pairs = vec![
            ("id", vec![self.id.to_string()]),
            ("kind", vec![self.kind().name().to_owned()]),
            ("stage", vec![self.stage.name().to_owned()]),
        ];
        if !self.enabled {
            pairs.push(("enabled", vec!["false".to_owned()]));
        }
        pairs.extend(self.action.fields());
        pairs.extend(place_fields(&self.place));
        pairs.extend(when_fields(&self.when));
        pairs
    }

    /// The kind of what goes wrong.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.action.kind()
    }

    /// Whether the rule concerns an event at its stage: the conditions that do not depend on what
    /// happened before.
    #[must_use]
    pub fn concerns(&self, facts: &Facts<'_>) -> bool {
        self.enabled && self.place.matches(facts) && self.fits(facts)
    }

    /// Whether the rule is on for everybody, always.
    #[must_use]
    pub fn is_unconditional(&self) -> bool {
        self.enabled && self.place.is_everywhere() && self.when.is_always()
    }

    /// Whether the fault can show in such an event at all.
    fn fits(&self, facts: &Facts<'_>) -> bool {
        let version = facts.request.map(|request| request.version);
        match self.action {
            Action::Execute => facts.opnum.is_some_and(|opnum| opnum != 0),
            Action::ClockOffset { .. } => facts.request.is_some(),
            Action::Hresult { .. } => facts.opnum == Some(0),
            Action::Count { .. } | Action::WrongCmid | Action::WrongTime { .. } => facts.accepted,
            Action::WrongMac => facts.accepted && version == Some(Version::V4),
            Action::WrongHash => facts.accepted && version.is_some_and(|v| v != Version::V4),
            Action::WrongHmac => facts.accepted && version == Some(Version::V6),
            _ => true,
        }
    }
}

fn read_bool(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "not `true` or `false`".to_owned())
}

fn take_stage(kind: Kind, pairs: &mut Pairs) -> Result<Stage, RuleError> {
    let possible = kind.spec().stages;
    let first = possible.first().copied().unwrap_or(Stage::Request);
    let read = |name: &str| {
        let stage = Stage::by_name(name).filter(|stage| possible.contains(stage));
        stage.ok_or_else(|| {
            let names: Vec<_> = possible.iter().map(|stage| format!("`{stage}`")).collect();
            format!("`{kind}` can strike at {}", names.join(", "))
        })
    };
    Ok(pairs.take_with("stage", read)?.unwrap_or(first))
}

fn take_when(pairs: &mut Pairs) -> Result<When, RuleError> {
    let when = When {
        nth: pairs.take_number("nth", 1..=u64::MAX)?,
        every: pairs.take_number("every", 1..=u64::MAX)?,
        probability: pairs.take_with("probability", |text| {
            let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
            share.ok_or_else(|| "not a share from 0 to 1, such as `0.25`".to_owned())
        })?,
        from: pairs.take_with("from", read_moment)?,
        until: pairs.take_with("until", read_moment)?,
        limit: pairs.take_number("limit", 1..=u64::MAX)?,
    };
    if when.nth.is_some() && when.every.is_some() {
        return Err(RuleError::new("nth", "and `every` exclude each other"));
    }
    Ok(when)
}

fn when_fields(when: &When) -> Vec<(&'static str, Vec<String>)> {
    let numbers = [("nth", when.nth), ("every", when.every), ("limit", when.limit)];
    let numbers = numbers.into_iter().filter_map(|(key, n)| Some((key, n?.to_string())));
    let share = when.probability.map(|share| ("probability", share.to_string()));
    let moments = [("from", when.from), ("until", when.until)];
    let moments = moments.into_iter().filter_map(|(key, moment)| Some((key, moment_text(moment?))));
    let all = numbers.chain(share).chain(moments);
    all.map(|(key, text)| (key, vec![text])).collect()
}

/// A time since the rule was set, or a date.
fn read_moment(text: &str) -> Result<Moment, String> {
    let mut pairs = Pairs::default();
    pairs.add("t", vec![text.to_owned()]).ok();
    if let Ok(Some(time)) = pairs.take_time("t", MOMENT_MAX) {
        return Ok(Moment::After(time));
    }
    let date = text.parse::<Timestamp>().ok().and_then(|date| {
        FileTime::from_unix(date.as_second(), u32::try_from(date.subsec_nanosecond()).ok()?)
    });
    date.map(Moment::At).ok_or_else(|| {
        "not a time since the rule was set (`10m`) or a date (`2026-11-24T08:00:00Z`)".to_owned()
    })
}

fn moment_text(moment: Moment) -> String {
    match moment {
        Moment::After(time) => time_text(time),
        Moment::At(time) => {
            let (seconds, nanos) = time.to_unix();
            let nanos = i32::try_from(nanos).unwrap_or(0);
            Timestamp::new(seconds, nanos).map_or_else(|_| time.to_string(), |t| t.to_string())
        }
    }
}

fn take_place(stage: Stage, pairs: &mut Pairs) -> Result<Place, RuleError> {
    let mut place = Place { clients: pairs.take_list("client", parse)?, ..Place::default() };
    if matches!(stage, Stage::Request | Stage::Response) {
        place.machines = pairs.take_list("machine", parse)?;
        place.cmids = pairs.take_list("cmid", parse)?;
        place.products = pairs.take_list("product", parse)?;
        place.versions = pairs.take_list("version", |text| {
            let version = Version::ALL
                .into_iter()
                .find(|version| text == version.to_string() || text == version.major().to_string());
            version.ok_or_else(|| "not 4, 5 or 6".to_owned())
        })?;
        let opnum = pairs.take_number("opnum", 0..=u16::MAX.into())?;
        place.opnum = opnum.and_then(|opnum| u16::try_from(opnum).ok());
    }
    if stage == Stage::Dns {
        place.qnames = pairs.take_list("qname", parse)?;
        place.qtypes = pairs.take_list("qtype", |text| {
            let name = text.to_ascii_uppercase();
            match QTYPES.contains(&name.as_str()) {
                true => Ok(name),
                false => Err(format!("not one of {}", QTYPES.join(", "))),
            }
        })?;
        place.over_tcp = pairs.take_with("transport", |text| match text {
            "udp" => Ok(false),
            "tcp" => Ok(true),
            _ => Err("not `udp` or `tcp`".to_owned()),
        })?;
    }
    Ok(place)
}

/// DNS faults concern the SRV records unless they say otherwise; a view concerns addresses too.
fn with_defaults(mut place: Place, kind: Kind) -> Place {
    if kind.is_dns() && place.qtypes.is_empty() {
        let types: &[&str] = if kind == Kind::DnsView { &["SRV", "A", "AAAA"] } else { &["SRV"] };
        place.qtypes = types.iter().map(|name| (*name).to_owned()).collect();
    }
    place
}

fn place_fields(place: &Place) -> Vec<(&'static str, Vec<String>)> {
    let lists = [
        ("client", texts(&place.clients)),
        ("machine", texts(&place.machines)),
        ("cmid", texts(&place.cmids)),
        ("product", texts(&place.products)),
        ("version", texts(&place.versions)),
        ("opnum", place.opnum.iter().map(ToString::to_string).collect()),
        ("qname", texts(&place.qnames)),
        ("qtype", place.qtypes.clone()),
        ("transport", place.over_tcp.iter().map(|tcp| transport(*tcp).to_owned()).collect()),
    ];
    lists.into_iter().filter(|(_, values)| !values.is_empty()).collect()
}

fn texts<T: fmt::Display>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

const fn transport(over_tcp: bool) -> &'static str {
    if over_tcp { "tcp" } else { "udp" }
}

fn parse<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// The keys that a rule of this kind can have.
fn known_keys(kind: Kind, stage: Stage) -> String {
    let fields = kind.spec().fields.iter().map(|field| field.name);
    let place: &[&str] = match stage {
        Stage::Accept | Stage::Bind => &["client"],
        Stage::Request | Stage::Response => {
            &["client", "machine", "cmid", "product", "version", "opnum"]
        }
        Stage::Dns => &["client", "qname", "qtype", "transport"],
    };
    let common =
        ["id", "enabled", "stage", "nth", "every", "probability", "from", "until", "limit"];
    let all: Vec<_> = fields.chain(place.iter().copied()).chain(common).collect();
    format!("`{kind}` at {stage} knows {}", all.join(", "))
}

impl FromStr for RuleId {
    type Err = BadRuleId;

    fn from_str(text: &str) -> Result<Self, BadRuleId> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        // Not what clients leave out of a path, for then no address would lead to the rule.
        let is_dots = matches!(text, "." | "..");
        match (1..=ID_CHARS_MAX).contains(&text.len()) && text.chars().all(plain) && !is_dots {
            true => Ok(Self(text.into())),
            false => Err(BadRuleId),
        }
    }
}

impl RuleId {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name made up for rule number `number` of a source.
    #[must_use]
    pub fn made_up(source: &str, number: usize) -> Self {
        Self(format!("{source}-{number}").into())
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for BadRuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a name of 1 to {ID_CHARS_MAX} letters, digits, `.`, `-` or `_`")
    }
}

impl std::error::Error for BadRuleId {}

/// Longest name of a rule.
pub const ID_CHARS_MAX: usize = 64;

/// Ten years: longer than any scenario.
const MOMENT_MAX: Duration = Duration::from_secs(3_653 * 24 * 3600);

/// The record types that a rule can name.
const QTYPES: [&str; 10] = ["SRV", "A", "AAAA", "CNAME", "NS", "SOA", "PTR", "TXT", "MX", "ANY"];
