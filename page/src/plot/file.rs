//! Plots as one SVG file of its own, for pages of documentation that load pictures.
//!
//! It carries its colours with it and follows the reader's choice of light or dark. Title, axis names
//! and legend are text in the picture, since there is no page around it.

use maud::{Markup, PreEscaped, html};

use super::axis::{Frame, place};
use super::{Kind, Plot, draw};
use crate::text;

/// `plots` below each other in one SVG file. `title` and `description` are for those who do not see it.
#[must_use]
pub fn file(title: &str, description: &str, plots: &[Plot]) -> String {
    let mut top = 0.0;
    let panels: Vec<Markup> = plots
        .iter()
        .map(|plot| {
            let (panel, height) = panel(plot);
            let moved = html! { g transform={ "translate(0 " (place(top)) ")" } { (panel) } };
            top += height;
            moved
        })
        .collect();
    let view_box = format!("0 0 {WIDTH} {top}");
    let picture = html! {
        svg role="img" viewBox=(view_box) xmlns="http://www.w3.org/2000/svg"
            aria-labelledby="title description" {
            title id="title" { (title) }
            desc id="description" { (description) }
            style { (PreEscaped(STYLE)) }
            rect.back width=(WIDTH) height=(top) rx="8" {}
            @for panel in &panels { (panel) }
        }
    };
    text::escape_page(&picture.into_string().replace("><", ">\n<")).into_owned() + "\n"
}

/// One plot with its texts, and how high it is.
fn panel(plot: &Plot) -> (Markup, f64) {
    let frame = plot.frame();
    let (legend, rows) = legend(plot);
    let legend_top = HEAD + Frame::floor() + 52.0;
    let panel = html! {
        text.title x="14" y="24" { (plot.title) }
        text.axis x="14" y="42" { (plot.y.name()) }
        g transform={ "translate(0 " (place(HEAD)) ")" } {
            (frame.grid())
            (draw::shapes(plot, &frame))
            (frame.rules(&plot.rules))
            (frame.marks(&plot.marks))
            text.axis.end x=(place(Frame::right())) y=(place(Frame::floor() + 34.0)) { (plot.x.name()) }
        }
        g transform={ "translate(0 " (place(legend_top)) ")" } { (legend) }
    };
    (panel, legend_top + f64::from(rows) * LEGEND_ROW)
}

/// Keys and names of the series in rows, and how many rows there are.
fn legend(plot: &Plot) -> (Markup, u32) {
    let filled = matches!(plot.kind, Kind::Areas(_) | Kind::Scatter(_));
    let (mut x, mut row) = (LEGEND_LEFT, 0_u32);
    let mut entries = Vec::new();
    for (index, series) in plot.series().iter().enumerate() {
        let width = 40.0 + series.name.chars().count() as f64 * CHARACTER;
        if x + width > WIDTH && x > LEGEND_LEFT {
            (x, row) = (LEGEND_LEFT, row + 1);
        }
        let y = f64::from(row) * LEGEND_ROW;
        entries.push(html! {
            g.(series.class(index)) transform={ "translate(" (place(x)) " " (place(y)) ")" } {
                @if filled { rect.area.(series.class(index)) y="-8" width="18" height="9" {} }
                @else { path.line.(series.class(index)) d="M0 -4H18" {} }
                text.name x="24" { (series.name) }
            }
        });
        x += width;
    }
    (html! { @for entry in &entries { (entry) } }, if entries.is_empty() { 0 } else { row + 1 })
}

const WIDTH: f64 = 720.0;
/// Room for title and name of the upward axis.
const HEAD: f64 = 46.0;
const LEGEND_LEFT: f64 = 58.0;
const LEGEND_ROW: f64 = 20.0;
/// Mean width of a character of the legend.
const CHARACTER: f64 = 6.6;
const STYLE: &str = include_str!("file.css");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Axis, Series, Tone};

    fn states(name: &str) -> Plot {
        let layers = vec![
            Series::new("licensed", vec![(0.0, 1.0), (1.0, 3.0)]).tone(Tone::Ok),
            Series::new(name, vec![(0.0, 2.0), (1.0, 0.0)]).tone(Tone::Critical),
        ];
        Plot::areas("Clients by state", Axis::new("time", "days"), Axis::new("clients", ""), layers)
    }

    #[test]
    fn a_file_stands_alone_and_says_what_it_shows() {
        let file = file("Two clients", "Both are licensed.", &[states("notification")]);
        for part in [
            "xmlns=\"http://www.w3.org/2000/svg\"",
            "<title id=\"title\">Two clients</title>",
            "<desc id=\"description\">Both are licensed.</desc>",
            "prefers-color-scheme: dark",
            ">time (days)</text>",
            ">notification</text>",
        ] {
            assert!(file.contains(part), "{part}: {file}");
        }
        assert!(!file.contains("href") && !file.contains("<script"));
    }

    #[test]
    fn names_stay_text_and_long_legends_wrap() {
        let hostile = "</text><script>alert(1)</script>\u{202e}";
        let file = file(hostile, hostile, &[states(&hostile.repeat(4))]);
        assert!(!file.contains("<script") && !file.contains('\u{202e}'), "{file}");
        let names = (0..12).map(|n| Series::new(format!("a long name of a host {n}"), vec![]));
        let lines = Plot::lines("l", Axis::new("x", ""), Axis::new("y", ""), names.collect());
        assert!(legend(&lines).1 > 2);
        assert_eq!(legend(&Plot::lines("l", Axis::new("x", ""), Axis::new("y", ""), vec![])).1, 0);
    }
}
