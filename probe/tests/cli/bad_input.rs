//! Bad input: one clear message on standard error, nothing on standard output, exit code 2.

use super::{code, run, stderr, stdout};

#[track_caller]
fn assert_refused(arguments: &[&str], parts: &[&str]) {
    let output = run(arguments);
    let errors = stderr(&output);
    assert_eq!(code(&output), 2, "{arguments:?}: {errors}");
    assert_eq!(stdout(&output), "", "{arguments:?}");
    assert!(errors.starts_with("error: "), "{arguments:?}: {errors}");
    for part in parts {
        assert!(errors.contains(part), "{arguments:?} lacks {part:?}: {errors}");
    }
    assert!(!errors.contains("panicked"), "{errors}");
    assert!(!errors.contains('\u{1b}'), "{errors:?}");
}

#[test]
fn targets_that_cannot_be_are_named_with_the_rule_they_break() {
    for (target, part) in [
        ("kms1:0", "port outside 1..65535: `0`"),
        ("kms1:65536", "`65536`"),
        ("kms1:http", "`http`"),
        ("kms1:", "no port after the `:`"),
        (".", "the name is empty"),
        ("192.0.2.256", "not an IPv4 address"),
        ("[::1", "not an IPv6 address"),
        ("fe80::1%nosuchif0", "no such interface"),
        ("a..b", "label is empty"),
        ("corp.-bad.test", "hyphen"),
        ("under score.test", "has ` `"),
        ("corp\u{1b}[31m.test", "\\u{1b}"),
        ("http://kms1/", "not a URL"),
        ("", "empty"),
    ] {
        assert_refused(&["check", target], &["target `", part]);
    }
    let long = format!("{}.test", "a".repeat(64));
    assert_refused(&["check", &long], &["longer than 63"]);
}

#[test]
fn one_bad_target_among_good_ones_stops_everything_before_anything_is_sent() {
    assert_refused(&["check", "127.0.0.1:1", "kms1:0"], &["target `kms1:0`"]);
}

#[test]
fn flag_values_are_refused_with_the_flag_and_the_wanted_form() {
    for (flag, value, part) in [
        ("--resolver", "dns.example.com", "not an IP address"),
        ("--resolver", "192.0.2.53:0", "port 0"),
        ("--resolver", "192.0.2.53:99999", "192.0.2.53:99999"),
        ("--timeout", "4", "`4s`"),
        ("--timeout", "0s", "at least"),
        ("--timeout", "-1s", "`4s`"),
        ("--bind-timeout", "1day", "`4s`"),
        ("--lab-key", "00", "32 hexadecimal digits"),
        ("--lab-key", "-1", "32 hexadecimal digits"),
        ("--lab-key", "zz000000000000000000000000000000", "hexadecimal"),
        ("--product", "Windows 95", "kms-sim catalog"),
        ("--kms-version", "7", "4, 5, 6"),
        ("--depth", "deep", "dns, tcp, bind, rpc, kms"),
        ("--format", "yaml", "text, json"),
        ("--fail-on", "info", "warning, critical"),
    ] {
        assert_refused(&["check", "127.0.0.1:1", flag, value], &[flag, part]);
        let joined = format!("{flag}={value}");
        assert_refused(&["check", "127.0.0.1:1", &joined], &[flag, part]);
    }
}

#[test]
fn a_lab_key_is_never_repeated_in_a_message() {
    let output = run(&["check", "127.0.0.1", "--lab-key", "5ec2e75ec2e75ec2e75ec2e75ec2e75e"]);
    assert!(!stderr(&output).contains("5ec2e7"));
}

#[test]
fn contradictions_are_refused() {
    assert_refused(&["check", "::1", "-4"], &["not an IPv4 address"]);
    assert_refused(&["check", "127.0.0.1", "-6"], &["not an IPv6 address"]);
    assert_refused(&["check", "127.0.0.1", "-4", "-6"], &["cannot be used with"]);
    assert_refused(&["check", "127.0.0.1", "--depth", "dns"], &["needs no DNS"]);
}

#[test]
fn unknown_flags_commands_and_shells_are_refused() {
    assert_refused(&["check", "--fast"], &["--fast"]);
    assert_refused(&["chek"], &["chek"]);
    assert_refused(&["completions", "tcsh"], &["tcsh"]);
    assert_refused(&["man", "nothing"], &["no such command: `nothing`"]);
    assert_refused(&["explain"], &["CODE"]);
    assert_refused(&["explain", "0xZZ"], &["not a hexadecimal number"]);
    assert_refused(&["explain", "what is this?"], &["neither a code nor a name"]);
    assert_refused(&["discover", "a..b"], &["label is empty"]);
    for address in ["192.0.2.1", "2001:db8::1", "[2001:db8::1]:1688"] {
        assert_refused(&["discover", address], &["an address has no SRV records"]);
    }
}
