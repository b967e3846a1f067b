//! Plots as inline SVG.
//!
//! The SVG holds shapes and ticks; title, axis names and legend are HTML around it, so that they
//! wrap on a narrow screen. Colours are classes of the page's style sheet, so that one picture
//! serves light, dark and paper.

mod axis;
mod bars;
mod draw;
mod file;
mod thin;

use maud::{Markup, Render, html};

pub use self::axis::Axis;
use self::axis::{Frame, Span};
pub use self::bars::{Bar, Bars};
pub use self::file::file;
use crate::Tone;

/// A plot over two axes.
#[derive(Clone, Debug)]
pub struct Plot {
    title: String,
    description: String,
    x: Axis,
    y: Axis,
    kind: Kind,
    rules: Vec<(f64, String)>,
    marks: Vec<(f64, String)>,
}

/// Points with a name.
#[derive(Clone, Debug)]
pub struct Series {
    name: String,
    points: Vec<(f64, f64)>,
    tone: Tone,
}

/// One bar of a histogram: how many values lie from `from` (inclusive) to `to` (exclusive).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Lower edge.
    pub from: f64,
    /// Upper edge.
    pub to: f64,
    /// How many.
    pub count: f64,
}

#[derive(Clone, Debug)]
enum Kind {
    Lines(Vec<Series>),
    Percentiles(Vec<Series>),
    Areas(Vec<Series>),
    Scatter(Vec<Series>),
    Histogram(Vec<Bin>),
}

impl Plot {
    /// Points per series; more are thinned, and smallest and largest values are kept.
    pub const POINTS_MAX: usize = 1_000;
    /// Series; further ones are counted, and the count is shown.
    pub const SERIES_MAX: usize = 16;
    /// Bars of a histogram; of more, neighbours are added up.
    pub const BINS_MAX: usize = 120;
    /// Lines across, and marks along, that are shown.
    pub const RULES_MAX: usize = 20;
    /// Values are drawn as if they lay within this distance from zero.
    pub const VALUE_MAX: f64 = 1e15;

    /// Lines over x, drawn in the order of their points. A point whose y is not finite is a gap.
    #[must_use]
    pub fn lines(title: impl Into<String>, x: Axis, y: Axis, series: Vec<Series>) -> Self {
        Self::new(title.into(), x, y, Kind::Lines(series))
    }

    /// Layers on top of each other, first at the bottom. The first layer's x are everybody's: the
    /// n-th point of each layer belongs to the n-th x, and one that is missing counts zero.
    #[must_use]
    pub fn areas(title: impl Into<String>, x: Axis, y: Axis, layers: Vec<Series>) -> Self {
        Self::new(title.into(), x, y.linear(), Kind::Areas(layers))
    }

    /// Counts of values in bins.
    #[must_use]
    pub fn histogram(title: impl Into<String>, x: Axis, y: Axis, bins: Vec<Bin>) -> Self {
        Self::new(title.into(), x, y.linear(), Kind::Histogram(bins))
    }

    /// Values at percentiles: each point is (percentile from 0 to 100, value). Every further nine
    /// takes the same room, up to six of them.
    #[must_use]
    pub fn percentiles(title: impl Into<String>, y: Axis, series: Vec<Series>) -> Self {
        let x = Axis::new("percentile", "%").nines();
        Self::new(title.into(), x, y, Kind::Percentiles(series))
    }

    /// Single points, such as outliers over time; each shows its numbers when pointed at.
    #[must_use]
    pub fn scatter(title: impl Into<String>, x: Axis, y: Axis, series: Vec<Series>) -> Self {
        Self::new(title.into(), x, y, Kind::Scatter(series))
    }

    fn new(title: String, x: Axis, y: Axis, kind: Kind) -> Self {
        let (rules, marks) = (Vec::new(), Vec::new());
        Self { title, description: String::new(), x, y, kind, rules, marks }
    }

    /// What the plot shows, in a sentence, for those who do not see it. Without one, a sentence is
    /// made from names and ranges.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// A line across at `y`: a threshold, an objective.
    #[must_use]
    pub fn rule(mut self, y: f64, label: impl Into<String>) -> Self {
        if self.rules.len() < Self::RULES_MAX {
            self.rules.push((y, label.into()));
        }
        self
    }

    /// A line upwards at `x`: an event.
    #[must_use]
    pub fn mark(mut self, x: f64, label: impl Into<String>) -> Self {
        if self.marks.len() < Self::RULES_MAX {
            self.marks.push((x, label.into()));
        }
        self
    }

    fn all_series(&self) -> &[Series] {
        match &self.kind {
            Kind::Lines(series)
            | Kind::Percentiles(series)
            | Kind::Areas(series)
            | Kind::Scatter(series) => series,
            Kind::Histogram(_) => &[],
        }
    }

    fn series(&self) -> &[Series] {
        let series = self.all_series();
        series.get(..Self::SERIES_MAX).unwrap_or(series)
    }

    fn frame(&self) -> Frame {
        let (mut xs, mut ys) = match &self.kind {
            Kind::Histogram(bins) => draw::histogram_extent(bins),
            Kind::Areas(layers) => draw::stack_extent(layers),
            Kind::Lines(_) | Kind::Percentiles(_) | Kind::Scatter(_) => {
                draw::points_extent(self.series())
            }
        };
        ys.extend(self.rules.iter().map(|(y, _)| *y));
        xs.extend(self.marks.iter().map(|(x, _)| *x));
        Frame { x: Span::of(&self.x, &xs), y: Span::of(&self.y, &ys).to_ticks() }
    }

    fn spoken(&self, frame: &Frame) -> String {
        if !self.description.is_empty() {
            return self.description.clone();
        }
        let names: Vec<&str> = self.series().iter().map(|series| series.name.as_str()).collect();
        let what = if names.is_empty() { String::new() } else { format!("{}: ", names.join(", ")) };
        format!("{what}{} over {}", frame.y.spoken(&self.y), frame.x.spoken(&self.x))
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let series = self.series();
        let left_out = self.all_series().len() - series.len();
        if left_out > 0 {
            notes.push(format!("{left_out} more series not shown"));
        }
        let most = series.iter().map(|series| series.points.len()).max().unwrap_or(0);
        if most > Self::POINTS_MAX {
            notes.push(format!(
                "{most} points thinned to at most {}; smallest and largest are kept",
                Self::POINTS_MAX
            ));
        }
        if let Kind::Histogram(bins) = &self.kind
            && bins.len() > Self::BINS_MAX
        {
            notes.push(format!("{} bins, neighbours added up", bins.len()));
        }
        if draw::hides_for_logarithm(self) {
            notes.push("values of zero and less have no place on a logarithmic axis".to_owned());
        }
        notes
    }
}

impl Series {
    /// Points (x, y) under a name.
    #[must_use]
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, tone: Tone::Neutral }
    }

    /// A colour with a meaning in place of the next of the palette.
    #[must_use]
    pub const fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    /// The class of the `index`-th series.
    fn class(&self, index: usize) -> String {
        match self.tone {
            Tone::Neutral => format!("s{} d{}", index % COLOURS, index / COLOURS % DASHES),
            tone => format!("{} d0", tone.class()),
        }
    }
}

impl Render for Plot {
    fn render(&self) -> Markup {
        let frame = self.frame();
        html! {
            figure.plot {
                figcaption { (self.title) }
                p.axis { (self.y.name()) }
                svg role="img" viewBox=(Frame::VIEW_BOX) xmlns="http://www.w3.org/2000/svg" {
                    title { (self.title) }
                    desc { (self.spoken(&frame)) }
                    (frame.grid())
                    (draw::shapes(self, &frame))
                    (frame.rules(&self.rules))
                    (frame.marks(&self.marks))
                }
                p.axis.x { (self.x.name()) }
                (self.legend())
                @for note in self.notes() { p.note { (note) } }
            }
        }
    }
}

impl Plot {
    fn legend(&self) -> Markup {
        let filled = matches!(self.kind, Kind::Areas(_) | Kind::Scatter(_));
        html! {
            @if !self.series().is_empty() {
                ul.legend {
                    @for (index, series) in self.series().iter().enumerate() {
                        li {
                            svg.key.(series.class(index)) viewBox="0 0 24 10" aria-hidden="true" {
                                @if filled { rect.area x="2" y="0" width="20" height="10" {} }
                                @else { path.line d="M1 5H23" {} }
                            }
                            (series.name)
                        }
                    }
                }
            }
        }
    }
}

/// Colours and dash patterns that the style sheet has.
const COLOURS: usize = 8;
const DASHES: usize = 2;
