//! How an event becomes a line.
//!
//! One rule for text that came from outside, in both formats: what a terminal or a log reader would
//! act on (control, format and other unprintable characters) is written as an escape.

use std::fmt::{self, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kms_protocol::filetime::FileTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `TIME LEVEL message key=value...`
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// The formatter given to the log.
pub(super) struct Line {
    format: Format,
}

impl Line {
    pub(super) const fn new(format: Format) -> Self {
        Self { format }
    }
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = event.metadata().level().as_str();
        let time = Timestamp(SystemTime::now());
        match self.format {
            Format::Text => write!(writer, "{time} {level:>5}")?,
            Format::Json => write!(writer, r#"{{"time":"{time}","level":"{level}""#)?,
        }
        let mut fields = Fields { format: self.format, out: &mut writer, result: Ok(()) };
        event.record(&mut fields);
        fields.result?;
        writer.write_str(if self.format == Format::Json { "}\n" } else { "\n" })
    }
}

/// Writes the fields of one event.
struct Fields<'a, 'w> {
    format: Format,
    out: &'a mut Writer<'w>,
    result: fmt::Result,
}

impl Fields<'_, '_> {
    fn put(&mut self, field: &Field, value: Value<'_>) {
        if self.result.is_ok() {
            self.result = self.try_put(field.name(), value);
        }
    }

    fn try_put(&mut self, name: &str, value: Value<'_>) -> fmt::Result {
        match (self.format, value) {
            (Format::Text, Value::Text(text)) if name == "message" => {
                self.out.write_char(' ')?;
                write!(Escape::text(self.out), "{text}")
            }
            (Format::Text, Value::Text(text)) => {
                write!(self.out, " {name}=\"")?;
                write!(Escape::text(self.out), "{text}")?;
                self.out.write_char('"')
            }
            (Format::Text, Value::Bare(value)) => write!(self.out, " {name}={value}"),
            (Format::Json, Value::Text(text)) => {
                write!(self.out, ",\"{name}\":\"")?;
                write!(Escape::json(self.out), "{text}")?;
                self.out.write_char('"')
            }
            (Format::Json, Value::Bare(value)) => write!(self.out, ",\"{name}\":{value}"),
        }
    }
}

/// A value that is written with quotation marks and escapes, or as it is.
#[derive(Clone, Copy)]
enum Value<'a> {
    Text(&'a dyn fmt::Display),
    Bare(&'a dyn fmt::Display),
}

impl Visit for Fields<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::Text(&fmt::from_fn(|f| value.fmt(f))));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::Text(&value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::Bare(&value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::Bare(&value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::Bare(&value));
    }
}

/// Passes text on with everything escaped that a reader would act on.
struct Escape<'a, W> {
    out: &'a mut W,
    json: bool,
}

impl<'a, W: fmt::Write> Escape<'a, W> {
    const fn text(out: &'a mut W) -> Self {
        Self { out, json: false }
    }

    const fn json(out: &'a mut W) -> Self {
        Self { out, json: true }
    }

    fn escape(&mut self, character: char) -> fmt::Result {
        if !self.json {
            return write!(self.out, "{}", character.escape_debug());
        }
        let mut units = [0; 2];
        for unit in character.encode_utf16(&mut units) {
            write!(self.out, "\\u{unit:04x}")?;
        }
        Ok(())
    }
}

impl<W: fmt::Write> fmt::Write for Escape<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(needs_escape) {
            let (plain, tail) = rest.split_at(at);
            self.out.write_str(plain)?;
            let mut chars = tail.chars();
            match chars.next() {
                Some(mark @ ('"' | '\\')) => {
                    self.out.write_char('\\')?;
                    self.out.write_char(mark)?;
                }
                Some(character) => self.escape(character)?,
                None => {}
            }
            rest = chars.as_str();
        }
        self.out.write_str(rest)
    }
}

fn needs_escape(character: char) -> bool {
    match character {
        '"' | '\\' => true,
        ' '..='~' => false,
        // Everything that Rust's Debug would escape: control, format, private, unassigned,
        // surrogate and separator characters, and marks that would join what stands before them.
        _ => character.escape_debug().len() > 1,
    }
}

/// RFC 3339, UTC, to the microsecond.
pub(super) struct Timestamp(pub(super) SystemTime);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since_1970: Duration = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
        let date = FileTime::from_unix(seconds, 0).unwrap_or_default().to_string();
        let (day, time) = date.split_once(' ').unwrap_or((&date, ""));
        write!(f, "{day}T{time}.{:06}Z", since_1970.subsec_micros())
    }
}
