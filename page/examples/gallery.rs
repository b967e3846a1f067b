//! Every element of a page, to look at: `cargo run -p kms-page --example gallery > gallery.html`.

use std::io::Write as _;

use kms_page::plot::Bar;
use kms_page::{
    Axis, Bars, Bin, Cell, Column, Footer, KeyFigure, Matrix, Page, Plot, Section, Series, Step,
    Strip, Table, Tone,
};

fn main() -> std::io::Result<()> {
    let page = Page {
        title: "Every element of a page".to_owned(),
        subtitle: "made-up numbers".to_owned(),
        figures: vec![
            KeyFigure::new("healthy", "41 of 44").tone(Tone::Warning).note("93.2%"),
            KeyFigure::new("p99", "1.84 ms").note("bind"),
            KeyFigure::new("lost", "3").tone(Tone::Critical),
            KeyFigure::new("hosts", "12").tone(Tone::Ok),
        ],
        sections: vec![path(), tables(), plots()],
        footer: Footer {
            tool: concat!("kms-page ", env!("CARGO_PKG_VERSION")).to_owned(),
            made: "2026-11-24T10:00:00Z".to_owned(),
            notes: vec!["Percentiles are of the nearest rank.".to_owned()],
        },
    };
    std::io::stdout().write_all(page.render().as_bytes())
}

fn path() -> Section {
    let strip = Strip::new([
        Step::new("dns", "ok", Tone::Ok).note("1.2 ms"),
        Step::new("tcp", "ok", Tone::Ok).note("0.4 ms"),
        Step::new("bind", "timeout", Tone::Critical).note("4 s"),
        Step::new("rpc", "not reached", Tone::Neutral),
    ]);
    Section::new("CRITICAL bind.timeout: kms1.corp.test:1688").tone(Tone::Critical).with(strip)
}

fn tables() -> Section {
    let mut table =
        Table::new([Column::text("host"), Column::code("address"), Column::number("count")]);
    table.row(["kms1.corp.test".into(), "192.0.2.10".into(), 26.into()]);
    table.row([
        Cell::new("<script>\u{202e}=cmd"),
        Cell::new("2001:db8::1"),
        Cell::new("3").tone(Tone::Warning),
    ]);
    let mut matrix = Matrix::new("site", ["dns", "tcp", "bind", "rpc"]);
    for site in ["Bern", "Basel", "Zürich"] {
        let cells = [("ok", Tone::Ok), ("timeout", Tone::Critical), ("drifting", Tone::Warning)];
        matrix.row(site, cells.map(|(text, tone)| Cell::new(text).tone(tone)));
    }
    Section::new("Tables").with(table).with(matrix)
}

fn plots() -> Section {
    let wave = |height: f64, phase: f64| -> Vec<(f64, f64)> {
        let x = (0..600).map(f64::from);
        x.map(|x| (x, height * (1.2 + (x / 40.0 + phase).sin()) + f64::from(x as u32 % 7)))
            .collect()
    };
    let series = |count: u32| {
        let one =
            |n: u32| Series::new(format!("host {n}"), wave(20.0 * f64::from(n + 1), f64::from(n)));
        (0..count).map(one).collect::<Vec<_>>()
    };
    let time = || Axis::new("time", "s");
    let latency = || Axis::new("latency", "us");
    let curve = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99].map(|p| (p, 60.0 + p * p / 50.0)).to_vec();
    let outliers = (0..60).map(|n| (f64::from(n * 10), 100.0 * 1.1f64.powi(n))).collect();
    let bins = (0..40).map(|n| {
        let from = f64::from(n) * 5.0;
        let count = (1000.0 * (-((from - 80.0) / 30.0).powi(2)).exp()).round();
        Bin { from, to: from + 5.0, count }
    });
    Section::new("Plots")
        .with(
            Plot::lines("Lines", time(), latency(), series(3))
                .rule(120.0, "objective")
                .mark(300.0, "outage begins"),
        )
        .with(Plot::areas("Stacked areas", time(), Axis::new("clients", ""), series(5)))
        .with(Plot::percentiles("Percentiles", latency(), vec![Series::new("all", curve)]))
        .with(Plot::scatter(
            "Outliers",
            time(),
            latency().logarithmic(),
            vec![Series::new("slow", outliers).tone(Tone::Critical)],
        ))
        .with(Plot::histogram("Histogram", latency(), Axis::new("calls", ""), bins.collect()))
        .with(Bars::new(
            "Verdicts",
            vec![
                Bar::new("rpc.ok", 41.0, "41").tone(Tone::Ok),
                Bar::new("tcp.timeout", 2.0, "2").tone(Tone::Critical),
                Bar::new("dns.split_view", 1.0, "1").tone(Tone::Warning),
            ],
        ))
}
