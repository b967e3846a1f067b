//! The host's clock.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use kms_protocol::filetime::FileTime;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::extract::Body;
use super::super::lab::Lab;
use super::super::problem::Problem;
use crate::serve::{Change, Rate, Shift, machine_time};

/// The host's clock now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClockState {
    /// What it shows, RFC 3339 in UTC.
    pub(super) time: String,
    /// The same as a Windows FILETIME (100 ns since 1601), as text.
    filetime: String,
    /// How far it is ahead of the machine's clock, in seconds; negative: behind.
    pub(super) offset_s: f64,
    /// How many seconds it shows for each of the machine's; 0: it stands still.
    pub(super) scale: f64,
}

/// A change: exactly one of the four.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClockChange {
    /// Move it by so many seconds; negative: back. At most 100 years.
    step_s: Option<f64>,
    /// Let it show this time, RFC 3339.
    time: Option<String>,
    /// Let it go so much faster than the machine's, from 0 (frozen) to 1,000,000.
    scale: Option<f64>,
    /// `true`: follow the machine's clock again.
    real: Option<bool>,
}

/// The host's clock, which expiry, the clock rule and time windows of faults go by.
#[utoipa::path(get, path = "/api/v1/clock", tag = "clock",
    responses((status = 200, description = "The clock now", body = ClockState)))]
pub(super) async fn show(State(lab): State<Arc<Lab>>) -> Json<ClockState> {
    Json(ClockState::of(&lab))
}

/// Moves, sets or scales the host's clock; the journal records it.
#[utoipa::path(patch, path = "/api/v1/clock", tag = "clock", request_body = ClockChange,
    responses(
        (status = 200, description = "The clock after the change", body = ClockState),
        (status = 400, description = "Not exactly one change, or one that is out of range",
         body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field that is unknown or of another type", body = Problem,
         content_type = "application/problem+json")))]
pub(super) async fn change(
    State(lab): State<Arc<Lab>>,
    Body(change): Body<ClockChange>,
) -> Result<Json<ClockState>, Problem> {
    for change in change.changes().map_err(Problem::bad_request)? {
        lab.first().change_clock(change);
    }
    Ok(Json(ClockState::of(&lab)))
}

impl ClockState {
    pub(super) fn of(lab: &Lab) -> Self {
        let clock = lab.first().clock().clock();
        let machine = machine_time();
        let shown = clock.at(machine);
        let apart = shown.abs_diff(machine).as_secs_f64();
        #[allow(clippy::cast_precision_loss, reason = "a rate is shown, not computed with")]
        let scale = clock.rate().millionths() as f64 / 1e6;
        Self {
            time: format!("{}Z", shown.to_string().replace(' ', "T")),
            filetime: shown.ticks().to_string(),
            offset_s: if shown < machine { -apart } else { apart },
            scale,
        }
    }
}

impl ClockChange {
    fn changes(&self) -> Result<Vec<Change>, String> {
        match (self.step_s, &self.time, self.scale, self.real) {
            (Some(step_s), None, None, None) => {
                if !(-STEP_MAX_S..=STEP_MAX_S).contains(&step_s) {
                    return Err("`step_s` is more than 100 years".to_owned());
                }
                let by = Duration::from_secs_f64(step_s.abs());
                let shift = if step_s < 0.0 { Shift::Back(by) } else { Shift::Forward(by) };
                Ok(vec![Change::Step(shift)])
            }
            (None, Some(time), None, None) => {
                let time = time.parse::<Timestamp>().ok().and_then(file_time);
                let time = time.ok_or("`time` is not RFC 3339, such as `2026-11-24T08:00:00Z`")?;
                Ok(vec![Change::Set(time)])
            }
            (None, None, Some(scale), None) => {
                if !(0.0..=SCALE_MAX).contains(&scale) {
                    return Err(format!("`scale` is not from 0 to {SCALE_MAX}"));
                }
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "checked just above"
                )]
                let millionths = (scale * 1e6).round() as u64;
                if millionths == 0 && scale > 0.0 {
                    return Err("`scale` is less than 0.000001: 0 stands still".to_owned());
                }
                let rate = Rate::from_millionths(millionths).map_err(|bad| bad.to_string())?;
                Ok(vec![Change::Rate(rate)])
            }
            (None, None, None, Some(true)) => {
                Ok(vec![Change::Rate(Rate::REAL), Change::Set(machine_time())])
            }
            _ => Err("exactly one of `step_s`, `time`, `scale` and `\"real\": true` is wanted"
                .to_owned()),
        }
    }
}

fn file_time(time: Timestamp) -> Option<FileTime> {
    FileTime::from_unix(time.as_second(), u32::try_from(time.subsec_nanosecond()).ok()?)
}

const STEP_MAX_S: f64 = 100.0 * 365.25 * 86_400.0;
const SCALE_MAX: f64 = 1_000_000.0;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn changes(json: &str) -> Result<Vec<Change>, String> {
        serde_json::from_str::<ClockChange>(json).unwrap().changes()
    }

    #[test]
    fn exactly_one_change_is_taken() {
        let day = Duration::from_secs(86_400);
        assert_eq!(changes(r#"{"step_s": 86400}"#), Ok(vec![Change::Step(Shift::Forward(day))]));
        assert_eq!(changes(r#"{"step_s": -86400}"#), Ok(vec![Change::Step(Shift::Back(day))]));
        assert_eq!(changes(r#"{"scale": 0}"#), Ok(vec![Change::Rate(Rate::FROZEN)]));
        assert!(changes(r#"{"time": "2026-11-24T08:00:00Z"}"#).is_ok());
        assert_eq!(changes(r#"{"real": true}"#).unwrap().len(), 2);
        for bad in [
            "{}",
            r#"{"real": false}"#,
            r#"{"step_s": 1, "scale": 1}"#,
            r#"{"step_s": 1e300}"#,
            r#"{"scale": -1}"#,
            r#"{"scale": 1e-9}"#,
            r#"{"scale": 1000001}"#,
            r#"{"time": "tomorrow"}"#,
            r#"{"time": "1500-01-01T00:00:00Z"}"#,
        ] {
            assert!(changes(bad).is_err(), "{bad}");
        }
    }
}
