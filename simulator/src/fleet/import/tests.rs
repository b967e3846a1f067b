#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
use std::collections::BTreeSet;

use super::*;
use crate::fleet::builtin::Builtin;
use crate::fleet::engine::{self, Options as Run};
use crate::fleet::outcome::Outcome;
use crate::fleet::report::Report;
use crate::fleet::scenario::shape::LISTED_MAX;
use crate::fleet::scenario::{EventKind, Identity, Key, Life, Presence, Scenario};

/// A client: CMID, name and product.
type Who = (String, String, String);

fn run(scenario: &Scenario) -> Outcome {
    let options = Run { trace: vec!["*".to_owned()], threads: 1, ..Run::default() };
    engine::run(scenario, &options).unwrap()
}

fn text_of(files: &[(&str, &str)]) -> Result<String, ImportError> {
    let mut import = Import::new(Options { name: "imported".to_owned(), ..Options::default() });
    for (name, text) in files {
        import.stream((*name).to_owned(), text.as_bytes())?;
    }
    import.scenario()
}

fn import(files: &[(&str, &str)]) -> Scenario {
    let text = text_of(files).unwrap();
    Scenario::from_toml(&text).unwrap_or_else(|mistakes| panic!("{mistakes:?}\n{text}"))
}

/// Whom the hosts of a run have seen.
fn asked(scenario: &Scenario, outcome: &Outcome) -> BTreeSet<Who> {
    let traces = outcome.sites.iter().flat_map(|site| &site.traces);
    let requests = traces.filter(|record| record.event == EventKind::Request);
    requests
        .map(|record| {
            let product = scenario.groups[record.group].product.clone();
            (record.cmid.clone(), record.client.clone(), product)
        })
        .collect()
}

fn listed(scenario: &Scenario) -> BTreeSet<Who> {
    let groups = scenario.groups.iter();
    groups
        .flat_map(|group| group.clients.iter().map(move |client| (group, client)))
        .map(|(group, client)| {
            let cmid = client.cmid.map(|cmid| cmid.to_string()).unwrap_or_default();
            (cmid, client.name.clone().unwrap_or_default(), group.product.clone())
        })
        .collect()
}

/// The counts of all hosts at the end.
fn counts(outcome: &Outcome) -> Vec<(u32, u32)> {
    let hosts = outcome.sites.iter().flat_map(|site| &site.hosts);
    hosts
        .map(|host| host.samples.last().map(|s| (s.count_windows, s.count_office)).unwrap())
        .collect()
}

#[test]
fn a_run_is_imported_from_its_own_events_with_the_same_clients_and_the_same_count() {
    for name in ["first-rollout", "dns-outage", "windows7-grace", "office-grace", "wrong-key"] {
        let scenario = Scenario::from_toml(Builtin::by_name(name).unwrap().toml).unwrap();
        let outcome = run(&scenario);
        let events = Report::of(&scenario, &outcome).host_events();
        let imported = import(&[("events.log", &events)]);
        assert_eq!(listed(&imported), asked(&scenario, &outcome), "{name}");
        let clients: u32 = imported.groups.iter().map(|group| group.count).sum();
        assert_eq!(clients as usize, asked(&scenario, &outcome).len(), "{name}");
        assert_eq!(counts(&run(&imported)), counts(&outcome), "{name}");
    }
}

#[test]
fn clones_share_their_cmid_and_a_name_that_changes_is_one_machine() {
    let name = "random-name";
    let scenario = Scenario::from_toml(Builtin::by_name(name).unwrap().toml).unwrap();
    let outcome = run(&scenario);
    let events = Report::of(&scenario, &outcome).host_events();
    let imported = import(&[("events.log", &events)]);
    let cmids = |who: BTreeSet<Who>| who.into_iter().map(|who| who.0).collect::<BTreeSet<_>>();
    assert_eq!(cmids(listed(&imported)), cmids(asked(&scenario, &outcome)));
    assert_eq!(imported.groups.len(), 1);
    assert_eq!(
        (imported.groups[0].count, imported.groups[0].identity),
        (30, Identity::NamePerBoot)
    );
    assert_eq!(counts(&run(&imported)), counts(&outcome));

    // Before the rearm, which gives each clone a CMID of its own.
    let mut scenario =
        Scenario::from_toml(Builtin::by_name("duplicate-cmid").unwrap().toml).unwrap();
    scenario.changes.clear();
    scenario.expectations.clear();
    scenario.duration = crate::fleet::scenario::Seconds::days(2);
    let outcome = run(&scenario);
    let events = Report::of(&scenario, &outcome).host_events();
    let imported = import(&[("events.log", &events)]);
    assert_eq!(listed(&imported), asked(&scenario, &outcome));
    assert_eq!(listed(&imported).len(), 80);
    assert_eq!(cmids(listed(&imported)).len(), 21);
    let counted: u32 = counts(&run(&imported)).iter().map(|(windows, _)| windows).sum();
    assert_eq!(counted, 21);
}

#[test]
fn three_cmids_after_one_another_under_one_name_are_one_machine() {
    let kiosk = |number: u32, time: &str| line(&cmid(number), "KIOSK", time, 1);
    let lines: String = (1..=3).map(|day| kiosk(day, &format!("2026/1/{day} 8:00"))).collect();
    let imported = import(&[("events.log", &lines)]);
    assert_eq!(imported.groups[0].identity, Identity::CmidPerBoot);
    assert_eq!(imported.groups[0].clients[0].to_string(), format!("{} KIOSK", cmid(3)));
    let turns: String =
        [1, 2, 1, 2].map(|number| line(&cmid(number), "PC", "2026/1/5 8:00", 1)).concat();
    assert_eq!(import(&[("events.log", &turns)]).groups[0].count, 2);
    // Within a minute no machine starts three times.
    let quick: String = (1..=3).map(|number| kiosk(number, "2026/1/5 8:00")).collect();
    assert_eq!(import(&[("events.log", &quick)]).groups[0].count, 3);
}

#[test]
fn events_as_xml_name_the_host_and_its_time_and_others_are_passed_over() {
    let data = line(&cmid(1), "PC&amp;1", "2026/1/5 8:00", 1);
    let text = format!(
        "<Events>\r\n{}\r\n{}{}</Events>",
        event(12290, "Microsoft-Windows-Security-SPP", data.trim()),
        event(12288, "Microsoft-Windows-Security-SPP", "0x0"),
        event(12290, "VSS", "0x0"),
    );
    let text = text_of(&[("kms.xml", &text)]).unwrap();
    assert!(text.contains("kms.xml: events as XML, 1 of clients, 2 of other things"), "{text}");
    let imported = Scenario::from_toml(&text).unwrap();
    assert_eq!(imported.hosts[0].name, "kms1.corp.test");
    assert_eq!(imported.start.to_string(), "2026-11-24T10:47:49Z");
    assert_eq!(imported.groups[0].clients[0].name.as_deref(), Some("PC&1"));
    // UTF-16, as PowerShell writes files.
    let wide: Vec<u8> = "\u{feff}"
        .encode_utf16()
        .chain(text_xml().encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let mut import = Import::new(Options::default());
    import.stream("wide.xml".to_owned(), wide.as_slice()).unwrap();
    assert!(import.scenario().unwrap().contains("PC-7"));
}

fn text_xml() -> String {
    event(12290, "KmsRequests", line(&cmid(7), "PC-7", "2026/1/5 8:00", 1).trim())
}

#[test]
fn an_event_has_so_many_bytes_and_no_more_and_no_document_type_expands() {
    let padded = |bytes: usize| {
        let bare = text_xml().len();
        text_xml().replace("</Computer>", &format!("</Computer>{}", " ".repeat(bytes - bare)))
    };
    let most = usize::try_from(events::EVENT_BYTES_MAX).unwrap();
    assert!(text_of(&[("a.xml", &padded(most))]).is_ok());
    let long = format!("<Events>\n\n{}", padded(most + 1));
    let error = text_of(&[("a.xml", &long)]).unwrap_err().to_string();
    assert_eq!(error, "a.xml:3: an event longer than 262144 bytes");
    let bomb = format!("<!DOCTYPE x [<!ENTITY a 'aaaa'>]>{}", text_xml().replace("PC-7", "P&a;C"));
    assert_eq!(import(&[("a.xml", &bomb)]).groups[0].clients[0].name.as_deref(), Some("PC"));
    for (cut, wanted) in [
        (text_xml().get(..300).unwrap().to_owned(), "a.xml:1: an event that is cut off"),
        (
            format!("\n<Event><System>\n{}", text_xml()),
            "a.xml:2: an event that is cut off by the next",
        ),
        (event(12290, "KmsRequests", "0x0"), "a.xml:1: an event 12290 without its nine values"),
        (text_xml().replace("</System>", "</Sistem>"), "a.xml:1: an event that is no XML"),
    ] {
        let error = text_of(&[("a.xml", &cut)]).unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{error}");
    }
}

const INVENTORY: &str = "Name;Product;CMID;Last contact;Site;Owner\r\n\
    PC-1;Windows 10/11 Enterprise;00000000-0000-0000-0000-000000000001;2026-11-01 10:00;Berlin;x\r\n\
    \"Anna's PC\";Windows 11 Enterprise LTSC 2099;;;Berlin;x\r\n\
    PC-3;;;2026-09-01;Munich;x\r\n";

#[test]
fn an_inventory_gives_names_products_and_sites_and_says_what_is_assumed() {
    let text = text_of(&[("inventory.csv", INVENTORY)]).unwrap();
    for wanted in [
        "inventory.csv: a table, 3 of clients; not used: Owner",
        "- clients without a CMID, which is made up: 2",
        "- product `Windows 11 Enterprise LTSC 2099` is taken for `Windows",
        "- a client without a product is taken for `Windows 10/11 Enterprise`",
        "- clients silent for more than 30 days, switched off throughout (groups `...-silent`): 1",
        "- no host is named: `kms-1` is made up",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    let imported = Scenario::from_toml(&text).unwrap();
    let sites: Vec<_> = imported.sites.iter().map(|site| site.name.as_str()).collect();
    assert_eq!(sites, ["berlin", "munich"]);
    assert_eq!(imported.sites[1].dns[0].host, "kms-1");
    let silent = imported.groups.iter().find(|group| group.site == "munich").unwrap();
    assert!(matches!(silent.presence, Presence::PoweredOff { .. }));
    let outcome = run(&imported);
    assert!(!asked(&imported, &outcome).iter().any(|(_, name, _)| name == "PC-3"));
    assert!(asked(&imported, &outcome).iter().any(|(_, name, _)| name == "Anna's PC"));
}

#[test]
fn an_inventory_and_a_log_are_put_together_by_cmid_and_by_name() {
    let log = line(&cmid(1), "pc-1", "2026/11/2 8:00", 1)
        + &line(&cmid(2), "anna's pc", "2026/11/2 8:00", 2)
        + &line(&cmid(9), "PC-9", "2026/11/2 8:00", 1);
    for files in [
        [("log", log.as_str()), ("inventory", INVENTORY)],
        [("inventory", INVENTORY), ("log", &log)],
    ] {
        let imported = import(&files);
        let all: Vec<_> = imported.groups.iter().flat_map(|group| &group.clients).collect();
        assert_eq!(all.len(), 4, "{all:?}");
        let of = |wanted: &str| {
            let is_it = |group: &&crate::fleet::scenario::Group| {
                group
                    .clients
                    .iter()
                    .any(|client| client.cmid.is_some_and(|c| c.to_string() == wanted))
            };
            imported.groups.iter().find(is_it).unwrap()
        };
        assert_eq!((of(&cmid(1)).site.as_str(), of(&cmid(1)).life), ("berlin", Life::Activated));
        // It asked unlicensed, with too few others.
        assert_eq!((of(&cmid(2)).site.as_str(), of(&cmid(2)).life), ("berlin", Life::New));
        assert_eq!(of(&cmid(9)).site, "berlin");
    }
}

#[test]
fn tables_of_events_and_of_our_journal_are_read() {
    let info = line(&cmid(1), "PC-1", "2026/1/5 8:00", 1);
    let exported = format!(
        "\"Id\",\"TimeCreated\",\"MachineName\",\"Message\"\n\"12290\",\"1/6/2026 9:00:00 PM\",\"KMS1\",\
         \"An activation request has been processed.\nInfo:\n{}\"\n\"1000\",\"\",\"KMS1\",\"x\"\n",
        info.trim()
    );
    let imported = import(&[("exported.csv", &exported)]);
    assert_eq!(imported.start.to_string(), "2026-01-06T21:00:00Z");
    assert_eq!((imported.hosts[0].name.as_str(), imported.groups[0].count), ("kms1", 1));
    let viewer = format!(
        "Level,Date and Time,Source,Event ID,Task Category\n\
         Information,1/6/2026 9:00:00 PM,KmsRequests,12290,None,\"Info:\n{}\"\n",
        info.trim()
    );
    assert_eq!(
        import(&[("viewer.csv", &viewer)]).groups[0].clients[0].name.as_deref(),
        Some("PC-1")
    );
}

#[test]
fn what_is_wrong_is_named_with_file_and_line() {
    for (text, wanted) in [
        ("", "f: it is empty"),
        ("hello\n", "f: it is neither events as XML"),
        ("name,cmid\nPC,nonsense\n", "f:2: `nonsense` is not a CMID"),
        ("name,cmid\nPC,\nPC-2,,\n\n,\"\"\nPC,x\n", "f:6: `x` is not a CMID"),
        ("name,last contact\nPC,soon\n", "f:2: `soon` is not a time"),
        ("cmid,site\n,Berlin\n", "f:2: a row with neither a name nor a CMID"),
        ("name\n", "f: holds no event 12290 and no client"),
    ] {
        let error = text_of(&[("f", text)]).unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{text:?}: {error}");
    }
    let lines = line(&cmid(1), "PC-1", "2026/1/5 8:00", 1) + "\nnonsense\n";
    let error = text_of(&[("f", &lines)]).unwrap_err().to_string();
    assert!(error.starts_with("f:3: not a line of event 12290"), "{error}");
    let mut import = Import::new(Options::default());
    let error = import.stream("f".to_owned(), &b"name\nPC\xff\n"[..]).unwrap_err().to_string();
    assert_eq!(error, "f:2: neither UTF-8 nor UTF-16: save the file as UTF-8");
    assert!(matches!(import.file(Path::new("/nowhere/at/all")), Err(ImportError::Io { .. })));
}

#[test]
fn a_quotation_mark_that_stays_open_does_not_fill_the_memory() {
    let text = format!("name,site\n\"PC-1,{}", "x,".repeat(table::RECORD_BYTES_MAX));
    let error = text_of(&[("f", &text)]).unwrap_err().to_string();
    assert!(error.contains("a row longer than 262144 bytes"), "{error}");
    let most = format!("name,owner\nPC-1,{}\n", "x".repeat(table::RECORD_BYTES_MAX));
    assert!(text_of(&[("f", &most)]).is_ok());
}

#[test]
fn so_many_clients_are_kept_and_so_many_are_listed_and_no_more() {
    let mut census = Census::new(2);
    let seen = |number: u32| Sighting { cmid: guid(&cmid(number)), ..Sighting::default() };
    let product = kms_protocol::kms::product::DEFAULT;
    census.take(seen(1), product).unwrap();
    census.take(seen(2), product).unwrap();
    census.take(seen(1), product).unwrap();
    assert_eq!(census.take(seen(3), product).unwrap_err(), "more than 2 pairs of CMID and name");

    let table = |count: usize| {
        let rows = (1..=count)
            .map(|number| format!("PC-{number:06},{}\n", cmid(u32::try_from(number).unwrap())));
        format!("name,cmid\n{}", rows.collect::<String>())
    };
    let imported = import(&[("f", &table(LISTED_MAX))]);
    assert_eq!(imported.groups[0].clients.len(), LISTED_MAX);
    let error = text_of(&[("f", &table(LISTED_MAX + 1))]).unwrap_err().to_string();
    assert!(error.starts_with("100001 clients, and a scenario lists at most 100000"), "{error}");
}

#[test]
fn at_most_so_many_files_are_read() {
    let mut import = Import::new(Options::default());
    for number in 0..FILES_MAX {
        import.stream(number.to_string(), &b"name\nPC\n"[..]).unwrap();
    }
    let error = import.file(Path::new("one-more")).unwrap_err().to_string();
    assert_eq!(error, "at most 1000 files are read together");
}

#[test]
fn a_product_can_be_named_and_hostile_text_does_no_harm() {
    let real = "68531fb9-5511-4989-97be-d11a0f55633f";
    let text = format!("0x0,5,PC-1,{},2026/1/5 8:00,0,1,100,{real}\n", cmid(1));
    let office = kms_protocol::kms::product::PRODUCTS
        .iter()
        .find(|product| product.app_id == kms_protocol::kms::product::OFFICE_APP_ID)
        .unwrap();
    let products = vec![(real.to_uppercase(), office)];
    let mut import = Import::new(Options { name: "x".to_owned(), products });
    import.stream("f".to_owned(), text.as_bytes()).unwrap();
    assert!(import.scenario().unwrap().contains(office.name));
    let assumed = text_of(&[("f\n[[site]]", &text)]).unwrap();
    assert!(assumed.contains(&format!(
        "activation id `{real}`, which needs a count of 5, is taken for `Windows Server"
    )));
    Scenario::from_toml(&assumed).unwrap();

    let hostile = "name,site,product,\"a\nb\u{1b}[2J\"\n\"x\"\"\n[[host]]\",\"\u{202e}a\n]\",\"`\n# \u{7}\"\n";
    let text = text_of(&[("f", hostile)]).unwrap();
    Scenario::from_toml(&text).unwrap();
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}']));
    assert_eq!(Scenario::from_toml(&text).unwrap().groups[0].key, Key::Gvlk);
}

fn cmid(number: u32) -> String {
    format!("00000000-0000-0000-0000-{number:012x}")
}

/// A line of event 12290 of the default product.
fn line(cmid: &str, name: &str, time: &str, status: u32) -> String {
    let sku = kms_protocol::kms::product::DEFAULT.sku_id;
    format!("0x0,25,{name},{cmid},{time},0,{status},100,{sku}\n")
}

fn event(id: u32, provider: &str, data: &str) -> String {
    format!(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
         <Provider Name='{provider}' Guid='{{E23B33B0}}'/><EventID Qualifiers='16384'>{id}</EventID>\
         <TimeCreated SystemTime='2026-11-24T10:47:49.1234567Z'/><Computer>KMS1.corp.test</Computer>\
         </System><EventData><Data>{data}</Data></EventData></Event>"
    )
}
