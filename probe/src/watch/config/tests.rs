#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use super::*;
use crate::watch::state::{ConfirmRules, Level};

fn error(text: &str) -> String {
    parse("watch.toml", text, Path::new("")).err().unwrap().to_string()
}

#[test]
fn defaults_targets_and_channels_become_watchpoints() {
    let config = parse(
        "watch.toml",
        r#"
        history = "h.db"
        seed = 7
        [defaults]
        interval = "1m"
        confirm = "3 of 5"
        sources = ["127.0.0.1", "127.0.0.2"]
        recovery = "restart"
        [[target]]
        name = "kms1"
        target = "127.0.0.1:1688"
        depth = "kms"
        [[target]]
        target = "corp.example.com"
        sources = []
        alerts = ["page"]
        recovery = "none"
        [webhook.ops]
        url = "https://hooks.example.com/x"
        template = '{"text":"{{summary}}"}'
        [command.page]
        command = ["/usr/bin/page", "--now"]
        [recovery.restart]
        command = ["systemctl", "restart", "kms"]
        on = "degraded"
        "#,
        Path::new("/etc/watch"),
    )
    .unwrap();
    assert_eq!(config.history, Path::new("/etc/watch/h.db"));
    let names: Vec<_> = config.watchpoints.iter().map(|it| (it.name.as_str(), it.source)).collect();
    let from = |text: &str| Some(text.parse().unwrap());
    assert_eq!(
        names,
        [("kms1", from("127.0.0.1")), ("kms1", from("127.0.0.2")), ("corp.example.com", None)]
    );
    let first = config.watchpoints.first().unwrap();
    assert_eq!(first.rules.confirm, ConfirmRules { checks: 3, out_of: 5 });
    assert_eq!(first.rules.recovery.unwrap().from, Level::Degraded);
    assert_eq!(first.channels, ["ops", "page"]);
    assert_eq!(first.pace.interval, Duration::from_secs(60));
    let last = config.watchpoints.last().unwrap();
    assert!(last.recovery.is_none() && last.rules.recovery.is_none());
    assert_eq!(last.channels, ["page"]);
}

#[test]
fn what_is_wrong_is_named_with_its_line_and_what_was_probably_meant() {
    let target = "[[target]]\ntarget = \"127.0.0.1\"\n";
    for (text, wanted) in [
        (
            "[[target]]\ntarget = \"127.0.0.1\"\nintervall = \"1m\"\n",
            "watch.toml:3:1: unknown key `intervall`; the nearest is `interval`",
        ),
        (
            "[[targt]]\ntarget = \"x\"\n",
            "watch.toml:1:3: unknown key `targt`; the nearest is `target`",
        ),
        ("[[target]]\nname = \"x\"\n", "key `target` is missing"),
        ("history = \"x\"\n", "no target"),
        (&format!("{target}interval = \"5\"\n"), "watch.toml:3:12: a time with its unit"),
        (
            &format!("{target}interval = \"500ms\"\n"),
            "watch.toml:3:12: key `interval`: at least 1s",
        ),
        (&format!("{target}confirm = \"4 of 3\"\n"), "watch.toml:3:11: `M of N` is wanted"),
        (&format!("{target}depth = \"deep\"\n"), "watch.toml:3:9: unknown variant `deep`"),
        (
            &format!("{target}alerts = [\"opps\"]\n[command.ops]\ncommand = [\"x\"]\n"),
            "watch.toml:3:10: key `alerts`: there is no `opps`; the nearest is `ops`",
        ),
        (&format!("{target}recovery = \"x\"\n"), "there is no `x`, and no other"),
        (&format!("{target}sources = [\"::1\"]\n"), "not an IPv6 address"),
        (&format!("{target}{target}"), "two targets have the name `127.0.0.1`"),
        (&format!("{target}[webhook.ops]\nurl = \"ftp://x\"\n"), "watch.toml:4:7: key `url`"),
        (
            &format!("{target}[webhook.ops]\nurl = \"http://u:p@x/\"\n"),
            "user and password belong into",
        ),
        (
            &format!("{target}[webhook.ops]\nurl = \"http://x\"\ntemplate = '{{{{nam}}}}'\n"),
            "an alert has no `nam`",
        ),
        (
            &format!("{target}[webhook.ops]\nurl = \"http://x\"\nsecret_file = \"/nowhere\"\n"),
            "cannot read the secret file `/nowhere`",
        ),
        (
            &format!("{target}[webhook.a]\nurl = \"http://x\"\n[command.a]\ncommand = [\"x\"]\n"),
            "two ways of alerting have the name `a`",
        ),
        (&format!("{target}[command.a]\ncommand = []\n"), "an array of the program"),
        (
            &format!("{target}[mail.a]\nrelay = \"r\"\nfrom = \"x\"\nto = [\"a@b\"]\n"),
            "key `from`: `x` is no mail address",
        ),
        (&format!("{target}[mail.a]\nrelay = \"r\"\nfrom = \"a@b.c\"\nto = []\n"), "key `to`"),
        (
            &format!(
                "{target}[mail.a]\nrelay = \"r\"\nfrom = \"a@b.c\"\nto = [\"a@b.c\"]\nuser = \"u\"\n"
            ),
            "needs `password_file`",
        ),
        (
            &format!("{target}[recovery.a]\ncommand = [\"x\"]\nper_hour = 0\n"),
            "a number from 1 to 60",
        ),
        (
            &format!("{target}[recovery.a]\ncommand = [\"x\"]\non = \"up\"\n"),
            "`down` or `degraded`",
        ),
        ("[defaults]\ntarget = \"x\"\n", "key `target` belongs into a `[[target]]`"),
        ("concurrency = 65\n[[target]]\ntarget = \"127.0.0.1\"\n", "a number from 1 to 64"),
        ("[[target]]\ntarget = 5\n", "watch.toml:2:10"),
        ("a = [\n", "watch.toml:"),
    ] {
        let error = error(text);
        assert!(error.contains(wanted), "{text}\n{error}\n{wanted}");
    }
}

#[test]
fn the_file_has_bounds() {
    let many = "[[target]]\ntarget = \"127.0.0.1\"\n".repeat(TARGETS_MAX + 1);
    assert!(error(&many).contains("at most 1000 targets"));
    let sources: Vec<String> = (1..=9).map(|it| format!("\"127.0.0.{it}\"")).collect();
    let text = format!("[[target]]\ntarget = \"127.0.0.1\"\nsources = [{}]\n", sources.join(","));
    assert!(error(&text).contains("at most 8 sources"));
}
