#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use clap::ValueEnum as _;

use super::*;

fn host() -> Setup {
    Setup::Host("kms1.lab.test:1700".parse().unwrap())
}

fn domain() -> Setup {
    Setup::Domain("lab.test".to_owned())
}

/// After a change that is meant: `UPDATE_GOLDEN=1 cargo test -p kms-simulator client::setup`.
#[test]
fn every_form_is_as_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/client/setup/golden");
    for (target, setup) in [("host", host()), ("domain", domain())] {
        for format in Format::value_variants() {
            for undo in [false, true] {
                let Ok(text) = render(&setup, *format, undo) else { continue };
                let name = format.to_possible_value().unwrap().get_name().to_owned();
                let path =
                    folder.join(format!("{target}-{name}{}.txt", if undo { "-undo" } else { "" }));
                if *format == Format::Text && undo {
                    assert_eq!(text, render(&setup, *format, false).unwrap(), "it holds both");
                    continue;
                }
                let text = text.replace("\r\n", "\n");
                if std::env::var_os("UPDATE_GOLDEN").is_some() {
                    fs::create_dir_all(&folder).unwrap();
                    fs::write(&path, &text).unwrap();
                }
                assert_eq!(
                    fs::read_to_string(&path).unwrap_or_default(),
                    text,
                    "{}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn files_for_windows_have_its_line_ends_and_the_text_says_what_windows_will_do() {
    for format in [Format::Reg, Format::Powershell, Format::Cmd, Format::Unattend] {
        let text = render(&host(), format, false).unwrap();
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "{format:?}");
    }
    for setup in [host(), domain()] {
        assert!(render(&setup, Format::Text, false).unwrap().contains("refuse the lab's answers"));
    }
}

#[test]
fn what_windows_has_no_means_for_is_refused() {
    for format in [Format::Reg, Format::Cmd] {
        assert!(matches!(render(&domain(), format, false), Err(Impossible::DomainInRegistry(_))));
    }
    let address = Setup::Host("[::1]:1688".parse().unwrap());
    for format in Format::value_variants() {
        assert!(matches!(render(&address, *format, false), Err(Impossible::Ipv6(_))));
    }
}
