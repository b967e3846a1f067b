//! From values to places: ranges, ticks and their labels.

use maud::{Markup, html};

use super::Plot;

/// What an axis measures.
#[derive(Clone, Debug)]
pub struct Axis {
    label: String,
    unit: String,
    scale: Scale,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Linear,
    Logarithmic,
    Nines,
}

/// The range of one axis, on the scale that it is drawn in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    scale: Scale,
    /// `low < high`, both finite, after the scale's function.
    low: f64,
    high: f64,
}

/// Where the plot lies in the picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) x: Span,
    pub(super) y: Span,
}

impl Axis {
    /// A linear axis. `label` is the name of the quantity, `unit` its unit or empty.
    #[must_use]
    pub fn new(label: impl Into<String>, unit: impl Into<String>) -> Self {
        Self { label: label.into(), unit: unit.into(), scale: Scale::Linear }
    }

    /// The same, logarithmic: what is zero or less is not shown.
    #[must_use]
    pub const fn logarithmic(mut self) -> Self {
        self.scale = Scale::Logarithmic;
        self
    }

    pub(super) const fn linear(mut self) -> Self {
        self.scale = Scale::Linear;
        self
    }

    pub(super) const fn nines(mut self) -> Self {
        self.scale = Scale::Nines;
        self
    }

    pub(super) fn is_logarithmic(&self) -> bool {
        self.scale == Scale::Logarithmic
    }

    /// `latency (us)`.
    pub(super) fn name(&self) -> String {
        if self.unit.is_empty() {
            self.label.clone()
        } else {
            format!("{} ({})", self.label, self.unit)
        }
    }
}

impl Span {
    /// The range of `values`.
    pub(super) fn of(axis: &Axis, values: &[f64]) -> Self {
        let scale = axis.scale;
        let placed = || values.iter().filter_map(|value| scale.place(*value));
        let low = placed().fold(f64::INFINITY, f64::min);
        let high = placed().fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let (low, high) = match scale {
            Scale::Linear => widen(low, high),
            Scale::Logarithmic => (low.floor(), high.ceil().max(low.floor() + 1.0)),
            Scale::Nines => (0.0, (high - 1e-6).ceil().max(2.0)),
        };
        Self { scale, low, high }
    }

    /// The range with its ends at ticks and from zero, where that is linear: for the axis of
    /// amounts, whose heights can then be compared.
    pub(super) fn to_ticks(mut self) -> Self {
        if self.scale == Scale::Linear {
            if self.low > 0.0 {
                self.low = 0.0;
            }
            let step = step(self.low, self.high);
            self.low = (self.low / step).floor() * step;
            self.high = (self.high / step).ceil() * step;
        }
        self
    }

    /// How far along `value` lies: 0 at the low end, 1 at the high end.
    pub(super) fn share(&self, value: f64) -> Option<f64> {
        let placed = self.scale.place(value)?;
        Some(((placed - self.low) / (self.high - self.low)).clamp(0.0, 1.0))
    }

    /// Ticks as (share, label).
    fn ticks(&self) -> Vec<(f64, String)> {
        let share = |placed: f64| (placed - self.low) / (self.high - self.low);
        match self.scale {
            Scale::Linear => {
                let step = step(self.low, self.high);
                let first = (self.low / step).ceil();
                let ticks = (0..TICKS_MAX).map(|n| (first + f64::from(n)) * step);
                let ticks = ticks.take_while(|tick| *tick <= self.high + step * 1e-6);
                let largest = self.low.abs().max(self.high.abs());
                ticks.map(|tick| (share(tick), number(tick, step, largest))).collect()
            }
            Scale::Logarithmic => {
                let decades = self.high - self.low;
                let every = (decades / 6.0).ceil().max(1.0);
                let ticks = (0..TICKS_MAX).map(|n| self.low + f64::from(n) * every);
                let ticks = ticks.take_while(|tick| *tick <= self.high + 1e-6);
                ticks.map(|tick| (share(tick), power_of_ten(tick))).collect()
            }
            Scale::Nines => {
                let ticks = NINES.iter().map(|label| (label, label.parse::<f64>().unwrap_or(0.0)));
                let placed = ticks.filter_map(|(label, p)| Some((self.scale.place(p)?, label)));
                let shown = placed.filter(|(placed, _)| *placed <= self.high + 1e-6);
                shown.map(|(placed, label)| (share(placed), (*label).to_owned())).collect()
            }
        }
    }

    /// `latency (us) from 60 to 80`.
    pub(super) fn spoken(&self, axis: &Axis) -> String {
        let ticks = self.ticks();
        match (ticks.first(), ticks.last()) {
            (Some((_, first)), Some((_, last))) => {
                format!("{} from {first} to {last}", axis.name())
            }
            _ => axis.name(),
        }
    }
}

impl Scale {
    /// Where a value lies on the scale; `None` where it has no place.
    fn place(self, value: f64) -> Option<f64> {
        if !value.is_finite() {
            return None;
        }
        let value = value.clamp(-Plot::VALUE_MAX, Plot::VALUE_MAX);
        match self {
            // What is nothing to any reader would still be a range to divide.
            Self::Linear => Some(if value.abs() < VALUE_MIN { 0.0 } else { value }),
            Self::Logarithmic => (value > 0.0).then(|| value.log10().max(LOG_MIN)),
            Self::Nines => {
                let beyond = (100.0 - value.clamp(0.0, 100.0)) / 100.0;
                Some((-beyond.log10()).clamp(0.0, NINES_MAX))
            }
        }
    }
}

/// One value, or several that are too close, get room around them.
fn widen(low: f64, high: f64) -> (f64, f64) {
    let least = low.abs().max(high.abs()) * 1e-9;
    if high - low > least {
        return (low, high);
    }
    match low {
        zero if zero.abs() < f64::MIN_POSITIVE => (0.0, 1.0),
        low => (low - low.abs() / 2.0, high + high.abs() / 2.0),
    }
}

/// 1, 2 or 5 times a power of ten, so that about five of them make the range.
fn step(low: f64, high: f64) -> f64 {
    let raw = ((high - low) / 5.0).max(f64::MIN_POSITIVE * 1e10);
    let power = 10f64.powf(raw.log10().floor());
    let factor = match raw / power {
        small if small <= 1.5 => 1.0,
        small if small <= 3.0 => 2.0,
        small if small <= 7.0 => 5.0,
        _ => 10.0,
    };
    factor * power
}

/// A tick's label; every label of an axis has the same suffix and decimals.
fn number(value: f64, step: f64, largest: f64) -> String {
    let (divisor, suffix) = match largest {
        large if large >= 1e12 => (1e12, "T"),
        large if large >= 1e9 => (1e9, "G"),
        large if large >= 1e6 => (1e6, "M"),
        large if large >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    if step < 1e-6 {
        return format!("{value:.1e}");
    }
    let decimals = (-(step / divisor).log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{:.decimals$}", value / divisor);
    let is_zero = text.trim_start_matches('-').chars().all(|c| matches!(c, '0' | '.'));
    if is_zero { "0".to_owned() } else { format!("{text}{suffix}") }
}

fn power_of_ten(exponent: f64) -> String {
    match exponent.round() as i32 {
        exponent @ 0..4 => format!("{:.0}", 10f64.powi(exponent)),
        exponent @ -3..0 => {
            format!("{:.*}", exponent.unsigned_abs() as usize, 10f64.powi(exponent))
        }
        exponent @ 4..16 => {
            let suffix = ["k", "M", "G", "T", "P"].get((exponent as usize / 3).saturating_sub(1));
            format!("{:.0}{}", 10f64.powi(exponent % 3), suffix.unwrap_or(&""))
        }
        exponent => format!("1e{exponent}"),
    }
}

impl Frame {
    const WIDTH: f64 = 720.0;
    const HEIGHT: f64 = 260.0;
    const LEFT: f64 = 58.0;
    const RIGHT: f64 = 28.0;
    const TOP: f64 = 12.0;
    const BOTTOM: f64 = 30.0;
    pub(super) const VIEW_BOX: &'static str = "0 0 720 260";

    pub(super) fn x(&self, value: f64) -> Option<f64> {
        self.x.share(value).map(Self::across)
    }

    pub(super) fn y(&self, value: f64) -> Option<f64> {
        self.y.share(value).map(Self::up)
    }

    /// The lower edge of the plot.
    pub(super) const fn floor() -> f64 {
        Self::HEIGHT - Self::BOTTOM
    }

    /// The right edge of the plot.
    pub(super) const fn right() -> f64 {
        Self::WIDTH - Self::RIGHT
    }

    fn across(share: f64) -> f64 {
        Self::LEFT + share * (Self::WIDTH - Self::LEFT - Self::RIGHT)
    }

    fn up(share: f64) -> f64 {
        Self::floor() - share * (Self::floor() - Self::TOP)
    }

    /// Grid lines with their labels.
    pub(super) fn grid(&self) -> Markup {
        let right = Self::right();
        html! {
            g.grid aria-hidden="true" {
                @for (share, label) in self.y.ticks() {
                    path d={ "M" (place(Self::LEFT)) " " (place(Self::up(share))) "H" (place(right)) } {}
                    text.end x=(place(Self::LEFT - 8.0)) y=(place(Self::up(share) + 4.0)) { (label) }
                }
                @for (share, label) in self.x.ticks() {
                    path d={ "M" (place(Self::across(share))) " " (place(Self::floor())) "v5" } {}
                    text.middle x=(place(Self::across(share))) y=(place(Self::floor() + 20.0)) { (label) }
                }
            }
        }
    }

    /// Thresholds.
    pub(super) fn rules(&self, rules: &[(f64, String)]) -> Markup {
        let right = Self::right();
        html! {
            @for (y, label) in rules.iter().filter_map(|(y, label)| Some((self.y(*y)?, label))) {
                g.rule {
                    path d={ "M" (place(Self::LEFT)) " " (place(y)) "H" (place(right)) } {}
                    text.end x=(place(right)) y=(place((y - 5.0).max(Self::TOP + 8.0))) { (label) }
                }
            }
        }
    }

    /// Events. The names of those that are close stand below each other; where there is no room left,
    /// the line alone is drawn.
    pub(super) fn marks(&self, marks: &[(f64, String)]) -> Markup {
        let mut ends = [f64::NEG_INFINITY; MARK_ROWS];
        let mut drawn = Vec::new();
        let placed = marks.iter().filter_map(|(x, label)| Some((self.x(*x)?, label)));
        let mut placed: Vec<(f64, &String)> = placed.collect();
        placed.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        for (x, label) in placed {
            let width = label.chars().count() as f64 * MARK_CHARACTER + 8.0;
            let is_left = x > Self::WIDTH * 0.7;
            let (from, to) = if is_left { (x - width, x) } else { (x, x + width) };
            let row = ends.iter().position(|end| *end <= from);
            if let Some(end) = row.and_then(|row| ends.get_mut(row)) {
                *end = to;
            }
            drawn.push((x, is_left, row, label));
        }
        html! {
            @for (x, is_left, row, label) in drawn {
                g.rule {
                    title { (label) }
                    path d={ "M" (place(x)) " " (place(Self::TOP)) "V" (place(Self::floor())) } {}
                    @if let Some(row) = row {
                        @let y = place(Self::TOP + 10.0 + row as f64 * MARK_ROW);
                        @if is_left { text.end x=(place(x - 4.0)) y=(y) { (label) } }
                        @else { text x=(place(x + 4.0)) y=(y) { (label) } }
                    }
                }
            }
        }
    }
}

/// A coordinate in the picture, to a tenth.
pub(super) fn place(coordinate: f64) -> String {
    let rounded = (coordinate * 10.0).round() / 10.0;
    format!("{rounded}")
}

/// Rows of names of events.
const MARK_ROWS: usize = 4;
const MARK_ROW: f64 = 14.0;
/// Mean width of a character of such a name.
const MARK_CHARACTER: f64 = 6.4;
const TICKS_MAX: u32 = 16;
const VALUE_MIN: f64 = 1e-100;
const LOG_MIN: f64 = -15.0;
const NINES_MAX: f64 = 6.0;
const NINES: [&str; 7] = ["0", "90", "99", "99.9", "99.99", "99.999", "99.9999"];

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis, values: &[f64]) -> Vec<String> {
        Span::of(axis, values).ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        let axis = Axis::new("x", "");
        assert_eq!(labels(&axis, &[0.0, 10.0]), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(labels(&axis, &[0.0, 0.5]), ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]);
        assert_eq!(labels(&axis, &[0.0, 50_000.0]), ["0", "10k", "20k", "30k", "40k", "50k"]);
        assert_eq!(labels(&axis, &[-3.0, 3.0]), ["-3", "-2", "-1", "0", "1", "2", "3"]);
    }

    #[test]
    fn logarithmic_ticks_are_powers_of_ten() {
        let axis = Axis::new("x", "").logarithmic();
        assert_eq!(labels(&axis, &[0.02, 900.0]), ["0.01", "0.1", "1", "10", "100", "1000"]);
        assert_eq!(labels(&axis, &[20_000.0, 5e6]), ["10k", "100k", "1M", "10M"]);
    }

    #[test]
    fn percentile_ticks_are_nines() {
        let axis = Axis::new("x", "").nines();
        assert_eq!(labels(&axis, &[0.0, 50.0, 99.9]), ["0", "90", "99", "99.9"]);
    }

    #[test]
    fn names_of_events_that_are_close_stand_below_each_other() {
        let (x, y) = (Axis::new("x", ""), Axis::new("y", ""));
        let frame = Frame { x: Span::of(&x, &[0.0, 100.0]), y: Span::of(&y, &[0.0, 1.0]) };
        let marks: Vec<(f64, String)> =
            (0..6).map(|n| (f64::from(n) / 10.0, format!("event-{n}"))).collect();
        let drawn = frame.marks(&marks).into_string();
        assert_eq!(drawn.matches("<path").count(), 6);
        assert_eq!(drawn.matches("<text").count(), MARK_ROWS, "{drawn}");
        for row in ["y=\"22\"", "y=\"36\"", "y=\"50\"", "y=\"64\""] {
            assert_eq!(drawn.matches(row).count(), 1, "{drawn}");
        }
    }

    #[test]
    fn any_range_has_few_ticks_within_it() {
        let ranges = [
            [0.0, 0.0],
            [5.0, 5.0],
            [1e15, 1e15 + 1.0],
            [f64::NAN, f64::INFINITY],
            [f64::MIN, f64::MAX],
            [1e-300, 2e-300],
        ];
        for axis in [Axis::new("x", ""), Axis::new("x", "").logarithmic()] {
            for range in ranges {
                let ticks = Span::of(&axis, &range).to_ticks().ticks();
                assert!(!ticks.is_empty() && ticks.len() < 13, "{range:?}: {ticks:?}");
                let within = ticks.iter().all(|(share, _)| (-1e-3..=1.001).contains(share));
                assert!(within, "{range:?}: {ticks:?}");
            }
        }
    }
}
