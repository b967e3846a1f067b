#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use super::example::{hostile, two_sites};
use super::*;
use crate::fleet::merge::merge;
use crate::fleet::outcome::trace_hash;
use serde_json::Value;

#[test]
fn json_follows_the_schema_and_has_the_names_that_scripts_rely_on() {
    let (scenario, outcome) = two_sites();
    let json: Value =
        serde_json::from_str(&Report::of(&scenario, &outcome).json().unwrap()).unwrap();
    let schema: Value =
        serde_json::from_str(include_str!("../../../../docs/schema/fleet-run.schema.json"))
            .unwrap();
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&json)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert_eq!(
        (&json["seed"], &json["clients"], &json["requests_total"]),
        (&7.into(), &40.into(), &105.into())
    );
    assert_eq!(json["states_final"]["licensed"], 30);
    assert_eq!(json["states_final"]["notification"], 10);
    assert_eq!(json["hosts"][0]["final_count"], 30);
    assert_eq!(json["hosts"][0]["peak_requests_per_minute"], 30);
    assert_eq!(json["minutes_to_first_activation"]["p50"], 5.0);
    assert_eq!(json["minutes_to_first_activation"]["p90"], Value::Null);
    assert_eq!(json["expectations"][0]["held"], false);
    assert_eq!(json["passed"], false);
}

#[test]
fn what_was_written_is_read_again() {
    let (scenario, mut outcome) = two_sites();
    for shard in [None, Some((1, 3))] {
        outcome.shard = shard;
        let json = Report::of(&scenario, &outcome).json().unwrap();
        assert_eq!(read(json.as_bytes()).unwrap(), (scenario.clone(), outcome.clone()));
    }
}

#[test]
fn merged_shards_give_the_json_of_the_whole_byte_for_byte() {
    let (scenario, whole) = two_sites();
    let unsharded = Report::of(&scenario, &whole).json().unwrap();
    let shard = |index: usize| {
        let sites = whole.sites.get(index).cloned().into_iter().collect();
        let shard = Outcome { shard: Some((index as u32, 3)), sites, ..whole.clone() };
        let json = Report::of(&scenario, &shard).json().unwrap();
        let (scenario, outcome) = read(json.as_bytes()).unwrap();
        (format!("{index}.json"), scenario, outcome)
    };
    let (merged_scenario, merged) = merge([2, 0, 1].map(shard).into()).unwrap();
    assert_eq!(Report::of(&merged_scenario, &merged).json().unwrap(), unsharded);
}

#[test]
fn a_file_that_is_no_run_is_refused_in_one_sentence() {
    let (scenario, outcome) = two_sites();
    let json = Report::of(&scenario, &outcome).json().unwrap();
    let refusal = |change: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_str(&json).unwrap();
        change(&mut value);
        read(value.to_string().as_bytes()).unwrap_err().to_string()
    };
    assert_eq!(
        refusal(&|run| run["schema_version"] = 2.into()),
        "its `schema_version` is 2, and this version reads 1"
    );
    assert_eq!(
        refusal(&|run| run["shard"] = "3/3".into()),
        "`shard` is `3/3`, not `I/N` with I below N"
    );
    assert_eq!(
        refusal(&|run| run["sites"][0]["site"] = 9.into()),
        "its sites do not belong to its scenario: there is no site number 9"
    );
    assert_eq!(
        refusal(&|run| run["sites"][0]["groups"][0]["samples"] = Value::Array(Vec::new())),
        "its sites do not belong to its scenario: group number 0 of north"
    );
    assert_eq!(
        refusal(&|run| run["sites"][0]["hosts"][0]["host"] = 1.into()),
        "its sites do not belong to its scenario: host number 1 of north"
    );
    assert!(refusal(&|run| run["scenario_toml"] = "name".into()).starts_with("the scenario in it"));
    assert!(
        read(&b"{"[..]).unwrap_err().to_string().starts_with("it is not the JSON of a fleet run")
    );
}

#[test]
fn a_file_is_read_up_to_its_limit_and_no_further() {
    let (scenario, outcome) = two_sites();
    let json = Report::of(&scenario, &outcome).json().unwrap();
    let bytes = json.len() as u64;
    assert!(json::read_at_most(json.as_bytes(), bytes).is_ok());
    let error = json::read_at_most(json.as_bytes(), bytes - 1).unwrap_err().to_string();
    assert_eq!(error, format!("it is larger than {} bytes", bytes - 1));
}

#[test]
fn the_hash_depends_on_every_site_and_their_order() {
    let (_, outcome) = two_sites();
    let whole = trace_hash(&outcome.sites);
    let mut sites = outcome.sites.clone();
    sites.reverse();
    assert_ne!(trace_hash(&sites), whole);
    sites.reverse();
    sites[1].trace_hash ^= 1;
    assert_ne!(trace_hash(&sites), whole);
    assert_ne!(trace_hash(&outcome.sites[..1]), whole);
}

#[test]
fn the_summary_reads_without_colour() {
    let (scenario, outcome) = hostile();
    let report = Report::of(&scenario, &outcome);
    let expected = "\
two-sites: Two <sites>
  40 clients, 3h from 2026-01-05T00:00:00Z
  seed 7, trace HASH
  160 events, 105 requests at hosts

final states
  licensed                      30  75.0 %
  notification                  10  25.0 %

host                  requests  peak a min  count  office  requests over time
  kms1                      75          30     30       0  ▁█▂▁
  =kms2<script>             30          10     10       0  ▁███

time from first start to first activation
  half of all within            5m
  90 of 100 within           never
  99 of 100 within           never
  all within                 never
  never activated       10 clients

events
  activated                     30

expectations: 1 of 1 broken
  FAIL  <all> are licensed
        30 clients, worst at 3h (right is at least 40)
        clients: <b>-1, <b>-2, <b>-3 and 7 more
";
    let expected = expected.replace("HASH", &report.run().trace_hash);
    assert_eq!(report.text().unwrap(), expected);
}

#[test]
fn the_summary_of_a_shard_says_why_nothing_is_judged() {
    let (scenario, mut outcome) = two_sites();
    outcome.shard = Some((0, 2));
    let report = Report::of(&scenario, &outcome);
    assert!(report.text().unwrap().contains("merge all shards to have them judged (this is 0/2)"));
    assert!(report.run().passed);
}

#[test]
fn the_timeline_has_a_row_for_each_instant_and_no_formula() {
    let (scenario, outcome) = hostile();
    let csv = String::from_utf8(Report::of(&scenario, &outcome).csv().unwrap()).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(
        lines[0],
        "time,seconds,unlicensed,licensed,initial-grace,additional-grace,non-genuine-grace,\
         notification,extended-grace,on,kms1 requests,kms1 peak_requests_per_minute,\
         kms1 count_windows,kms1 count_office,'=kms2<script> requests,\
         '=kms2<script> peak_requests_per_minute,'=kms2<script> count_windows,\
         '=kms2<script> count_office"
    );
    assert_eq!(lines[1], "2026-01-05T00:00:00Z,0,0,0,0,0,0,40,0,40,0,0,0,0,0,0,0,0");
    assert_eq!(lines[3], "2026-01-05T02:00:00Z,7200,0,30,0,0,0,10,0,40,10,10,30,0,10,10,10,0");
    assert_eq!(lines.len(), 5);
}

#[test]
fn pipelines_see_what_broke_and_whose_fault_it_is() {
    let (scenario, outcome) = hostile();
    let junit = Report::of(&scenario, &outcome).junit().unwrap();
    assert!(junit.contains(r#"tests="1" failures="1" errors="0""#), "{junit}");
    assert!(junit.contains("&lt;all&gt; are licensed"), "{junit}");
    assert!(junit.contains("clients: &lt;b&gt;-1, &lt;b&gt;-2, &lt;b&gt;-3 and 7 more"), "{junit}");
    let (mut scenario, _) = two_sites();
    scenario.expectations[0].at_least = Some(30.0);
    let junit = Report::of(&scenario, &outcome).junit().unwrap();
    assert!(junit.contains(r#"tests="1" failures="0" errors="0""#), "{junit}");
}

#[test]
fn the_page_has_every_plot_and_no_markup_of_others() {
    let (scenario, outcome) = hostile();
    let page = Report::of(&scenario, &outcome).html();
    for part in [
        "Clients by state",
        "Requests per minute",
        "25: Windows clients",
        "From first start to first activation",
        "Two &lt;sites&gt;",
        "=kms2&lt;script&gt;",
        "host-down ends",
        ">FAIL<",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<script") && !page.contains("<all>") && !page.contains("<b>"));
    assert!(!page.contains("Count for Office"), "nobody has Office");
}
