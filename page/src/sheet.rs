//! CSV that a spreadsheet may open.

use std::io;

use crate::text::formula_free;

/// Rows of cells, written as CSV (RFC 4180). Cells hold text from elsewhere: nothing in them
/// becomes a formula, a control character or a further row.
#[derive(Debug)]
pub struct Sheet<W: io::Write> {
    writer: csv::Writer<W>,
}

impl<W: io::Write> Sheet<W> {
    /// A sheet that begins with `headings`.
    ///
    /// # Errors
    /// What `out` returns.
    pub fn new<S: AsRef<str>>(out: W, headings: impl IntoIterator<Item = S>) -> io::Result<Self> {
        let mut sheet = Self::append(out);
        sheet.row(headings)?;
        Ok(sheet)
    }

    /// A sheet whose headings are there already: to go on after an interruption.
    pub fn append(out: W) -> Self {
        Self { writer: csv::WriterBuilder::new().flexible(true).from_writer(out) }
    }

    /// One row.
    ///
    /// # Errors
    /// What `out` returns.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) -> io::Result<()> {
        for cell in cells {
            self.writer.write_field(formula_free(cell.as_ref()).as_ref())?;
        }
        Ok(self.writer.write_record(None::<&[u8]>)?)
    }

    /// Passes on what is held back.
    ///
    /// # Errors
    /// What `out` returns.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_and_never_formulas() {
        let mut out = Vec::new();
        let mut sheet = Sheet::new(&mut out, ["site", "host", "us"]).unwrap();
        sheet.row(["a,b", "=cmd|' /C calc'!A0", "-12.5"]).unwrap();
        sheet.row(["say \"x\"", "two\nlines", ""]).unwrap();
        drop(sheet);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "site,host,us\n\"a,b\",'=cmd|' /C calc'!A0,-12.5\n\"say \"\"x\"\"\",two\\u{a}lines,\n"
        );
    }
}
