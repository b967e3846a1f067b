//! Which rows are wanted.

use std::net::IpAddr;

use kms_protocol::guid::Guid;
use kms_protocol::kms::product::{PRODUCTS, Product};
use rusqlite::types::Value;

use super::row::OutcomeKind;
use crate::model::HostName;

/// What rows must be like; what is `None` is not looked at. Events have a time, a host and
/// perhaps an address: with any other condition, or with `requests_only`, they are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The earliest real time, in microseconds since 1970.
    pub from_us: Option<i64>,
    /// The first real time that is too late.
    pub to_us: Option<i64>,
    /// The host that it happened to.
    pub host: Option<HostName>,
    /// The client: an address, or else a part of its name in any case.
    pub client: Option<String>,
    /// Client machine id.
    pub cmid: Option<Guid>,
    /// A part of the product's name in any case, or one of its ids.
    pub product: Option<String>,
    /// How the call ended.
    pub outcome: Option<OutcomeKind>,
    /// The HRESULT that was sent.
    pub hresult: Option<u32>,
    /// Leave events out.
    pub requests_only: bool,
}

/// A condition in SQL with its values, in the order of its question marks.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Filter {
    /// What the table of requests is asked.
    pub(super) fn of_requests(&self) -> Condition {
        let mut condition = self.of_time_and_host();
        match self.client.as_deref().map(|client| (client, client.parse::<IpAddr>())) {
            Some((_, Ok(address))) => condition.add_peer(address),
            Some((name, Err(_))) => {
                condition.add("instr(lower(machine_name), lower(?)) > 0", name.to_owned().into());
            }
            None => {}
        }
        if let Some(cmid) = self.cmid {
            condition.add("cmid = ?", cmid.as_bytes().to_vec().into());
        }
        if let Some(product) = &self.product {
            condition.add_product(product);
        }
        if let Some(outcome) = self.outcome {
            condition.add("outcome = ?", outcome.as_str().to_owned().into());
        }
        if let Some(hresult) = self.hresult {
            condition.add("hresult = ?", i64::from(hresult).into());
        }
        condition
    }

    /// What the table of events is asked; `None` when no event can be wanted.
    pub(super) fn of_events(&self) -> Option<Condition> {
        let of_requests_alone = self.requests_only
            || self.cmid.is_some()
            || self.product.is_some()
            || self.outcome.is_some()
            || self.hresult.is_some();
        let address = self.client.as_deref().map(str::parse::<IpAddr>).transpose().ok()?;
        if of_requests_alone {
            return None;
        }
        let mut condition = self.of_time_and_host();
        if let Some(address) = address {
            condition.add_peer(address);
        }
        Some(condition)
    }

    fn of_time_and_host(&self) -> Condition {
        let mut condition = Condition { sql: "1".to_owned(), values: Vec::new() };
        if let Some(from_us) = self.from_us {
            condition.add("real_time_us >= ?", from_us.into());
        }
        if let Some(to_us) = self.to_us {
            condition.add("real_time_us < ?", to_us.into());
        }
        if let Some(host) = &self.host {
            let sql = "host = (SELECT id FROM host WHERE name = ?)";
            condition.add(sql, host.as_str().to_owned().into());
        }
        condition
    }
}

impl Condition {
    fn add(&mut self, sql: &str, value: Value) {
        self.sql.push_str(" AND ");
        self.sql.push_str(sql);
        self.values.push(value);
    }

    /// Peers are written `192.0.2.1:50000` and `[2001:db8::1]:50000`.
    fn add_peer(&mut self, address: IpAddr) {
        let prefix = match address {
            IpAddr::V4(address) => format!("{address}:"),
            IpAddr::V6(address) => format!("[{address}]:"),
        };
        self.add("instr(peer, ?) = 1", prefix.into());
    }

    /// The same rule as [`super::Exchange::product`]: the edition, or else what the counted id covers.
    fn add_product(&mut self, wanted: &str) {
        let wanted = wanted.to_lowercase();
        let is_meant = |product: &Product| {
            product.name.to_lowercase().contains(&wanted)
                || [product.sku_id, product.kms_id, product.app_id]
                    .iter()
                    .any(|id| id.to_string() == wanted)
        };
        let first_of = |kms_id: Guid| PRODUCTS.iter().find(|product| product.kms_id == kms_id);
        let editions = ids(PRODUCTS.iter().filter(|p| is_meant(p)).map(|p| p.sku_id));
        let known = ids(PRODUCTS.iter().map(|product| product.sku_id));
        let groups = PRODUCTS.iter().map(|product| product.kms_id);
        let groups = ids(groups.filter(|kms_id| first_of(*kms_id).is_some_and(is_meant)));
        self.sql.push_str(&format!(
            " AND (sku_id IN ({editions}) OR (sku_id NOT IN ({known}) AND kms_id IN ({groups})))"
        ));
    }
}

/// Ids of the catalogue as SQL.
fn ids(ids: impl Iterator<Item = Guid>) -> String {
    let hex = |id: Guid| id.to_string().replace('-', "");
    ids.map(|id| format!("x'{}'", hex(id))).collect::<Vec<_>>().join(",")
}
