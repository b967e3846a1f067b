//! Tables of text and numbers.

use std::borrow::Cow;

use maud::{Markup, Render, html};

use super::Tone;

/// A table with a heading for each column.
#[derive(Clone, Debug, Default)]
pub struct Table {
    caption: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    rows_left_out: usize,
}

/// A column: its heading, and how its cells are set.
#[derive(Clone, Debug)]
pub struct Column {
    heading: String,
    class: &'static str,
}

/// What stands in one place of a table.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Table {
    /// Rows that are shown; further ones are counted, and the count is shown.
    pub const ROWS_MAX: usize = 20_000;

    /// An empty table.
    #[must_use]
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), ..Self::default() }
    }

    /// Names and values, without headings.
    #[must_use]
    pub fn of_facts(
        facts: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        let mut table = Self::default();
        for (name, value) in facts {
            table.row([Cell::new(name), Cell::new(value)]);
        }
        table
    }

    /// A line above the table.
    #[must_use]
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }

    /// One more row. Cells that are missing are empty; those beyond the columns are shown as text.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        if self.rows.len() < Self::ROWS_MAX {
            self.rows.push(cells.into_iter().collect());
        } else {
            self.rows_left_out += 1;
        }
    }

    /// Whether there is any row.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn class_of(&self, column: usize) -> &'static str {
        match self.columns.get(column) {
            Some(column) => column.class,
            None if self.columns.is_empty() && column == 0 => "name",
            None => "text",
        }
    }

    fn row_markup(&self, cells: &[Cell]) -> Markup {
        let missing = self.columns.len().saturating_sub(cells.len());
        html! {
            tr {
                @for (column, cell) in cells.iter().enumerate() {
                    td.(self.class_of(column)) {
                        @if cell.tone == Tone::Neutral { (cell.text) }
                        @else { span.tag.(cell.tone.class()) { (cell.text) } }
                    }
                }
                @for _ in 0..missing { td {} }
            }
        }
    }
}

impl Render for Table {
    fn render(&self) -> Markup {
        html! {
            div.scroll {
                table {
                    @if !self.caption.is_empty() { caption { (self.caption) } }
                    @if !self.columns.is_empty() {
                        thead {
                            tr {
                                @for column in &self.columns {
                                    th.(column.class) scope="col" { (column.heading) }
                                }
                            }
                        }
                    }
                    tbody { @for row in &self.rows { (self.row_markup(row)) } }
                }
            }
            (left_out(self.rows_left_out, "row"))
        }
    }
}

/// Says that something was not shown.
pub(crate) fn left_out(count: usize, what: &str) -> Markup {
    let ending = if count == 1 { "" } else { "s" };
    html! {
        @if count > 0 { p.note { (count) " more " (what) (ending) " not shown" } }
    }
}

impl Column {
    /// A column of text.
    #[must_use]
    pub fn text(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), class: "text" }
    }

    /// A column of numbers: to the right, digits below digits.
    #[must_use]
    pub fn number(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), class: "number" }
    }

    /// A column of codes and addresses, in a typewriter face.
    #[must_use]
    pub fn code(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), class: "code" }
    }
}

impl Cell {
    /// A cell with text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Neutral }
    }

    /// The same on a colour.
    #[must_use]
    pub const fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) const fn tone_of(&self) -> Tone {
        self.tone
    }
}

macro_rules! cell_from {
    ($($kind:ty),*) => {
        $(impl From<$kind> for Cell {
            fn from(value: $kind) -> Self {
                Self::new(value.to_string())
            }
        })*
    };
}

cell_from!(&str, &String, Cow<'_, str>, u16, u32, u64, usize, i32, i64);

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    /// What is not known is an empty cell.
    fn from(value: Option<T>) -> Self {
        value.map_or_else(Self::default, Into::into)
    }
}
