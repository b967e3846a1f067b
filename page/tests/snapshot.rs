//! A small page, whole.

use kms_page::plot::Bar;
use kms_page::{
    Axis, Bars, Bin, Cell, Column, Footer, KeyFigure, Matrix, Page, Plot, Section, Series, Step,
    Strip, Table, Tone,
};

#[test]
fn a_small_page_is_as_it_was() {
    let html = small_page().render();
    let (head, from) = html.split_once("<style>").unwrap_or_default();
    let (_, body) = from.split_once("</style>").unwrap_or_default();
    let lines = format!("{head}{body}").replace("><", ">\n<");
    insta::assert_snapshot!(lines);
}

fn small_page() -> Page {
    let mut table = Table::new([Column::text("host"), Column::number("count")]);
    table.row(["kms1.corp.test".into(), 26.into()]);
    table.row([Cell::new("kms2.corp.test"), Cell::from(None::<u32>)]);
    let mut matrix = Matrix::new("site", ["dns", "tcp"]);
    matrix.row("Bern", [Cell::new("ok").tone(Tone::Ok), Cell::new("timeout").tone(Tone::Critical)]);
    let strip = Strip::new([
        Step::new("dns", "ok", Tone::Ok).note("1.2 ms"),
        Step::new("tcp", "refused", Tone::Critical),
    ]);
    let points = vec![(0.0, 70.0), (1.0, 75.0), (2.0, f64::NAN), (3.0, 71.5)];
    let lines = Plot::lines(
        "Latency over time",
        Axis::new("time", "s"),
        Axis::new("latency", "us"),
        vec![Series::new("bind", points)],
    );
    let bins =
        vec![Bin { from: 0.0, to: 50.0, count: 1.0 }, Bin { from: 50.0, to: 100.0, count: 12.0 }];
    let histogram =
        Plot::histogram("Values", Axis::new("latency", "us"), Axis::new("exchanges", ""), bins);
    let bars = Bars::new("Verdicts", vec![Bar::new("rpc.ok", 1.0, "1").tone(Tone::Ok)]);
    Page {
        title: "KMS check".to_owned(),
        subtitle: "corp.test & <others>".to_owned(),
        figures: vec![KeyFigure::new("healthy", "1 of 2").note("50%").tone(Tone::Warning)],
        sections: vec![
            Section::new("Path").tone(Tone::Critical).with(strip).with(table).with(matrix),
            Section::new("Time").with(lines.rule(80.0, "objective")).with(histogram).with(bars),
        ],
        footer: Footer {
            tool: "kms-probe 0.1.0".to_owned(),
            made: "2026-11-24T10:00:00Z".to_owned(),
            notes: vec!["No script runs in this page.".to_owned()],
        },
    }
}
