//! What the call of an operation that does not exist means.

use std::time::Duration;

use super::Endpoint;
use super::words::{broken_values, count, duration, fault};
use crate::stage::call::CallFacts;
use crate::stage::channel::BrokenHow;
use crate::verdict::Verdict;
use crate::verdict::table::rpc as table;

/// Judges the call at `endpoint`.
#[must_use]
pub fn rpc(endpoint: &Endpoint, facts: &CallFacts) -> Verdict {
    let mut values = endpoint.values();
    values.push(("timeout", duration(Duration::from_millis(facts.timeout_ms))));
    let row = match facts {
        CallFacts { fault: Some(answered), .. } if answered.is_op_range_error() => &table::OK,
        CallFacts { fault: Some(answered), .. } => {
            values.push(("fault", fault(answered)));
            &table::FAULT
        }
        CallFacts { response_bytes: Some(bytes), .. } => {
            let bytes = count(*bytes as u64, "byte", "bytes");
            values.push(("result_bytes", format!("{bytes} of results")));
            &table::EXECUTED
        }
        CallFacts { broken: Some(broken), .. } => {
            values.extend(broken_values(broken));
            match broken.how {
                BrokenHow::TimedOut => &table::TIMEOUT,
                BrokenHow::Closed => &table::CLOSED,
                BrokenHow::Reset => &table::RESET,
                BrokenHow::NotRpc | BrokenHow::CallIdMismatch | BrokenHow::Malformed => {
                    &table::MALFORMED
                }
            }
        }
        CallFacts { .. } => &table::TIMEOUT,
    };
    Verdict::of(row, &values)
}
