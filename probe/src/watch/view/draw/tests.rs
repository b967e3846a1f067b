#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::super::model::{Change, Check};
use super::*;

fn model() -> Model {
    let check = |look, second: u64, verdict: &str| Check {
        look,
        at: format!("2026-11-24T20:00:{second:02}Z"),
        verdict: verdict.to_owned(),
        elapsed_us: 1_000 + second * 100,
    };
    let up = Row {
        name: "kms1".to_owned(),
        target: "192.0.2.1:1688".to_owned(),
        look: Look::Up,
        verdict: "rpc.ok".to_owned(),
        since: "2026-11-24T20:00:01Z".to_owned(),
        checks: (0..8).map(|second| check(Look::Up, second, "rpc.ok")).collect(),
        ..Row::default()
    };
    let down = Row {
        name: "kms2".to_owned(),
        target: "kms2".to_owned(),
        look: Look::Down,
        verdict: "tcp.refused".to_owned(),
        since: "2026-11-24T20:00:06Z".to_owned(),
        cause: "Port 1688 is closed.".to_owned(),
        remedy: "Start the service.".to_owned(),
        checks: vec![
            check(Look::Up, 5, "rpc.ok"),
            check(Look::Degraded, 6, "kms.count_low"),
            check(Look::Down, 7, "tcp.refused"),
        ],
        changes: vec![Change {
            look: Look::Down,
            at: "2026-11-24T20:00:06Z".to_owned(),
            verdict: "tcp.refused".to_owned(),
        }],
        attempts: vec!["restart, attempt 1: exit 0, helped".to_owned()],
        ..Row::default()
    };
    let mut model = Model { rows: vec![up, down], waiting: 3, ..Model::default() };
    model.note("kms2 is down".to_owned());
    model
}

/// The screen as lines of text.
fn screen(model: &Model, row: usize, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, model, Cursor { row }, true)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| -> String {
        (0..width).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>()
    };
    (0..height).map(|y| line(y).trim_end().to_owned()).collect()
}

#[test]
fn every_target_has_a_row_with_its_checks_and_times() {
    let screen = screen(&model(), 0, 100, 30);
    assert_eq!(screen[0], "kms-probe watch  1 down  1 up  3 alerts wait");
    assert!(screen[1].starts_with("target"), "{screen:#?}");
    for part in ["kms1", "up", "rpc.ok", "2026-11-24T20:00:01Z", "········", "▁▂▃▄▅▆▇█"]
    {
        assert!(screen[2].contains(part), "no {part} in {screen:#?}");
    }
    for part in ["kms2", "DOWN", "tcp.refused", "·wX"] {
        assert!(screen[3].contains(part), "no {part} in {screen:#?}");
    }
    assert!(screen.iter().any(|line| line.contains("kms2 is down")), "{screen:#?}");
    assert!(screen.last().unwrap().starts_with("q ends"));
}

#[test]
fn the_chosen_row_is_shown_in_detail() {
    let text = screen(&model(), 1, 100, 30).join("\n");
    for part in [
        "Port 1688 is closed.",
        "Start the service.",
        "restart, attempt 1: exit 0, helped",
        "2026-11-24T20:00:06Z  DOWN  tcp.refused",
        "2026-11-24T20:00:07Z  tcp.refused  1.7 ms",
    ] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    assert!(!screen(&model(), 0, 100, 30).join("\n").contains("Port 1688"));
}

#[test]
fn a_flapping_target_says_so_and_sources_have_a_column_where_there_are_some() {
    let mut model = model();
    model.rows[1].flapping = true;
    model.rows[1].source = "192.0.2.77".to_owned();
    let screen = screen(&model, 0, 120, 30);
    assert!(screen[1].contains("from"), "{screen:#?}");
    assert!(screen[3].contains("flapping") && screen[3].contains("192.0.2.77"), "{screen:#?}");
}

#[test]
fn any_size_is_drawn_and_the_chosen_row_of_many_is_in_sight() {
    let mut model = model();
    let row = model.rows[1].clone();
    model.rows = (0..200).map(|n| Row { name: format!("kms{n}"), ..row.clone() }).collect();
    for (width, height) in [(1, 1), (10, 3), (40, 10), (80, 24), (300, 100)] {
        let screen = screen(&model, 150, width, height);
        assert_eq!(screen.len(), usize::from(height));
        if height >= 24 {
            assert!(screen.iter().any(|line| line.contains("kms150 ")), "{screen:#?}");
        }
    }
    screen(&Model::default(), 0, 80, 24);
}

#[test]
fn hostile_text_is_escaped_and_without_colour_there_is_none() {
    let mut model = model();
    model.rows[0].cause = "\u{1b}[2J\u{202e}evil".to_owned();
    let text = screen(&model, 0, 100, 30).join("\n");
    assert!(text.contains("\\u{1b}[2J\\u{202e}evil"), "{text}");
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    terminal.draw(|frame| draw(frame, &model, Cursor::default(), false)).unwrap();
    let cells = terminal.backend().buffer().content();
    assert!(cells.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
}
