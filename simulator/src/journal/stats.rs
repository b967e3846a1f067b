//! What a journal comes to: by hour, by product, by refusal, and who asked.

use std::collections::BTreeMap;

use kms_protocol::guid::Guid;
use kms_protocol::kms::product::PRODUCTS;
use rusqlite::params_from_iter;
use serde::Serialize;

use super::error::JournalError;
use super::filter::{Condition, Filter};
use super::reader::Reader;

/// Sums over the requests that a filter wants. Names are fixed for scripts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Requests.
    pub requests: u64,
    /// Requests that were accepted.
    pub accepted: u64,
    /// Distinct client machine ids.
    pub clients: u64,
    /// Distinct client machine ids that a previous id was given for.
    pub clients_with_previous_id: u64,
    /// The first and the last request, RFC 3339; none without requests.
    pub first: Option<String>,
    /// The last request.
    pub last: Option<String>,
    /// Requests by hour of real time, for hours that have any: the last [`HOURS_MAX`].
    pub hours: Vec<Hour>,
    /// Requests and distinct clients by product.
    pub products: Vec<ProductSum>,
    /// Requests that were not accepted, by HRESULT and reason.
    pub refusals: Vec<RefusalSum>,
}

/// One hour of real time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hour {
    /// Its beginning, RFC 3339.
    pub hour: String,
    /// Requests in it.
    pub requests: u64,
    /// Those accepted.
    pub accepted: u64,
}

/// One product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProductSum {
    /// Its name, or "unknown".
    pub product: String,
    /// Requests for it.
    pub requests: u64,
    /// Distinct client machine ids that asked for it; of products that share a name, the sum.
    pub clients: u64,
}

/// One way of being refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusalSum {
    /// How the calls ended.
    pub outcome: String,
    /// What was sent; none for a fault.
    pub hresult: Option<String>,
    /// Why.
    pub reason: String,
    /// How many.
    pub requests: u64,
}

impl Reader {
    /// Sums over the requests that `filter` wants.
    ///
    /// # Errors
    /// A file that is damaged or cannot be read.
    pub fn stats(&self, filter: &Filter) -> Result<Stats, JournalError> {
        let wanted = filter.of_requests();
        let mut stats = self.totals(&wanted)?;
        stats.hours = self.hours(&wanted)?;
        stats.products = self.products(&wanted)?;
        stats.refusals = self.refusals(&wanted)?;
        Ok(stats)
    }

    fn totals(&self, wanted: &Condition) -> Result<Stats, JournalError> {
        let sql = format!(
            "SELECT count(*), count(*) FILTER (WHERE outcome = 'accepted'), count(DISTINCT cmid),
                count(DISTINCT cmid) FILTER (WHERE cmid_previous <> zeroblob(16)),
                {FIRST}, {LAST} FROM request WHERE {}",
            wanted.sql
        );
        self.sql(|connection| {
            connection.query_row(&sql, params_from_iter(&wanted.values), |row| {
                Ok(Stats {
                    requests: row.get::<_, i64>(0)?.cast_unsigned(),
                    accepted: row.get::<_, i64>(1)?.cast_unsigned(),
                    clients: row.get::<_, i64>(2)?.cast_unsigned(),
                    clients_with_previous_id: row.get::<_, i64>(3)?.cast_unsigned(),
                    first: row.get(4)?,
                    last: row.get(5)?,
                    ..Stats::default()
                })
            })
        })
    }

    fn hours(&self, wanted: &Condition) -> Result<Vec<Hour>, JournalError> {
        let sql = format!(
            "SELECT strftime('%Y-%m-%dT%H:00:00Z', real_time_us / 1000000, 'unixepoch') AS hour,
                count(*), count(*) FILTER (WHERE outcome = 'accepted')
             FROM request WHERE {} GROUP BY hour ORDER BY hour DESC LIMIT {HOURS_MAX}",
            wanted.sql
        );
        let mut hours: Vec<Hour> = self.sql(|connection| {
            connection
                .prepare(&sql)?
                .query_map(params_from_iter(&wanted.values), |row| {
                    Ok(Hour {
                        hour: row.get(0)?,
                        requests: row.get::<_, i64>(1)?.cast_unsigned(),
                        accepted: row.get::<_, i64>(2)?.cast_unsigned(),
                    })
                })?
                .collect()
        })?;
        hours.reverse();
        Ok(hours)
    }

    fn products(&self, wanted: &Condition) -> Result<Vec<ProductSum>, JournalError> {
        let sql = format!(
            "SELECT sku_id, kms_id, count(*), count(DISTINCT cmid) FROM request
             WHERE {} AND cmid IS NOT NULL GROUP BY sku_id, kms_id LIMIT {GROUPS_MAX}",
            wanted.sql
        );
        let groups: Vec<(Vec<u8>, Vec<u8>, i64, i64)> = self.sql(|connection| {
            connection
                .prepare(&sql)?
                .query_map(params_from_iter(&wanted.values), |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })?
                .collect()
        })?;
        let mut sums: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for (sku_id, kms_id, requests, clients) in groups {
            let sum = sums.entry(product_name(&sku_id, &kms_id)).or_default();
            sum.0 += requests.cast_unsigned();
            sum.1 += clients.cast_unsigned();
        }
        let sums = sums.into_iter().map(|(product, (requests, clients))| ProductSum {
            product: product.to_owned(),
            requests,
            clients,
        });
        Ok(sums.collect())
    }

    fn refusals(&self, wanted: &Condition) -> Result<Vec<RefusalSum>, JournalError> {
        let sql = format!(
            "SELECT outcome, hresult, coalesce(reason, ''), count(*) AS requests FROM request
             WHERE {} AND outcome <> 'accepted'
             GROUP BY 1, 2, 3 ORDER BY requests DESC, 1, 2, 3 LIMIT {GROUPS_MAX}",
            wanted.sql
        );
        self.sql(|connection| {
            connection
                .prepare(&sql)?
                .query_map(params_from_iter(&wanted.values), |row| {
                    Ok(RefusalSum {
                        outcome: row.get(0)?,
                        hresult: row.get::<_, Option<u32>>(1)?.map(|code| format!("{code:#010X}")),
                        reason: row.get(2)?,
                        requests: row.get::<_, i64>(3)?.cast_unsigned(),
                    })
                })?
                .collect()
        })
    }
}

fn product_name(sku_id: &[u8], kms_id: &[u8]) -> &'static str {
    let is = |id: Guid, bytes: &[u8]| id.as_bytes().as_slice() == bytes;
    let by_edition = PRODUCTS.iter().find(|product| is(product.sku_id, sku_id));
    let by_count = || PRODUCTS.iter().find(|product| is(product.kms_id, kms_id));
    by_edition.or_else(by_count).map_or("unknown", |product| product.name)
}

const FIRST: &str = "strftime('%Y-%m-%dT%H:%M:%SZ', min(real_time_us) / 1000000, 'unixepoch')";
const LAST: &str = "strftime('%Y-%m-%dT%H:%M:%SZ', max(real_time_us) / 1000000, 'unixepoch')";

/// Hours that are told, at most: four weeks.
pub const HOURS_MAX: usize = 672;

/// Products or refusals that are told, at most: ids and reasons come from the network.
const GROUPS_MAX: usize = 1000;
