//! Rows by columns, each place with a colour and a word.

use maud::{Markup, Render, html};

use super::Cell;
use super::table::left_out;

/// A heat matrix. A place that was never set is empty.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    caption: String,
    corner: String,
    columns: Vec<String>,
    rows: Vec<(String, Vec<Cell>)>,
    rows_left_out: usize,
    columns_left_out: usize,
}

impl Matrix {
    /// Rows that are shown; further ones are counted, and the count is shown.
    pub const ROWS_MAX: usize = 5_000;
    /// Columns that are shown; further ones are counted, and the count is shown.
    pub const COLUMNS_MAX: usize = 60;

    /// A matrix without rows; `corner` names what its rows are.
    #[must_use]
    pub fn new(
        corner: impl Into<String>,
        columns: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let mut columns: Vec<String> = columns.into_iter().map(Into::into).collect();
        let columns_left_out = columns.len().saturating_sub(Self::COLUMNS_MAX);
        columns.truncate(Self::COLUMNS_MAX);
        Self { corner: corner.into(), columns, columns_left_out, ..Self::default() }
    }

    /// A line above the matrix.
    #[must_use]
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }

    /// One more row: its name, and a cell for each column.
    pub fn row(&mut self, name: impl Into<String>, cells: impl IntoIterator<Item = Cell>) {
        if self.rows.len() < Self::ROWS_MAX {
            self.rows.push((name.into(), cells.into_iter().take(self.columns.len()).collect()));
        } else {
            self.rows_left_out += 1;
        }
    }
}

impl Render for Matrix {
    fn render(&self) -> Markup {
        html! {
            div.scroll {
                table.matrix {
                    @if !self.caption.is_empty() { caption { (self.caption) } }
                    thead {
                        tr {
                            th scope="col" { (self.corner) }
                            @for column in &self.columns { th scope="col" { (column) } }
                        }
                    }
                    tbody {
                        @for (name, cells) in &self.rows {
                            tr {
                                th scope="row" { (name) }
                                @for cell in cells {
                                    td.cell.(cell.tone_of().class())
                                        title={ (name) ": " (cell.text()) } { (cell.text()) }
                                }
                                @for _ in cells.len()..self.columns.len() { td.cell {} }
                            }
                        }
                    }
                }
            }
            (left_out(self.rows_left_out, "row"))
            (left_out(self.columns_left_out, "column"))
        }
    }
}
