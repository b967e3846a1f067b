//! Rules read, written, asked and changed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;

use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::kms::product::{OFFICE_APP_ID, PRODUCTS};
use kms_protocol::kms::{LicenseStatus, MachineName, Request, Version};
use proptest::prelude::*;

use super::*;

fn rule(text: &str) -> Rule {
    parse_compact(text, &RuleId::made_up("test", 1)).unwrap()
}

fn refused(text: &str) -> String {
    parse_compact(text, &RuleId::made_up("test", 1)).unwrap_err().to_string()
}

fn client(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn request() -> Request {
    let product = PRODUCTS[0];
    Request {
        version: Version::V6,
        vm_info: 0,
        license_status: LicenseStatus(2),
        binding_expiration_minutes: 0,
        app_id: product.app_id,
        sku_id: product.sku_id,
        kms_id: product.kms_id,
        cmid: Guid::from_bytes([7; 16]),
        n_policy: product.n_policy,
        client_time: FileTime::default(),
        cmid_previous: Guid::from_bytes([0; 16]),
        machine_name: MachineName::new("PC-0017.lab.test").unwrap(),
    }
}

fn call<'a>(request: &'a Request) -> Facts<'a> {
    Facts {
        opnum: Some(0),
        request: Some(request),
        accepted: true,
        ..Facts::of(client("10.1.2.3"))
    }
}

const NOW: FileTime = FileTime::from_ticks(0);

/// One rule of each kind, with its required fields.
fn sample(kind: Kind) -> String {
    let needed = match kind {
        Kind::Delay | Kind::DnsDelay => " time=200ms",
        Kind::Hresult => " code=0xC004F042",
        Kind::Count => " count=3",
        Kind::ClockOffset => " offset=5h",
        Kind::DnsView => " addresses=192.0.2.1,2001:db8::1",
        _ => "",
    };
    format!("{kind}{needed}")
}

#[test]
fn every_kind_can_be_written_and_read_again_at_every_stage_of_its_own() {
    for kind in Kind::all() {
        for stage in kind.spec().stages {
            let first = rule(&format!("{} stage={stage}", sample(kind)));
            assert_eq!((first.kind(), first.stage), (kind, *stage));
            let mut pairs = Pairs::default();
            first.write().into_iter().for_each(|(key, values)| pairs.add(key, values).unwrap());
            assert_eq!(Rule::read(pairs, &RuleId::made_up("other", 9)).unwrap(), first, "{kind}");
            let json = serde_json::to_string(&first).unwrap();
            let pairs: Pairs = serde_json::from_str(&json).unwrap();
            assert_eq!(Rule::read(pairs, &RuleId::made_up("other", 9)).unwrap(), first, "{json}");
        }
        let message = refused(&format!("{} colour=red", sample(kind)));
        assert!(message.starts_with("key `colour`: unknown here"), "{message}");
        // What the table says of fields is what the parser knows.
        for field in kind.spec().fields {
            assert!(
                message.contains(&format!(" {}", field.name)),
                "{kind} {}: {message}",
                field.name
            );
            let said = format!("{} {}=?!", kind.name(), field.name);
            let read = parse_compact(&said, &RuleId::made_up("test", 1));
            let is_text = ["text"].contains(&field.name);
            assert!(is_text || read.unwrap_err().to_string().contains('`'), "{said}");
            if field.default.is_none() {
                let message = refused(kind.name());
                assert!(message.contains(&format!("key `{}`: required", field.name)), "{message}");
            }
        }
    }
}

#[test]
fn mistakes_are_named_with_their_key() {
    for (text, expected) in [
        ("", "key `kind`: required"),
        ("explode", "key `kind`: invalid value `explode`: no such kind"),
        ("delay", "key `time`: required"),
        ("delay time=2 parsecs", "`parsecs` is not `key=value`"),
        ("delay time=2h", "key `time`: invalid value `2h`: not a time such as `200ms`"),
        ("delay time=1s time=2s", "key `time`: given twice"),
        ("delay distribution=uniform", "key `max`: required"),
        ("delay distribution=uniform min=2s max=1s", "key `min`: greater than `max`"),
        ("delay distribution=cauchy max=1s", "key `distribution`: not `uniform`"),
        ("refuse stage=bind", "key `stage`: invalid value `bind`: `refuse` can strike at `accept`"),
        ("refuse cmid=1", "key `cmid`: unknown here; `refuse` at accept knows client"),
        (
            "reset client=10.0.0.1/8",
            "key `client`: invalid value `10.0.0.1/8`: not an address or network",
        ),
        ("reset client=1.2.3.4,x", "key `client`: invalid value `x`"),
        ("reset probability=2", "key `probability`: invalid value `2`: not a share"),
        ("hresult code=+5", "key `code`: invalid value `+5`: not a 32-bit code"),
        ("reset nth=0", "key `nth`: invalid value `0`: not a whole number from 1 up"),
        ("reset nth=1 every=2", "key `nth`: and `every` exclude each other"),
        ("reset from=tomorrow", "key `from`: invalid value `tomorrow`: not a time since"),
        ("reset product=dos", "key `product`: invalid value `dos`"),
        ("reset id=a/b", "key `id`: invalid value `a/b`"),
        ("reset id=..", "key `id`: invalid value `..`"),
        ("split bytes=17", "key `bytes`: not a multiple of 16"),
        ("dns-servfail text=x", "key `code`: required"),
        ("dns-nxdomain qtype=XYZ", "key `qtype`: invalid value `XYZ`: not one of SRV"),
        ("reset \"", "a quotation mark is not closed"),
    ] {
        let message = refused(text);
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[test]
fn no_key_leads_to_an_epid_a_hardware_id_or_a_key() {
    for kind in Kind::all() {
        for key in [
            "epid",
            "pid",
            "hwid",
            "hardware_id",
            "lab_key",
            "key",
            "iv",
            "nonce",
            "mark",
            "assoc_group_id",
        ] {
            let message = refused(&format!("{} {key}=1", sample(kind)));
            assert!(message.starts_with(&format!("key `{key}`: unknown here")), "{message}");
        }
    }
}

#[test]
fn each_condition_lets_only_its_own_through() {
    let request = request();
    let name = PRODUCTS[0].name;
    let sku = PRODUCTS[0].sku_id;
    let facts = call(&request);
    for (fits, fits_not) in [
        ("client=10.1.0.0/16".to_owned(), "client=10.2.0.0/16".to_owned()),
        ("client=192.0.2.1,10.1.2.3".into(), "client=192.0.2.1".into()),
        ("machine=pc-*".into(), "machine=ws-*".into()),
        (format!("cmid={}", request.cmid), format!("cmid={sku}")),
        ("product=windows".into(), "product=office".into()),
        (format!("product=\"{name}\""), format!("product={OFFICE_APP_ID}")),
        (format!("product={sku}"), format!("product={}", request.cmid)),
        ("version=6".into(), "version=4,5.0".into()),
        ("opnum=0".into(), "opnum=65535".into()),
    ] {
        assert!(rule(&format!("reset {fits}")).concerns(&facts), "{fits}");
        assert!(!rule(&format!("reset {fits_not}")).concerns(&facts), "{fits_not}");
        let unread = Facts { request: None, accepted: false, ..facts };
        let on_request = !fits.starts_with("client") && !fits.starts_with("opnum");
        assert_eq!(rule(&format!("reset {fits}")).concerns(&unread), !on_request, "{fits}");
    }
    assert!(!rule("reset enabled=false").concerns(&facts));
}

#[test]
fn dns_conditions_look_at_the_question() {
    let question = Question { name: "_vlmcs._tcp.lab.test", record_type: "SRV", over_tcp: false };
    let facts = Facts { question: Some(question), ..Facts::of(client("127.0.0.1")) };
    for (text, expected) in [
        ("dns-nxdomain", true),
        ("dns-nxdomain qtype=A", false),
        ("dns-nxdomain qtype=a,srv", true),
        ("dns-nxdomain qname=_VLMCS.*", true),
        ("dns-nxdomain qname=kms1.*", false),
        ("dns-nxdomain transport=tcp", false),
        ("dns-nxdomain client=127.0.0.2", false),
    ] {
        assert_eq!(rule(text).concerns(&facts), expected, "{text}");
    }
}

#[test]
fn the_first_rule_that_strikes_wins_and_all_are_counted() {
    let set = FaultSet::new(1);
    for text in ["reset id=first nth=2", "close id=second limit=1", "never-answer id=third"] {
        set.add(rule(text), Source::Api, NOW).unwrap();
    }
    let request = request();
    let struck = || {
        let hit = set.decide(Stage::Request, &call(&request), NOW);
        hit.map(|hit| hit.applied.rule.to_string())
    };
    let struck: Vec<_> = (0..4).map(|_| struck().unwrap()).collect();
    assert_eq!(struck, ["second", "first", "third", "third"]);
    let counts: Vec<_> = set.list().iter().map(|l| (l.matched, l.applied)).collect();
    assert_eq!(counts, [(4, 1), (3, 1), (2, 2)]);
    assert!(set.decide(Stage::Bind, &call(&request), NOW).is_none());
    set.reset_all(NOW);
    assert!(set.list().iter().all(|l| (l.matched, l.applied) == (0, 0)));
}

#[test]
fn decisions_follow_from_seed_rule_and_number() {
    let struck = |seed| {
        let set = FaultSet::new(seed);
        set.add(rule("reset probability=0.5"), Source::Api, NOW).unwrap();
        let request = request();
        (0..64)
            .map(|_| set.decide(Stage::Request, &call(&request), NOW).is_some())
            .collect::<Vec<_>>()
    };
    assert_eq!(struck(7), struck(7));
    assert_ne!(struck(7), struck(8));
}

#[test]
fn rules_are_added_changed_switched_and_removed_while_it_runs() {
    let set = FaultSet::new(1);
    let id: RuleId = "a".parse().unwrap();
    assert_eq!(set.remove(&id), Err(SetError::Unknown(id.clone())));
    set.add(rule("reset id=a"), Source::Api, NOW).unwrap();
    assert_eq!(set.add(rule("close id=a"), Source::Api, NOW), Err(SetError::Taken(id.clone())));
    assert!(set.strikes_at(Stage::Request) && !set.strikes_at(Stage::Bind));
    set.decide(Stage::Request, &Facts::of(client("::1")), NOW).unwrap();
    set.set_enabled(&id, false).unwrap();
    assert!(!set.strikes_at(Stage::Request));
    assert_eq!(set.get(&id).unwrap().applied, 1, "switching keeps the counts");
    set.change(&id, rule("close id=a stage=bind"), NOW).unwrap();
    assert!(set.strikes_at(Stage::Bind) && !set.strikes_at(Stage::Request));
    assert_eq!(set.get(&id).unwrap().applied, 0, "another rule counts anew");
    set.remove(&id).unwrap();
    assert!(set.list().is_empty() && !set.strikes_at(Stage::Bind));
}

#[test]
fn nothing_listens_only_while_a_refusal_without_conditions_is_on() {
    let set = FaultSet::new(1);
    let refusing = set.refusing();
    let id: RuleId = "down".parse().unwrap();
    set.add(rule("refuse id=some client=10.0.0.0/8"), Source::Api, NOW).unwrap();
    set.add(rule("refuse id=half probability=0.5"), Source::Api, NOW).unwrap();
    assert!(!*refusing.borrow());
    set.add(rule("refuse id=down"), Source::Api, NOW).unwrap();
    assert!(*refusing.borrow());
    set.set_enabled(&id, false).unwrap();
    assert!(!*refusing.borrow());
}

#[test]
fn a_source_is_replaced_as_a_whole_or_not_at_all() {
    let set = FaultSet::new(1);
    set.add(rule("reset id=flag"), Source::Flag, NOW).unwrap();
    let first = parse_file("[[fault]]\nid = \"a\"\nkind = \"close\"\n[[fault]]\nkind = \"hang\"\n")
        .unwrap();
    let replaced = set.replace(Source::File, first, NOW).unwrap();
    assert_eq!(replaced, Replaced { kept: 0, set: 2, removed: 0 });
    set.add(rule("reset id=api"), Source::Api, NOW).unwrap();
    let taken = vec![rule("close id=new"), rule("close id=flag")];
    assert_eq!(
        set.replace(Source::File, taken, NOW),
        Err(SetError::Taken("flag".parse().unwrap()))
    );
    let ids = || set.list().iter().map(|l| l.rule.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(), ["flag", "a", "fault-2", "api"]);
    let second = parse_file("[[fault]]\nid = \"a\"\nkind = \"close\"\n").unwrap();
    let replaced = set.replace(Source::File, second, NOW).unwrap();
    assert_eq!(replaced, Replaced { kept: 1, set: 0, removed: 1 });
    assert_eq!(ids(), ["flag", "a", "api"]);
}

#[test]
fn the_number_of_rules_is_bounded() {
    let set = FaultSet::new(1);
    let rules = |count: usize| (0..count).map(|n| rule(&format!("reset id=r{n}"))).collect();
    assert_eq!(set.replace(Source::File, rules(RULES_MAX + 1), NOW), Err(SetError::Full));
    assert!(set.list().is_empty());
    set.replace(Source::File, rules(RULES_MAX), NOW).unwrap();
    assert_eq!(set.add(rule("reset"), Source::Api, NOW), Err(SetError::Full));
    let text = "[[fault]]\nkind = \"reset\"\n".repeat(RULES_MAX + 1);
    assert!(parse_file(&text).unwrap_err().to_string().starts_with("2001:1: more than 1000 rules"));
    assert!(parse_file(&" ".repeat(FILE_BYTES_MAX + 1)).is_err());
}

#[test]
fn a_file_gives_its_rules_and_its_mistakes_give_their_place() {
    let text = r#"
[[fault]]
id = "slow-branch"
kind = "delay"
distribution = "normal"
mean = "200ms"
deviation = "50ms"
max = "2s"
client = ["10.1.0.0/16", "10.2.0.0/16"]
probability = 0.25
from = 2026-11-24T08:00:00Z

[[fault]]
kind = "hresult"
code = 0xC004F042
version = [5, 6]
every = 3

[[dns]]
kind = "servfail"
code = 22
"#;
    let rules = parse_file(text).unwrap();
    let ids: Vec<_> = rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids.len(), 3);
    assert!(["slow-branch", "fault-2", "dns-1"].iter().all(|id| ids.contains(id)), "{ids:?}");
    for (text, expected) in [
        ("[[fault]]\nkind = \"reset\"\nnth = 0\n", "3:7: key `nth`: invalid value `0`"),
        ("[[fault]]\nkind = \"reset\"\ncolour = 1\n", "3:10: key `colour`: unknown here"),
        (
            "[[fault]]\nkind = \"dns-flap\"\n[[dns]]\nkind = \"reset\"\n",
            "4:8: key `kind`: invalid value `dns-reset`",
        ),
        ("[[fault]]\nkind = 'delay'\n", "1:1: key `time`: required"),
        ("seed = 1\n", "1:1: key `seed`: a file of faults has tables"),
        ("[fault]\nkind = 'reset'\n", "1:2: key `fault`: a file of faults has tables"),
        ("[[fault]]\nkind = 'reset'\nclient = { a = 1 }\n", "3:10: key `client`: neither text"),
        (
            "[[fault]]\nid='x'\nkind='reset'\n[[fault]]\nid='x'\nkind='close'\n",
            "5:4: key `id`: `x` is the name",
        ),
        ("[[fault]\n", "1:"),
        ("[[fault]]\nkind = 'reset'\nkind = 'close'\n", "3:1:"),
    ] {
        let message = parse_file(text).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{text}\n{message}");
    }
    assert_eq!(parse_file("").unwrap(), []);
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_fail_in_another_way(text in "\\PC{0,200}") {
        parse_compact(&text, &RuleId::made_up("x", 1)).ok();
        parse_file(&text).ok();
    }

    #[test]
    fn conditions_survive_being_written_and_read(nth in proptest::option::of(1u64..), share in proptest::option::of(0.0f64..=1.0), from_s in proptest::option::of(0u64..100_000), limit in proptest::option::of(1u64..)) {
        let mut text = "never-answer client=10.0.0.0/8,::1 machine=PC-* version=4".to_owned();
        for (key, value) in [("nth", nth.map(|n| n.to_string())), ("probability", share.map(|n| n.to_string())), ("from", from_s.map(|n| format!("{n}s"))), ("limit", limit.map(|n| n.to_string()))] {
            if let Some(value) = value {
                text = format!("{text} {key}={value}");
            }
        }
        let first = rule(&text);
        let mut pairs = Pairs::default();
        first.write().into_iter().for_each(|(key, values)| pairs.add(key, values).unwrap());
        prop_assert_eq!(Rule::read(pairs, &RuleId::made_up("x", 2)).unwrap(), first);
    }
}
