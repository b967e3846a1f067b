//! The shapes of each kind of plot.

use maud::{Markup, html};

use super::axis::place;
use super::{Bin, Frame, Kind, Plot, Series, thin};

/// The shapes of `plot`.
pub(super) fn shapes(plot: &Plot, frame: &Frame) -> Markup {
    let series = plot.series();
    match &plot.kind {
        Kind::Lines(_) | Kind::Percentiles(_) => html! {
            @for (index, series) in series.iter().enumerate() {
                path.line.(series.class(index)) d=(line(series, frame)) {}
            }
        },
        Kind::Areas(_) => areas(series, frame),
        Kind::Scatter(_) => html! {
            @for (index, series) in series.iter().enumerate() {
                g.dots.(series.class(index)) { (dots(series, frame)) }
            }
        },
        Kind::Histogram(bins) => histogram(bins, frame),
    }
}

/// The values that the axes must hold, x and y.
pub(super) fn points_extent(series: &[Series]) -> (Vec<f64>, Vec<f64>) {
    // A point without one coordinate is not drawn, so it makes no room either.
    let drawn = || {
        let points = series.iter().flat_map(|series| series.points.iter());
        points.filter(|(x, y)| x.is_finite() && y.is_finite())
    };
    (drawn().map(|(x, _)| *x).collect(), drawn().map(|(_, y)| *y).collect())
}

/// The same for layers on top of each other.
pub(super) fn stack_extent(layers: &[Series]) -> (Vec<f64>, Vec<f64>) {
    let xs = layers.first().map_or(&[][..], |first| &first.points);
    let layers = layers.get(..Plot::SERIES_MAX).unwrap_or(layers);
    let mut ys = totals(layers);
    ys.push(0.0);
    (xs.iter().map(|(x, _)| *x).collect(), ys)
}

/// The same for bins.
pub(super) fn histogram_extent(bins: &[Bin]) -> (Vec<f64>, Vec<f64>) {
    let bins = merged(bins);
    let xs = bins.iter().flat_map(|bin| [bin.from, bin.to]).collect();
    (xs, bins.iter().map(|bin| bin.count).chain([0.0]).collect())
}

/// Whether a logarithmic axis leaves something out.
pub(super) fn hides_for_logarithm(plot: &Plot) -> bool {
    let mut points = plot.series().iter().flat_map(|series| series.points.iter());
    points.any(|(x, y)| {
        (plot.x.is_logarithmic() && *x <= 0.0) || (plot.y.is_logarithmic() && *y <= 0.0)
    })
}

/// The points of a series that are drawn.
fn thinned(series: &Series) -> impl Iterator<Item = (f64, f64)> {
    let ys: Vec<f64> = series.points.iter().map(|(_, y)| *y).collect();
    let kept = thin::indices(&ys, Plot::POINTS_MAX);
    kept.into_iter().filter_map(|index| series.points.get(index).copied())
}

fn line(series: &Series, frame: &Frame) -> String {
    let mut path = String::new();
    let mut is_drawing = false;
    for (x, y) in thinned(series) {
        let Some((x, y)) = frame.x(x).zip(frame.y(y)) else {
            is_drawing = false;
            continue;
        };
        // The `h0` makes a point between two gaps a dot.
        let (command, dot) = if is_drawing { ('L', "") } else { ('M', "h0") };
        path.push_str(&format!("{command}{} {}{dot}", place(x), place(y)));
        is_drawing = true;
    }
    path
}

fn dots(series: &Series, frame: &Frame) -> Markup {
    let places = thinned(series).filter_map(|(x, y)| Some((x, y, frame.x(x)?, frame.y(y)?)));
    html! {
        @for (x, y, cx, cy) in places {
            circle cx=(place(cx)) cy=(place(cy)) r="3" { title { (x) ", " (y) } }
        }
    }
}

/// The sum of all layers at each x.
fn totals(layers: &[Series]) -> Vec<f64> {
    let count = layers.first().map_or(0, |first| first.points.len());
    (0..count).map(|index| layers.iter().map(|layer| amount(layer, index)).sum()).collect()
}

/// A layer's own height; what is missing, below zero or not finite counts zero.
fn amount(layer: &Series, index: usize) -> f64 {
    let y = layer.points.get(index).map_or(0.0, |(_, y)| *y);
    if y.is_finite() { y.clamp(0.0, Plot::VALUE_MAX / Plot::SERIES_MAX as f64) } else { 0.0 }
}

fn areas(layers: &[Series], frame: &Frame) -> Markup {
    let xs: Vec<f64> = layers
        .first()
        .map_or_else(Vec::new, |first| first.points.iter().map(|(x, _)| *x).collect());
    let kept: Vec<usize> = thin::indices(&totals(layers), Plot::POINTS_MAX)
        .into_iter()
        .filter(|index| xs.get(*index).is_some_and(|x| frame.x(*x).is_some()))
        .collect();
    let across: Vec<f64> = kept.iter().filter_map(|index| frame.x(*xs.get(*index)?)).collect();
    let mut below = vec![0.0; kept.len()];
    let mut shapes = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let above: Vec<f64> =
            kept.iter().zip(&below).map(|(index, base)| base + amount(layer, *index)).collect();
        shapes.push((layer.class(number), band(&across, &below, &above, frame)));
        below = above;
    }
    html! { @for (class, path) in shapes { path.area.(class) d=(path) {} } }
}

/// The closed shape between two lines.
fn band(across: &[f64], below: &[f64], above: &[f64], frame: &Frame) -> String {
    let up = across.iter().zip(above);
    let back = across.iter().zip(below).rev();
    let mut path = String::new();
    for (number, (x, y)) in up.chain(back).enumerate() {
        let Some(y) = frame.y(*y) else { continue };
        let command = if number == 0 { 'M' } else { 'L' };
        path.push_str(&format!("{command}{} {}", place(*x), place(y)));
    }
    if !path.is_empty() {
        path.push('Z');
    }
    path
}

/// Bins that can be drawn, few enough of them.
fn merged(bins: &[Bin]) -> Vec<Bin> {
    let usable: Vec<Bin> = bins
        .iter()
        .filter(|bin| bin.from.is_finite() && bin.to.is_finite() && bin.count.is_finite())
        .copied()
        .collect();
    let together = usable.len().div_ceil(Plot::BINS_MAX).max(1);
    let merge = |some: &[Bin]| {
        let (first, last) = (some.first()?, some.last()?);
        let count = some.iter().map(|bin| bin.count.clamp(0.0, Plot::VALUE_MAX)).sum();
        Some(Bin { from: first.from, to: last.to, count })
    };
    usable.chunks(together).filter_map(merge).collect()
}

fn histogram(bins: &[Bin], frame: &Frame) -> Markup {
    let bars = merged(bins).into_iter().filter_map(|bin| {
        let (left, right, top) = (frame.x(bin.from)?, frame.x(bin.to)?, frame.y(bin.count)?);
        Some((bin, left, (right - left - 1.0).max(1.0), top))
    });
    html! {
        g.bins.s0 {
            @for (bin, left, width, top) in bars.filter(|(bin, ..)| bin.count > 0.0) {
                rect x=(place(left)) y=(place(top)) width=(place(width))
                    height=(place((Frame::floor() - top).max(1.0))) {
                    title { (bin.from) " to " (bin.to) ": " (bin.count) }
                }
            }
        }
    }
}
