//! Named amounts beside each other.

use maud::{Markup, Render, html};

use super::axis::place;
use crate::Tone;
use crate::html::left_out;

/// Horizontal bars with names, such as counts by verdict or times by stage.
#[derive(Clone, Debug)]
pub struct Bars {
    title: String,
    bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug)]
pub struct Bar {
    label: String,
    amount: f64,
    shown: String,
    tone: Tone,
}

impl Bars {
    /// Bars that are shown; further ones are counted, and the count is shown.
    pub const BARS_MAX: usize = 100;

    /// Bars in this order, on a common scale from zero.
    #[must_use]
    pub fn new(title: impl Into<String>, bars: Vec<Bar>) -> Self {
        Self { title: title.into(), bars }
    }
}

impl Bar {
    /// A bar for `amount`, which is written as `shown` (with its unit). What is below zero or not
    /// finite has no length.
    #[must_use]
    pub fn new(label: impl Into<String>, amount: f64, shown: impl Into<String>) -> Self {
        Self { label: label.into(), amount, shown: shown.into(), tone: Tone::Neutral }
    }

    /// A colour with a meaning.
    #[must_use]
    pub const fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    fn length(&self) -> f64 {
        if self.amount.is_finite() { self.amount.max(0.0) } else { 0.0 }
    }
}

impl Render for Bars {
    fn render(&self) -> Markup {
        let bars = self.bars.get(..Self::BARS_MAX).unwrap_or(&self.bars);
        let longest = bars.iter().map(Bar::length).fold(f64::MIN_POSITIVE, f64::max);
        html! {
            figure.bars {
                @if !self.title.is_empty() { figcaption { (self.title) } }
                table {
                    @for bar in bars {
                        tr {
                            th scope="row" { (bar.label) }
                            td.number { (bar.shown) }
                            td.bar {
                                svg.(bar.tone.class()) viewBox="0 0 100 10"
                                    preserveAspectRatio="none" aria-hidden="true" {
                                    rect.back width="100" height="10" {}
                                    rect width=(place(bar.length() / longest * 100.0)) height="10" {}
                                }
                            }
                        }
                    }
                }
            }
            (left_out(self.bars.len() - bars.len(), "bar"))
        }
    }
}
