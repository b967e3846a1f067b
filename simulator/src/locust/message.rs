//! Messages between a Locust master and its workers: msgpack arrays `[type, data, node id]`.

use std::collections::BTreeMap;

use rmpv::Value;
use thiserror::Error;

use super::report::{Entry, ErrorEntry, Report};

/// What a worker says.
#[derive(Clone, Debug, PartialEq)]
pub enum ToMaster {
    /// Here, and ready for users. Carries -1, with which the master compares no versions.
    ClientReady,
    /// Users are being started or stopped.
    Spawning,
    /// As many users as asked run.
    SpawningComplete(Counts),
    /// Figures since the last report.
    Stats(Report, Counts),
    /// Once a second, whatever happens.
    Heartbeat {
        /// Where the worker is.
        state: WorkerState,
        /// Of this process, in percent of one processor.
        cpu_percent: f64,
        /// Resident, in bytes.
        memory_bytes: u64,
    },
    /// All users are gone.
    ClientStopped,
    /// This worker leaves.
    Quit,
    /// Something that went wrong here, for the page's "Exceptions".
    Exception {
        /// What.
        message: String,
        /// Where.
        traceback: String,
    },
    /// A histogram at full resolution, for the listener that `kms-sim locust-stub` writes.
    Histogram {
        /// Name of the statistics row.
        name: String,
        /// Method of the statistics row.
        method: String,
        /// HdrHistogram V2 with deflate, base64; microseconds.
        encoded: String,
    },
}

/// Users by class.
pub type Counts = BTreeMap<String, u64>;

/// The states that a master understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerState {
    /// Waiting for users.
    Ready,
    /// Starting or stopping some.
    Spawning,
    /// They run.
    Running,
    /// They are being stopped.
    Stopping,
}

/// What a master says, as far as a worker goes by it.
#[derive(Clone, Debug, PartialEq)]
pub enum FromMaster {
    /// The worker is known.
    Ack {
        /// Its number among the workers.
        index: Option<u64>,
    },
    /// So many users of each class are to run here: absolute numbers.
    Spawn {
        /// When it was sent; what is not newer than the last one is out of date.
        timestamp_s: f64,
        /// Users by class.
        counts: Counts,
        /// The master's `--host`, which never widens this worker's own target.
        host: Option<String>,
    },
    /// All users are to stop.
    Stop,
    /// The worker is to leave, with its last figures within half a second.
    Quit,
    /// The connection is to be made anew.
    Reconnect,
    /// The answer to a heartbeat.
    Heartbeat,
    /// Anything else: by type.
    Other(String),
}

/// Why a message of the master's was not understood. It is then logged and left.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadMessage {
    /// It is longer than a master's messages are.
    #[error("{0} bytes, more than {MESSAGE_BYTES_MAX}")]
    TooLong(usize),
    /// It is not msgpack.
    #[error("not msgpack: {0}")]
    NotMsgpack(String),
    /// It is not an array of three with a type.
    #[error("not `[type, data, node id]`")]
    NotAMessage,
    /// Its data lacks a field or has it of another type.
    #[error("`{kind}` without a usable `{field}`")]
    Field {
        /// The message's type.
        kind: &'static str,
        /// The field.
        field: &'static str,
    },
}

impl ToMaster {
    /// The bytes of the one frame, from the worker called `node_id`.
    #[must_use]
    pub fn encode(&self, node_id: &str) -> Vec<u8> {
        let message = Value::Array(vec![self.kind().into(), self.data(), node_id.into()]);
        let mut bytes = Vec::new();
        // Writing to a vector does not fail.
        rmpv::encode::write_value(&mut bytes, &message).ok();
        bytes
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::ClientReady => "client_ready",
            Self::Spawning => "spawning",
            Self::SpawningComplete(_) => "spawning_complete",
            Self::Stats(..) => "stats",
            Self::Heartbeat { .. } => "heartbeat",
            Self::ClientStopped => "client_stopped",
            Self::Quit => "quit",
            Self::Exception { .. } => "exception",
            Self::Histogram { .. } => HISTOGRAM,
        }
    }

    fn data(&self) -> Value {
        match self {
            Self::ClientReady => Value::from(-1),
            Self::Spawning | Self::ClientStopped | Self::Quit => Value::Nil,
            Self::SpawningComplete(counts) => map([
                ("user_classes_count", users(counts)),
                ("user_count", counts.values().sum::<u64>().into()),
            ]),
            Self::Stats(report, counts) => stats(report, counts),
            Self::Heartbeat { state, cpu_percent, memory_bytes } => map([
                ("state", state.name().into()),
                ("current_cpu_usage", finite(*cpu_percent)),
                ("current_memory_usage", (*memory_bytes).into()),
            ]),
            Self::Exception { message, traceback } => {
                map([("msg", message.as_str().into()), ("traceback", traceback.as_str().into())])
            }
            Self::Histogram { name, method, encoded } => map([
                ("name", name.as_str().into()),
                ("method", method.as_str().into()),
                ("histogram", encoded.as_str().into()),
            ]),
        }
    }
}

impl WorkerState {
    const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Spawning => "spawning",
            Self::Running => "running",
            Self::Stopping => "stopping",
        }
    }
}

impl FromMaster {
    /// Reads one frame.
    ///
    /// # Errors
    /// [`BadMessage`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BadMessage> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(BadMessage::TooLong(bytes.len()));
        }
        let value = rmpv::decode::read_value_with_max_depth(&mut &*bytes, DEPTH_MAX)
            .map_err(|error| BadMessage::NotMsgpack(error.to_string()))?;
        let parts = value.as_array().map(Vec::as_slice);
        let Some([kind, data, _]) = parts else { return Err(BadMessage::NotAMessage) };
        Ok(match kind.as_str().ok_or(BadMessage::NotAMessage)? {
            "ack" => Self::Ack { index: field(data, "index").and_then(Value::as_u64) },
            "spawn" => Self::spawn(data)?,
            "stop" => Self::Stop,
            "quit" => Self::Quit,
            "reconnect" => Self::Reconnect,
            "heartbeat" => Self::Heartbeat,
            other => Self::Other(other.to_owned()),
        })
    }

    fn spawn(data: &Value) -> Result<Self, BadMessage> {
        let bad = |field| BadMessage::Field { kind: "spawn", field };
        let timestamp_s = field(data, "timestamp").and_then(Value::as_f64);
        let classes = field(data, "user_classes_count").and_then(Value::as_map);
        let count = |(class, count): &(Value, Value)| {
            let count = count.as_u64().or_else(|| whole(count.as_f64()?))?;
            Some((class.as_str()?.to_owned(), count.min(USERS_MAX)))
        };
        Ok(Self::Spawn {
            timestamp_s: timestamp_s.filter(|s| s.is_finite()).ok_or(bad("timestamp"))?,
            counts: classes
                .and_then(|classes| classes.iter().map(count).collect::<Option<Counts>>())
                .ok_or(bad("user_classes_count"))?,
            host: field(data, "host").and_then(Value::as_str).map(str::to_owned),
        })
    }
}

fn whole(number: f64) -> Option<u64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked here")]
    (number >= 0.0 && number.fract() == 0.0 && number < 1e15).then_some(number as u64)
}

fn field<'a>(data: &'a Value, name: &str) -> Option<&'a Value> {
    data.as_map()?.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value)
}

fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Map(fields.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

fn users(counts: &Counts) -> Value {
    Value::Map(counts.iter().map(|(class, n)| (class.as_str().into(), (*n).into())).collect())
}

/// A number that Python can add up; NaN would poison the master's sums.
fn finite(number: f64) -> Value {
    if number.is_finite() { number.into() } else { Value::from(0.0) }
}

fn stats(report: &Report, counts: &Counts) -> Value {
    let total = Entry::total(&report.entries);
    let errors = report.errors.iter().map(|error| (error.key().into(), failure(error))).collect();
    map([
        ("stats", Value::Array(report.entries.iter().map(entry).collect())),
        ("stats_total", entry(&total)),
        ("errors", Value::Map(errors)),
        ("user_classes_count", users(counts)),
        ("user_count", counts.values().sum::<u64>().into()),
    ])
}

fn entry(entry: &Entry) -> Value {
    let per = |counts: &BTreeMap<u64, u64>| {
        Value::Map(counts.iter().map(|(key, n)| ((*key).into(), (*n).into())).collect())
    };
    let maybe = |number: Option<f64>| number.map_or(Value::Nil, finite);
    map([
        ("name", entry.name.as_str().into()),
        ("method", entry.method.as_str().into()),
        ("last_request_timestamp", maybe(entry.last_request_s)),
        ("start_time", finite(entry.start_s)),
        ("num_requests", entry.requests.into()),
        ("num_none_requests", 0.into()),
        ("num_failures", entry.failures.into()),
        ("total_response_time", finite(entry.total_ms)),
        ("max_response_time", finite(entry.max_ms)),
        ("min_response_time", maybe(entry.min_ms)),
        ("total_content_length", entry.content_bytes.into()),
        ("response_times", per(&entry.response_times)),
        ("num_reqs_per_sec", per(&entry.requests_per_second)),
        ("num_fail_per_sec", per(&entry.failures_per_second)),
    ])
}

fn failure(error: &ErrorEntry) -> Value {
    map([
        ("name", error.name.as_str().into()),
        ("method", error.method.as_str().into()),
        ("error", error.error.as_str().into()),
        ("occurrences", error.occurrences.into()),
        ("first_seen", finite(error.first_seen_s)),
        ("last_seen", finite(error.last_seen_s)),
    ])
}

/// Type of the message that carries a full-resolution histogram.
pub const HISTOGRAM: &str = "kms_histogram";

/// Longest message that is read: a spawn carries every option of the master, some tens of kilobytes.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// Most users of a class that are taken from a master; the worker's own ceilings come on top.
pub const USERS_MAX: u64 = 1_000_000;

const DEPTH_MAX: usize = 64;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_ready_worker_asks_for_no_comparison_of_versions() {
        let bytes = ToMaster::ClientReady.encode("me");
        let value = rmpv::decode::read_value(&mut bytes.as_slice()).unwrap();
        assert_eq!(value, Value::Array(vec!["client_ready".into(), (-1).into(), "me".into()]));
    }

    #[test]
    fn a_spawn_is_read_with_floats_and_with_whatever_else_it_carries() {
        let data = map([
            ("timestamp", 12.5.into()),
            ("user_classes_count", map([("A", 3.into()), ("B", 0.0.into())])),
            ("host", Value::Nil),
            ("parsed_options", map([("users", 3.into())])),
        ]);
        let counts = Counts::from([("A".to_owned(), 3), ("B".to_owned(), 0)]);
        assert_eq!(
            FromMaster::decode(&bytes("spawn", data)),
            Ok(FromMaster::Spawn { timestamp_s: 12.5, counts, host: None })
        );
    }

    #[test]
    fn what_a_spawn_lacks_is_named() {
        for (data, field) in [
            (map([]), "timestamp"),
            (map([("timestamp", f64::NAN.into())]), "timestamp"),
            (map([("timestamp", 1.0.into())]), "user_classes_count"),
            (
                map([("timestamp", 1.0.into()), ("user_classes_count", map([("A", (-1).into())]))]),
                "user_classes_count",
            ),
        ] {
            let expected = BadMessage::Field { kind: "spawn", field };
            assert_eq!(FromMaster::decode(&bytes("spawn", data)), Err(expected));
        }
    }

    #[test]
    fn a_message_over_the_limit_is_not_read() {
        let long = vec![0; MESSAGE_BYTES_MAX + 1];
        assert_eq!(FromMaster::decode(&long), Err(BadMessage::TooLong(long.len())));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            FromMaster::decode(&bytes).ok();
        }

        /// Every number that can be put into a heartbeat arrives as a finite one.
        #[test]
        fn a_heartbeat_is_always_three_parts_with_numbers(cpu_percent: f64, memory_bytes: u64) {
            let message = ToMaster::Heartbeat { state: WorkerState::Running, cpu_percent, memory_bytes };
            let bytes = message.encode("me");
            let value = rmpv::decode::read_value(&mut bytes.as_slice()).unwrap();
            let parts = value.as_array().unwrap();
            prop_assert_eq!(parts.len(), 3);
            let data = parts.get(1).unwrap();
            prop_assert!(field(data, "current_cpu_usage").unwrap().as_f64().unwrap().is_finite());
            prop_assert_eq!(field(data, "state").unwrap().as_str(), Some("running"));
        }
    }

    fn bytes(kind: &str, data: Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        let message = Value::Array(vec![kind.into(), data, Value::Nil]);
        rmpv::encode::write_value(&mut bytes, &message).unwrap();
        bytes
    }
}
