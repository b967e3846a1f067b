//! Whatever text and numbers a page is made of, its structure stays and its pictures are finite.

use kms_page::plot::Bar;
use kms_page::{
    Axis, Bars, Bin, Cell, Column, Details, Footer, KeyFigure, Matrix, Page, Plot, Section, Series,
    Step, Strip, Table, Tone, text,
};
use proptest::prelude::*;

/// A page with `text` in every place that takes text.
fn page_of(text: &str) -> String {
    let t = || text.to_owned();
    let mut table = Table::new([Column::text(t()), Column::number(t())]).caption(t());
    table.row([Cell::new(t()), Cell::new(t()).tone(Tone::Critical), Cell::new(t())]);
    let mut matrix = Matrix::new(t(), [t(), t()]).caption(t());
    matrix.row(t(), [Cell::new(t()).tone(Tone::Ok)]);
    let mut details = Details::new(t());
    details.heading(t());
    details.paragraph(t());
    let axis = || Axis::new(t(), t());
    let series = || vec![Series::new(t(), vec![(0.0, 1.0), (1.0, 2.0)])];
    let plot = Plot::lines(t(), axis(), axis(), series()).rule(1.0, t()).mark(0.5, t());
    let page = Page {
        title: t(),
        subtitle: t(),
        figures: vec![KeyFigure::new(t(), t()).note(t())],
        sections: vec![
            Section::new(t())
                .paragraph(t())
                .with(Strip::new([Step::new(t(), t(), Tone::Ok).note(t())]))
                .with(table)
                .with(Table::of_facts([(t(), t())]))
                .with(matrix)
                .with(details)
                .with(plot.description(t()))
                .with(Plot::areas(t(), axis(), axis(), series()))
                .with(Bars::new(t(), vec![Bar::new(t(), 1.0, t())])),
        ],
        footer: Footer { tool: t(), made: t(), notes: vec![t()] },
    };
    page.render()
}

/// Every plot that there is, over these numbers.
fn plots_of(numbers: &[(f64, f64)]) -> String {
    let series = || vec![Series::new("a", numbers.to_vec()), Series::new("b", numbers.to_vec())];
    let linear = || Axis::new("x", "s");
    let logarithmic = || Axis::new("x", "s").logarithmic();
    let bins = || {
        let edges = numbers.iter().zip(numbers.iter().skip(1));
        edges.map(|(a, b)| Bin { from: a.0, to: b.0, count: a.1 }).collect::<Vec<_>>()
    };
    let bars = numbers.iter().map(|(x, _)| Bar::new("n", *x, "n").tone(Tone::Ok)).collect();
    let mut section = Section::new("plots").with(Bars::new("t", bars));
    for axis in [linear, logarithmic] {
        for plot in [
            Plot::lines("t", axis(), axis(), series()),
            Plot::areas("t", axis(), axis(), series()),
            Plot::percentiles("t", axis(), series()),
            Plot::scatter("t", axis(), axis(), series()),
            Plot::histogram("t", axis(), axis(), bins()),
        ] {
            let (x, y) = numbers.first().copied().unwrap_or_default();
            section.push(plot.rule(y, "r").mark(x, "m"));
        }
    }
    let (title, subtitle) = ("t".to_owned(), String::new());
    Page { title, subtitle, figures: vec![], sections: vec![section], footer: Footer::default() }
        .render()
}

/// The tags of a page, with the names of their attributes and without values.
fn structure(html: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = without_style(html);
    while let Some((_, from)) = rest.split_once('<') {
        let (tag, after) = from.split_once('>').unwrap_or((from, ""));
        let outside_quotes = tag.split('"').step_by(2).collect::<Vec<_>>();
        tags.push(outside_quotes.join("\"\""));
        rest = after.to_owned();
    }
    tags
}

fn without_style(html: &str) -> String {
    let (before, from) = html.split_once("<style>").unwrap_or((html, ""));
    let (_, after) = from.split_once("</style>").unwrap_or(("", from));
    format!("{before}{after}")
}

/// Text that likes to break things, and any other.
fn any_text() -> impl Strategy<Value = String> {
    let hostile = prop::sample::select(vec![
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "</style><b>",
        "]]></svg><svg onload=x>",
        "' onclick='x",
        "<!--",
        "&#60;b&#62;",
        "\u{202e}gpj.exe",
        "\u{1b}[2J\0",
    ]);
    prop_oneof![
        (hostile, ".{0,8}").prop_map(|(hostile, other)| format!("{hostile}{other}")),
        "\\PC{1,24}",
        prop::collection::vec(any::<char>(), 1..24).prop_map(|c| c.into_iter().collect()),
    ]
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        -1000.0..1000.0,
        prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, f64::MAX]),
    ]
}

proptest! {
    #[test]
    fn text_never_changes_the_structure_of_a_page(text in any_text()) {
        let html = page_of(&text);
        prop_assert_eq!(structure(&html), structure(&page_of("x")));
        prop_assert!(!html.chars().any(|c| c != '\n' && text::is_dangerous(c)));
    }

    #[test]
    fn numbers_never_leave_the_picture(
        numbers in prop::collection::vec((any_number(), any_number()), 0..40),
    ) {
        let html = without_style(&plots_of(&numbers));
        prop_assert!(!html.contains("NaN") && !html.replace("info", "").contains("inf"));
        for attribute in ["d", "x", "y", "cx", "cy", "width", "height"] {
            for value in html.split(&format!(" {attribute}=\"")).skip(1) {
                let value = value.split('"').next().unwrap_or_default();
                for number in value.split(|c: char| c.is_ascii_alphabetic() || c == ' ') {
                    let within = number.is_empty()
                        || number.parse().is_ok_and(|n: f64| (0.0..=720.0).contains(&n));
                    prop_assert!(within, "{attribute}: {value}");
                }
            }
        }
    }

    #[test]
    fn no_cell_of_a_sheet_is_a_formula(text in any_text()) {
        let cell = text::formula_free(&text);
        let first = cell.trim_start().chars().next();
        let is_number = cell.parse::<f64>().is_ok_and(f64::is_finite);
        prop_assert!(is_number || !first.is_some_and(|c| "=+-@\t\r".contains(c)), "{cell:?}");
        prop_assert!(!cell.chars().any(text::is_dangerous));
    }
}

#[test]
fn plots_are_bounded_and_say_what_they_leave_out() {
    let many = (0..20_000).map(|n| (f64::from(n), f64::from(n % 89))).collect::<Vec<_>>();
    let series = (0..20).map(|n| Series::new(format!("s{n}"), many.clone())).collect();
    let axis = || Axis::new("x", "");
    let plot = Plot::lines("many", axis(), axis(), series);
    let page = Page {
        title: "t".to_owned(),
        subtitle: String::new(),
        figures: vec![],
        sections: vec![Section::new("s").with(plot)],
        footer: Footer::default(),
    };
    let html = page.render();
    assert!(html.len() < 350_000, "{} bytes", html.len());
    assert!(html.contains("4 more series not shown"));
    assert!(html.contains("20000 points thinned to at most 1000"));
}

#[test]
fn tables_are_bounded_and_say_what_they_leave_out() {
    let mut table = Table::new([Column::number("n")]);
    let mut matrix = Matrix::new("n", (0..Matrix::COLUMNS_MAX + 2).map(|n| n.to_string()));
    for n in 0..Table::ROWS_MAX + 1 {
        table.row([Cell::from(n)]);
        matrix.row(n.to_string(), []);
    }
    let shown = Section::new("s").with(table).with(matrix);
    let html = kms_page::Render::render(&shown).into_string();
    assert!(html.contains("1 more row not shown"));
    assert!(html.contains("15001 more rows not shown"));
    assert!(html.contains("2 more columns not shown"));
}
