//! The chosen row, and what keys do to it.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// Which row is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Its index.
    pub row: usize,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The end.
    Quit,
    /// The row above.
    Up,
    /// The row below.
    Down,
    /// A screenful above.
    PageUp,
    /// A screenful below.
    PageDown,
    /// The first row.
    First,
    /// The last row.
    Last,
    /// The next row that does not look well.
    NextBad,
    /// Nothing.
    Other,
}

impl Key {
    /// What `event` is for.
    #[must_use]
    pub const fn of(event: &KeyEvent) -> Self {
        if matches!(event.kind, KeyEventKind::Release) {
            return Self::Other;
        }
        match event.code {
            // Raw mode keeps the terminal from making a signal of it.
            KeyCode::Char('c') if event.modifiers.contains(KeyModifiers::CONTROL) => Self::Quit,
            KeyCode::Char('q') | KeyCode::Esc => Self::Quit,
            KeyCode::Up | KeyCode::Char('k') => Self::Up,
            KeyCode::Down | KeyCode::Char('j') => Self::Down,
            KeyCode::PageUp => Self::PageUp,
            KeyCode::PageDown => Self::PageDown,
            KeyCode::Home | KeyCode::Char('g') => Self::First,
            KeyCode::End | KeyCode::Char('G') => Self::Last,
            KeyCode::Char('n') => Self::NextBad,
            _ => Self::Other,
        }
    }
}

impl Cursor {
    /// Moves by a key. `is_bad` says of each row whether it does not look well.
    pub fn press(&mut self, key: Key, is_bad: &[bool]) {
        let last = is_bad.len().saturating_sub(1);
        self.row = match key {
            Key::Up => self.row.saturating_sub(1),
            Key::Down => self.row.saturating_add(1),
            Key::PageUp => self.row.saturating_sub(PAGE),
            Key::PageDown => self.row.saturating_add(PAGE),
            Key::First => 0,
            Key::Last => last,
            Key::NextBad => {
                let after = is_bad.iter().enumerate().cycle().skip(self.row + 1).take(is_bad.len());
                let mut bad = after.filter(|(_, is_bad)| **is_bad).map(|(row, _)| row);
                bad.next().unwrap_or(self.row)
            }
            Key::Quit | Key::Other => self.row,
        }
        .min(last);
    }
}

const PAGE: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn press(from: usize, key: Key, is_bad: &[bool]) -> usize {
        let mut cursor = Cursor { row: from };
        cursor.press(key, is_bad);
        cursor.row
    }

    #[test]
    fn the_cursor_stays_among_the_rows() {
        let rows = [false; 3];
        assert_eq!(press(0, Key::Up, &rows), 0);
        assert_eq!(press(0, Key::Down, &rows), 1);
        assert_eq!(press(2, Key::Down, &rows), 2);
        assert_eq!(press(0, Key::PageDown, &rows), 2);
        assert_eq!(press(2, Key::First, &rows), 0);
        assert_eq!(press(0, Key::Last, &rows), 2);
        assert_eq!(press(9, Key::Other, &rows), 2, "rows may have gone");
        assert_eq!(press(5, Key::Last, &[]), 0);
    }

    #[test]
    fn the_next_bad_row_is_found_around_the_end() {
        assert_eq!(press(0, Key::NextBad, &[false, false, true]), 2);
        assert_eq!(press(2, Key::NextBad, &[true, false, true]), 0);
        assert_eq!(press(1, Key::NextBad, &[false, false, false]), 1);
    }

    #[test]
    fn keys_have_their_usual_meaning() {
        let key = |code, modifiers| Key::of(&KeyEvent::new(code, modifiers));
        assert_eq!(key(KeyCode::Char('q'), KeyModifiers::NONE), Key::Quit);
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Key::Quit);
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::NONE), Key::Other);
        assert_eq!(key(KeyCode::Char('j'), KeyModifiers::NONE), Key::Down);
    }
}
