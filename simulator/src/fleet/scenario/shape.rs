//! The format as data: every table with its keys, their kinds, limits and defaults.
//!
//! Reading is as strict as this says; the JSON Schema and the tables of docs/fleet.md are written
//! from it.

/// A table of the format.
#[derive(Debug)]
pub struct Table {
    /// How it is headed in a file; without the outer table's name.
    pub name: &'static str,
    /// What it describes.
    pub means: &'static str,
    /// Keys that it always may have.
    pub keys: &'static [Key],
    /// The key that decides what other keys there are, and what it can be.
    pub choice: Option<(&'static str, &'static [Variant])>,
}

/// One value of the key that decides, with the keys that belong to it.
#[derive(Debug)]
pub struct Variant {
    /// The value.
    pub name: &'static str,
    /// What it means.
    pub means: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value can be.
    pub kind: Kind,
    /// Whether it must be there, and what is taken if it is not.
    pub default: Missing,
    /// What it means, with its unit.
    pub means: &'static str,
}

/// What is taken where a key is missing.
#[derive(Clone, Copy, Debug)]
pub enum Missing {
    /// It must be there.
    Required,
    /// Nothing; in words.
    Nothing(&'static str),
    /// This, as it would be written.
    Value(&'static str),
}

/// What a value can be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Text of at most so many bytes.
    Text(usize),
    /// A name: letters, digits, `.`, `_` and `-`, at most [`NAME_BYTES_MAX`].
    Name,
    /// The name of something else in the scenario, or outside of it.
    Reference(&'static str),
    /// A length of time such as `1d 12h`.
    Time,
    /// A whole number from one to another.
    Whole(i64, i64),
    /// A number from one to another.
    Number(f64, f64),
    /// `true` or `false`.
    Flag,
    /// One of these.
    Choice(&'static [&'static str]),
    /// Some of these.
    Choices(&'static [&'static str]),
    /// Names of something.
    References(&'static str),
    /// A moment with its offset: `2026-01-05T00:00:00Z`.
    Moment,
    /// Clients: `"CMID NAME"`.
    Clients,
    /// Dates: `2026-12-25`.
    Dates,
    /// A time of day: `08:00:00`.
    TimeOfDay,
    /// A table.
    Table(&'static Table),
    /// Tables, one after the other.
    Tables(&'static Table),
}

impl Table {
    /// The keys that it may have where the deciding key is `chosen`.
    pub(super) fn keys_for(&self, chosen: Option<&str>) -> impl Iterator<Item = &'static Key> {
        let variants = self.choice.map_or(&[][..], |(_, variants)| variants);
        let variant = variants.iter().find(|variant| Some(variant.name) == chosen);
        self.keys.iter().chain(variant.map_or(&[][..], |variant| variant.keys))
    }
}

const fn key(name: &'static str, kind: Kind, default: Missing, means: &'static str) -> Key {
    Key { name, kind, default, means }
}

const fn table(name: &'static str, means: &'static str, keys: &'static [Key]) -> Table {
    Table { name, means, keys, choice: None }
}

const fn variant(name: &'static str, means: &'static str, keys: &'static [Key]) -> Variant {
    Variant { name, means, keys }
}

use Kind::{
    Choice, Choices, Clients, Dates, Flag, Moment, Name, Number, Reference, References, Tables,
    Text, Time, TimeOfDay, Whole,
};
use Missing::{Nothing, Required, Value};

/// The file.
#[rustfmt::skip]
pub static SCENARIO: Table = table(
    "scenario",
    "The scenario as a whole: keys at the top of the file.",
    &[
        key("name", Name, Required, "short name"),
        key("title", Text(200), Required, "one line on what it shows"),
        key("teaches", Text(4000), Value("\"\""), "what it teaches, in a paragraph or two"),
        key("seed", Whole(0, i64::MAX), Value("1"), "seed of every random choice; `--seed` goes before it"),
        key("start", Moment, Value("\"2026-01-05T00:00:00Z\""), "simulated time of the start; the default is a Monday"),
        key("duration", Time, Required, "how long it lasts, at most 3660d"),
        key("sample_every", Time, Value("\"1h\""), "time between samples, which plots, CSV and windows of expectations go by"),
        key("site", Tables(&SITE), Required, "places"),
        key("host", Tables(&HOST), Nothing("none"), "KMS hosts"),
        key("group", Tables(&GROUP), Required, "groups of clients"),
        key("link", Tables(&LINK), Nothing("none"), "ways between sites that are closed from the start; others are open"),
        key("change", Tables(&CHANGE), Nothing("none"), "outages and other changes"),
        key("expect", Tables(&EXPECT), Nothing("none"), "what must be true"),
    ],
);

#[rustfmt::skip]
static SITE: Table = table(
    "site",
    "A place with its clients, its view of DNS and perhaps hosts.",
    &[
        key("name", Name, Required, "unique name"),
        key("time_zone", Reference("IANA time zone"), Value("\"UTC\""), "what working hours go by"),
        key("holidays", Dates, Value("[]"), "days on which nobody works"),
        key("dns", Tables(&RECORD), Nothing("every published host of this site"), "the SRV records that its clients get"),
    ],
);

#[rustfmt::skip]
static RECORD: Table = table(
    "record",
    "An SRV record.",
    &[
        key("host", Reference("host"), Required, "the host's name"),
        key("priority", Whole(0, 65_535), Value("0"), "lower first"),
        key("weight", Whole(0, 65_535), Value("0"), "share among equal priorities"),
    ],
);

#[rustfmt::skip]
static HOST: Table = table(
    "host",
    "A KMS host.",
    &[
        key("name", Name, Required, "unique name"),
        key("site", Reference("site"), Required, "the site that it stands in"),
        key("published", Flag, Value("true"), "whether DNS lists it where a site does not say what it lists"),
        key("priority", Whole(0, 65_535), Value("0"), "priority of its record"),
        key("weight", Whole(0, 65_535), Value("0"), "weight of its record"),
        key("activation_interval", Time, Value("\"2h\""), "what it tells clients that are not activated: whole minutes, 15m to 30d"),
        key("renewal_interval", Time, Value("\"1w\""), "what it tells clients that are: whole minutes, 15m to 30d"),
        key("activated", Flag, Value("true"), "whether it is activated itself; if not it refuses with 0xC004F041"),
        key("clock_offset_s", OFFSET, Value("0"), "how far its clock is ahead, in seconds; negative: behind"),
        key("remembers_windows", Whole(0, 50), Value("0"), "made-up Windows clients that it remembers at the start"),
        key("remembers_office", Whole(0, 50), Value("0"), "made-up Office clients that it remembers at the start"),
    ],
);

#[rustfmt::skip]
static GROUP: Table = table(
    "group",
    "Clients that are alike but for their random choices, called NAME-1 to NAME-COUNT or as `clients` says.",
    &[
        key("name", Name, Required, "unique name"),
        key("site", Reference("site"), Required, "the site that they are in"),
        key("count", Whole(1, CLIENTS_MAX as i64), Required, "how many clients"),
        key("clients", Clients, Value("[]"), "who they are, one by one, as many as `count`: a CMID, a name, or `CMID NAME`; what is left out is made up from the seed"),
        key("product", Reference("product"), Required, "a product of `kms-sim catalog`"),
        key("identity", Choice(&["stable", "name-per-boot", "shared-cmid", "cmid-per-boot"]), Value("\"stable\""), "whom they say they are"),
        key("clones", Whole(0, CLIENTS_MAX as i64), Value("0"), "how many of them share one CMID, where `identity` is `shared-cmid`; 0: all of them"),
        key("hardware", Kind::Table(&HARDWARE), Value("{ kind = \"fixed\" }"), "what they run on"),
        key("presence", Kind::Table(&PRESENCE), Value("{ kind = \"always\" }"), "when they are switched on"),
        key("clock_offset_s", OFFSET, Value("0"), "how far their clock is ahead, in seconds; negative: behind"),
        key("life", Choice(&["new", "activated"]), Value("\"new\""), "what they are at the start: just installed, or activated within the renewal interval before it"),
        key("first_start_within", Time, Value("\"0s\""), "their first start is drawn evenly from the start to this long after it"),
        key("key", Choice(KEYS), Value("\"gvlk\""), "the key that is installed"),
        key("mak_activations", Whole(0, u32::MAX as i64), Value("0"), "activations that a MAK allows, for the whole group"),
        key("fixed_host", Reference("host"), Nothing("what DNS lists"), "a host that is set by name (`slmgr /skms`)"),
        key("host_caching", Flag, Value("true"), "whether the host of the last success is remembered (`slmgr /ckhc` switches it off)"),
        key("renews_at_start", Flag, Value("false"), "whether an activated client renews at every start; not documented by Microsoft"),
        key("jitter", Time, Value("\"0s\""), "the most that is added to an interval, at random, at most 30d; not documented by Microsoft"),
    ],
);

#[rustfmt::skip]
static HARDWARE: Table = Table {
    name: "hardware",
    means: "What a client runs on.",
    keys: &[],
    choice: Some((
        "kind",
        &[
            variant("fixed", "the same machine for ever", &[]),
            variant("roaming", "a drive that moves between machines: at each boot one is drawn", &[
                key("machines", Whole(1, 10_000), Required, "machines that there are"),
                key("fingerprint", Choice(&["whole", "stable-parts", "weighted", "anchor"]), Required, "how a change is recognised"),
                key("tolerance", Number(0.0, 1.0), Value("0.3"), "share of the components that may differ, for `weighted` and `anchor`"),
            ]),
        ],
    )),
};

#[rustfmt::skip]
static PRESENCE: Table = Table {
    name: "presence",
    means: "When a client is switched on. Hours are those of its site.",
    keys: &[],
    choice: Some((
        "kind",
        &[
            variant("always", "always", &[]),
            variant("office-hours", "on working days; each start is a boot", &[
                key("from", TimeOfDay, Value("\"08:00:00\""), "when the first arrive"),
                key("to", TimeOfDay, Value("\"17:00:00\""), "when the first leave"),
                key("spread", Time, Value("\"30m\""), "each day's arrival and leaving are later by a random part of this"),
                key("weekends", Flag, Value("false"), "whether Saturday and Sunday are working days"),
            ]),
            variant("laptop", "in turns on the network and away; each return is a resume", &[
                key("here", Time, Required, "mean time on the network; drawn from half to one and a half of it"),
                key("away", Time, Required, "mean time away, drawn likewise"),
            ]),
            variant("powered-off", "on, but for one long time in between", &[
                key("from", Time, Required, "when it begins"),
                key("until", Time, Required, "when it ends"),
            ]),
        ],
    )),
};

#[rustfmt::skip]
static LINK: Table = table(
    "link",
    "A way from the clients of one site to the hosts of another (or of the same) that is closed.",
    &[
        key("from", Reference("site"), Required, "the clients' site"),
        key("to", Reference("site"), Required, "the hosts' site"),
        key("closed", Choice(REJECTIONS), Required, "how it shows: nothing comes back, or the connection is refused"),
    ],
);

#[rustfmt::skip]
static CHANGE: Table = Table {
    name: "change",
    means: "Something that begins at one time and, where it is a state, ends at another.",
    keys: &[
        key("at", Time, Required, "when it happens or begins, since the start"),
        key("until", Time, Nothing("never"), "when it ends; not for what happens in an instant"),
    ],
    choice: Some((
        "what",
        &[
            variant("host-down", "the host is off; its table is kept", &[HOST_KEY, AS_SEEN]),
            variant("host-forgets", "in an instant: the host forgets its clients", &[HOST_KEY]),
            variant("host-not-activated", "the host refuses with 0xC004F041", &[HOST_KEY]),
            variant("host-clock", "the host's clock is off", &[HOST_KEY, OFFSET_KEY]),
            variant("host-intervals", "the host tells other intervals", &[
                HOST_KEY,
                key("activation_interval", Time, Required, "to clients that are not activated: whole minutes, 15m to 30d"),
                key("renewal_interval", Time, Required, "to clients that are: whole minutes, 15m to 30d"),
            ]),
            variant("dns-down", "DNS fails a site's clients", &[
                SITE_KEY,
                key("failure", Choice(&["silent", "nxdomain", "nodata", "servfail", "refused"]), Value("\"silent\""), "how"),
            ]),
            variant("dns-records", "DNS lists this instead", &[
                SITE_KEY,
                key("records", Tables(&RECORD), Required, "what it lists"),
            ]),
            variant("firewall", "the way from a site's clients to the hosts of another (or the same) is closed", &[
                key("from", Reference("site"), Required, "the clients' site"),
                key("to", Reference("site"), Required, "the hosts' site"),
                AS_SEEN,
            ]),
            variant("client-clock", "the clients' clocks are off", &[GROUP_KEY, OFFSET_KEY]),
            variant("install-key", "in an instant: another key is installed", &[
                GROUP_KEY,
                key("key", Choice(KEYS), Required, "which"),
            ]),
            variant("fixed-host", "in an instant: the host is set by name (`slmgr /skms`)", &[
                GROUP_KEY,
                key("host", Reference("host"), Nothing("discovery again (`slmgr /ckms`)"), "which host"),
            ]),
            variant("activate", "in an instant: `slmgr /ato`", &[GROUP_KEY]),
            variant("rearm", "in an instant: `slmgr /rearm` and the restart; a shared CMID is then a CMID of one's own", &[GROUP_KEY]),
            variant("hardware-change", "in an instant: so large a change of hardware that any fingerprint sees it", &[
                GROUP_KEY,
                key("share", Number(0.0, 1.0), Value("1.0"), "of what share of the clients"),
            ]),
            variant("network-change", "in an instant: the network changes, which a client that watches for it takes as an occasion", &[GROUP_KEY]),
            variant("power-off", "all are switched off", &[GROUP_KEY]),
            variant("reboot", "in an instant: a restart", &[GROUP_KEY]),
        ],
    )),
};

const HOST_KEY: Key = key("host", Reference("host"), Required, "which host");
const SITE_KEY: Key = key("site", Reference("site"), Required, "the clients' site");
const GROUP_KEY: Key = key("group", Reference("group"), Required, "which group");
const AS_SEEN: Key = key(
    "as_seen",
    Choice(REJECTIONS),
    Value("\"silent\""),
    "nothing comes back, or the connection is refused",
);
const OFFSET_KEY: Key =
    key("offset_s", OFFSET, Required, "how far it is ahead, in seconds; negative: behind");
const OFFSET: Kind = Whole(-CLOCK_OFFSET_S_MAX, CLOCK_OFFSET_S_MAX);

/// What is expected.
#[rustfmt::skip]
pub(super) static EXPECT: Table = table(
    "expect",
    "Something that is measured, and the range that it must be in.",
    &[
        key("title", Text(200), Nothing("made up from the rest"), "a sentence to show"),
        key("metric", Choice(METRICS), Required, "what is measured"),
        key("at", Time, Nothing("then `from` and `until`"), "measured at this instant"),
        key("from", Time, Nothing("then `at`"), "measured over a window, from this instant"),
        key("until", Time, Nothing("then `at`"), "to this one, both included"),
        key("groups", References("group"), Value("[]"), "only clients of these groups"),
        key("sites", References("site"), Value("[]"), "only clients of these sites"),
        key("host", Reference("host"), Nothing("none"), "the host, for `count`, `requests` and `requests-per-minute`"),
        key("states", Choices(STATES), Value("[]"), "licence states, for `clients` and `share`"),
        key("event", Choice(EVENTS), Nothing("none"), "the event, for `events`"),
        key("application", Choice(&["windows", "office"]), Value("\"windows\""), "which of the host's counts, for `count`"),
        key("percentile", Number(0.0, 100.0), Nothing("none"), "for `time-to-first-activation`: over 0, at most 100"),
        key("at_least", BOUND, Nothing("no bound"), "the least that is right; times are minutes"),
        key("at_most", BOUND, Nothing("no bound"), "the most that is right"),
    ],
);

const BOUND: Kind = Number(0.0, 1e15);
const REJECTIONS: &[&str] = &["silent", "refused"];
const KEYS: &[&str] = &["gvlk", "wrong", "none", "mak"];
const METRICS: &[&str] = &[
    "clients",
    "share",
    "count",
    "requests",
    "requests-per-minute",
    "events",
    "time-to-first-activation",
];
const STATES: &[&str] = &[
    "unlicensed",
    "licensed",
    "initial-grace",
    "additional-grace",
    "non-genuine-grace",
    "notification",
    "extended-grace",
];
const EVENTS: &[&str] = &[
    "boot",
    "shutdown",
    "request",
    "activated",
    "renewed",
    "activation-failed",
    "renewal-failed",
    "count-too-low",
    "no-host-found",
    "host-unreachable",
    "host-refused",
    "cached-host-lost",
    "grace-began",
    "notification-began",
    "out-of-tolerance",
    "rearmed",
    "mak-activated",
    "mak-exhausted",
];

/// Bytes of a file.
pub const FILE_BYTES_MAX: usize = 16 << 20;
/// Bytes of a name.
pub const NAME_BYTES_MAX: usize = 63;
/// Clients of a group, and of a scenario.
pub const CLIENTS_MAX: u32 = 200_000_000;
/// Clients that a scenario lists one by one.
pub const LISTED_MAX: usize = 100_000;
/// Tables of one name.
pub const TABLES_MAX: usize = 10_000;
/// Ten years and more, either way.
pub const CLOCK_OFFSET_S_MAX: i64 = 316_224_000;
