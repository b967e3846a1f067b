//! What a journal belongs to: the rows of a list, and the options that decide what comes of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::input::Row;
use crate::check;

/// Which sweep this is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// How many rows the list has.
    pub rows: usize,
    /// SHA-256 over the rows, in hexadecimal.
    pub rows_sha256: String,
    /// The options, by the name of their flags.
    pub options: BTreeMap<String, String>,
}

impl Binding {
    /// Of a list and the options of its checks.
    #[must_use]
    pub fn of(rows: &[Row], options: &check::Options) -> Self {
        let mut hash = Sha256::new();
        for row in rows {
            let Row { line: _, site, asked, resolvers, depth, repeats_line: _ } = row;
            // The debug form quotes text, so that no two different rows look the same.
            let text = format!("{site:?} {asked:?} {resolvers:?} {depth:?}\n");
            hash.update(text.as_bytes());
        }
        let rows_sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { rows: rows.len(), rows_sha256, options: shown(options) }
    }

    /// In words, the first thing in which `now` differs.
    #[must_use]
    pub fn difference(&self, now: &Self) -> Option<String> {
        if self.rows != now.rows {
            return Some(format!("its list has {} rows, and this one {}", self.rows, now.rows));
        }
        if self.rows_sha256 != now.rows_sha256 {
            return Some("its list has other rows".to_owned());
        }
        let names = self.options.keys().chain(now.options.keys());
        names.into_iter().find_map(|name| {
            let value = |of: &Self| of.options.get(name).cloned().unwrap_or_default();
            let (then, now) = (value(self), value(now));
            (then != now).then(|| format!("{name} was `{then}` there, and is `{now}` now"))
        })
    }
}

fn shown(options: &check::Options) -> BTreeMap<String, String> {
    let kms = &options.kms;
    let resolvers: Vec<_> = options.resolvers.iter().map(ToString::to_string).collect();
    let origin = &options.origin;
    let source = origin.source.map(|source| source.to_string()).unwrap_or_default();
    let interface = origin.interface.map(|name| name.as_str().to_owned()).unwrap_or_default();
    let family = options.family.map_or("any", check::Family::name);
    let times = &options.timeouts;
    let of = |name: &str, value: String| (name.to_owned(), value);
    BTreeMap::from([
        of("--resolver", resolvers.join(" ")),
        of("-4 or -6", family.to_owned()),
        of("--source", source),
        of("--interface", interface),
        of("--dns-timeout", format!("{:?}", times.dns)),
        of("--tcp-timeout", format!("{:?}", times.tcp)),
        of("--bind-timeout", format!("{:?}", times.bind)),
        of("--rpc-timeout", format!("{:?}", times.rpc)),
        of("--kms-timeout", format!("{:?}", times.kms)),
        of("--expect-lab", kms.expect_lab.to_string()),
        of("--kms-version", format!("{:?}", kms.version)),
        of("--product", kms.product.name.to_owned()),
        // Made from the lab key and this machine's identity.
        of("client machine id (--lab-key, or this machine)", kms.cmid.to_string()),
    ])
}
