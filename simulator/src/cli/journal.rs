//! `kms-sim journal`: what a host has recorded, while it serves or afterwards.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kms_page::text::escape;
use kms_protocol::guid::Guid;

use super::output;
use crate::journal::{
    ASKED_HOURS_MAX, AskedHour, Asker, Askers, Cursor, Exporter, Filter, Format, OutcomeKind,
    PAGE_ROWS_MAX, Reader, Stats,
};
use crate::model::HostName;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the newest rows that match, oldest of them first.
    #[command(after_help = "\
Examples:
  kms-sim journal query lab.journal
  kms-sim journal query lab.journal --client LAB-PC --from 24h --limit 20
  kms-sim journal query lab.journal --hresult 0xC004F06C --format csv > skewed.csv

Exit codes: 0 done (with or without rows), 2 usage, or a file that is no journal or is damaged.")]
    Query(QueryArguments),
    /// Write every row that matches, oldest first.
    #[command(after_help = "\
Every row has the same fields, as docs/journal.md describes them. event12290 has the requests alone, one
line each, as event 12290 of a KMS host words them.

Examples:
  kms-sim journal export lab.journal --format jsonl > lab.jsonl
  kms-sim journal export lab.journal --format csv --requests-only --output lab.csv
  kms-sim journal export lab.journal --format event12290 --from 2026-11-01

Exit codes: 0 done, 2 usage, or a file that is no journal or is damaged.")]
    Export(ExportArguments),
    /// Show the last rows, and with --follow those that come.
    #[command(after_help = "\
Examples:
  kms-sim journal tail lab.journal
  kms-sim journal tail lab.journal --follow --outcome refused
  kms-sim journal tail lab.journal -n 0 -f --format jsonl | jq .cmid

Exit codes: 0 done, 2 usage, or a file that is no journal or is damaged.")]
    Tail(TailArguments),
    /// Sum up: requests by hour and product, distinct clients, refusals.
    #[command(after_help = "\
Examples:
  kms-sim journal stats lab.journal
  kms-sim journal stats lab.journal --from 24h --format json

Exit codes: 0 done, 2 usage, or a file that is no journal or is damaged.")]
    Stats(StatsArguments),
    /// Say who still asks: requests by address and hour, real clients' included.
    #[command(after_help = "\
What `kms-sim serve --sinkhole` has recorded; of any other host, who asked it. A real client's request
cannot be read: its address and times are told, and no name. CSV has a line for each address and hour.

Examples:
  kms-sim journal sinkhole asked.journal
  kms-sim journal sinkhole asked.journal --from 7d --format csv > who-still-asks.csv
  kms-sim journal sinkhole asked.journal --format json | jq -r '.addresses[].address'

Exit codes: 0 done (with or without requests), 2 usage, or a file that is no journal or is damaged.")]
    Sinkhole(SinkholeArguments),
    /// Copy a journal, also while a host writes it.
    #[command(after_help = "\
The copy is the journal of one moment, in one file. An existing file is not overwritten, and when the
copy fails nothing is left behind.

Examples:
  kms-sim journal backup lab.journal lab-2026-11-24.journal
  kms-sim journal backup /var/lib/kms-sim/journal /backup/kms-sim.journal

Exit codes: 0 done, 2 usage, or no copy could be made.")]
    Backup(BackupArguments),
}

#[derive(Debug, Args)]
pub(super) struct QueryArguments {
    /// The journal.
    file: PathBuf,
    #[command(flatten)]
    wanted: Wanted,
    /// Rows to show at most.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// How to write them.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    /// The journal.
    file: PathBuf,
    #[command(flatten)]
    wanted: Wanted,
    /// How to write the rows.
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// Write to this new file instead of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct TailArguments {
    /// The journal.
    file: PathBuf,
    #[command(flatten)]
    wanted: Wanted,
    /// Rows to begin with.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    lines: usize,
    /// Go on showing rows as they are written.
    #[arg(short, long)]
    follow: bool,
    /// How to write them.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct StatsArguments {
    /// The journal.
    file: PathBuf,
    #[command(flatten)]
    wanted: Wanted,
    /// How to print the sums.
    #[arg(long, value_enum, default_value_t)]
    format: StatsFormat,
}

#[derive(Debug, Args)]
pub(super) struct SinkholeArguments {
    /// The journal.
    file: PathBuf,
    #[command(flatten)]
    wanted: Wanted,
    /// How to write them.
    #[arg(long, value_enum, default_value_t)]
    format: AskersFormat,
}

#[derive(Debug, Args)]
pub(super) struct BackupArguments {
    /// The journal.
    file: PathBuf,
    /// The file to make.
    to: PathBuf,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum StatsFormat {
    /// Tables for people.
    #[default]
    Text,
    /// One object for scripts.
    Json,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum AskersFormat {
    /// Tables for people.
    #[default]
    Text,
    /// One object for scripts.
    Json,
    /// A line for each address and hour.
    Csv,
}

/// Which rows; all of them unless something is said.
#[derive(Debug, Args)]
struct Wanted {
    /// From this time on: `2026-11-24`, `2026-11-24T08:00:00Z`, or how long ago, such as `24h`.
    #[arg(long, value_name = "TIME", help_heading = "Rows")]
    from: Option<When>,
    /// Before this time, written likewise.
    #[arg(long, value_name = "TIME", help_heading = "Rows")]
    to: Option<When>,
    /// Of this host, where the journal is that of several.
    #[arg(long, value_name = "NAME", help_heading = "Rows")]
    host: Option<HostName>,
    /// Of this client: its address, or a part of its name.
    #[arg(long, value_name = "NAME|ADDR", help_heading = "Rows")]
    client: Option<String>,
    /// With this client machine id.
    #[arg(long, value_name = "GUID", help_heading = "Rows")]
    cmid: Option<Guid>,
    /// For this product: a part of its name, or one of its ids.
    #[arg(long, value_name = "NAME|GUID", help_heading = "Rows")]
    product: Option<String>,
    /// That ended so.
    #[arg(long, value_enum, help_heading = "Rows")]
    outcome: Option<OutcomeKind>,
    /// That were answered with this HRESULT.
    #[arg(long, value_name = "CODE", help_heading = "Rows", value_parser = hresult)]
    hresult: Option<u32>,
    /// Requests alone, without events.
    #[arg(long, help_heading = "Rows")]
    requests_only: bool,
}

/// A moment, absolute or before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    At(Timestamp),
    Ago(Duration),
}

/// # Errors
/// A file that is no journal, or is damaged; or an output that cannot be written.
pub(super) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Query(arguments) => query(arguments),
        Command::Export(arguments) => export(arguments),
        Command::Tail(arguments) => tail(arguments),
        Command::Stats(arguments) => stats(arguments),
        Command::Sinkhole(arguments) => sinkhole(arguments),
        Command::Backup(BackupArguments { file, to }) => Ok(Reader::open(&file)?.backup(&to)?),
    }
}

fn query(arguments: QueryArguments) -> anyhow::Result<()> {
    let (reader, filter) = arguments.wanted.open(&arguments.file)?;
    to_stdout(|out| {
        let mut exporter = exporter(&reader, out, arguments.format)?;
        write_newest(&reader, &filter, arguments.limit, &mut exporter)?;
        Ok(exporter.flush()?)
    })
}

fn export(arguments: ExportArguments) -> anyhow::Result<()> {
    let (reader, filter) = arguments.wanted.open(&arguments.file)?;
    let Some(path) = arguments.output else {
        return to_stdout(|out| write_all(&reader, &filter, out, arguments.format));
    };
    let name = path.display().to_string();
    let context = || format!("cannot write `{}`", name.escape_debug());
    let file = File::create_new(&path).with_context(context)?;
    let written = write_all(&reader, &filter, BufWriter::new(file), arguments.format);
    if written.is_err() {
        std::fs::remove_file(&path).ok();
    }
    written.with_context(context)
}

fn tail(arguments: TailArguments) -> anyhow::Result<()> {
    let (reader, filter) = arguments.wanted.open(&arguments.file)?;
    to_stdout(|out| {
        let mut exporter = exporter(&reader, out, arguments.format)?;
        let mut last = write_newest(&reader, &filter, arguments.lines, &mut exporter)?;
        exporter.flush()?;
        if !arguments.follow {
            return Ok(());
        }
        let mut version = None;
        loop {
            let now = reader.data_version()?;
            if version.replace(now) != Some(now) {
                last = write_after(&reader, &filter, last, &mut exporter)?;
                exporter.flush()?;
            }
            #[allow(clippy::disallowed_methods, reason = "another process's writes are polled")]
            std::thread::sleep(FOLLOW_INTERVAL);
        }
    })
}

fn stats(arguments: StatsArguments) -> anyhow::Result<()> {
    let (reader, filter) = arguments.wanted.open(&arguments.file)?;
    let stats = reader.stats(&filter)?;
    match arguments.format {
        StatsFormat::Text => output::print(stats_text(&stats)?.as_bytes()),
        StatsFormat::Json => {
            let mut json = serde_json::to_vec_pretty(&stats)?;
            json.push(b'\n');
            output::print(&json)
        }
    }
}

fn sinkhole(arguments: SinkholeArguments) -> anyhow::Result<()> {
    let (reader, filter) = arguments.wanted.open(&arguments.file)?;
    let askers = reader.askers(&filter)?;
    match arguments.format {
        AskersFormat::Text => output::print(askers_text(&askers)?.as_bytes()),
        AskersFormat::Json => {
            let mut json = serde_json::to_vec_pretty(&askers)?;
            json.push(b'\n');
            output::print(&json)
        }
        AskersFormat::Csv => output::print(askers_csv(&askers)?.as_bytes()),
    }
}

/// Writes the newest rows, the oldest of them first, and returns the last number that there is.
fn write_newest(
    reader: &Reader,
    filter: &Filter,
    limit: usize,
    exporter: &mut Exporter<impl Write>,
) -> anyhow::Result<u64> {
    let last = reader.last_number()?;
    // From the end only the place is sought: rows are large, and so may be the limit.
    let (mut found, mut oldest) = (0, last + 1);
    while found < limit {
        let page = reader.page(filter, Cursor::Before(oldest), limit - found)?;
        let Some(first) = page.last() else { break };
        oldest = first.number;
        found += page.len();
    }
    let mut after = oldest.saturating_sub(1);
    while after < last {
        let page = reader.page(filter, Cursor::After(after), PAGE_ROWS_MAX)?;
        let Some(newest) = page.last() else { break };
        after = newest.number;
        for row in page.iter().take_while(|row| row.number <= last) {
            exporter.row(row)?;
        }
    }
    Ok(last)
}

/// Writes every row after `last` and returns the number of the last one written.
fn write_after(
    reader: &Reader,
    filter: &Filter,
    mut last: u64,
    exporter: &mut Exporter<impl Write>,
) -> anyhow::Result<u64> {
    loop {
        let page = reader.page(filter, Cursor::After(last), PAGE_ROWS_MAX)?;
        let Some(newest) = page.last() else { return Ok(last) };
        last = newest.number;
        for row in &page {
            exporter.row(row)?;
        }
    }
}

fn write_all(
    reader: &Reader,
    filter: &Filter,
    out: impl Write,
    format: Format,
) -> anyhow::Result<()> {
    let mut exporter = exporter(reader, out, format)?;
    write_after(reader, filter, 0, &mut exporter)?;
    Ok(exporter.flush()?)
}

/// Lines for people name the host where the file knows several.
fn exporter<W: Write>(reader: &Reader, out: W, format: Format) -> anyhow::Result<Exporter<W>> {
    Ok(Exporter::new(out, format)?.naming_hosts(reader.hosts()?.len() > 1))
}

/// A reader that has gone away is not an error.
fn to_stdout(
    write: impl FnOnce(BufWriter<io::StdoutLock<'static>>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let is_gone = |error: &anyhow::Error| {
        let error = error.downcast_ref::<io::Error>();
        error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    };
    match write(BufWriter::new(io::stdout().lock())) {
        Err(error) if is_gone(&error) => Ok(()),
        result => result,
    }
}

fn stats_text(stats: &Stats) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let (first, last) = (stats.first.as_deref(), stats.last.as_deref());
    writeln!(text, "requests   {}", stats.requests)?;
    writeln!(text, "accepted   {}", stats.accepted)?;
    writeln!(text, "clients    {} distinct client machine ids", stats.clients)?;
    if let (Some(first), Some(last)) = (first, last) {
        writeln!(text, "from       {first}\nto         {last}")?;
    }
    if !stats.hours.is_empty() {
        writeln!(text, "\nhour (UTC)            requests  accepted")?;
    }
    for hour in &stats.hours {
        writeln!(text, "{}  {:>8}  {:>8}", hour.hour, hour.requests, hour.accepted)?;
    }
    if !stats.products.is_empty() {
        writeln!(text, "\nrequests   clients  product")?;
    }
    for sum in &stats.products {
        writeln!(text, "{:>8}  {:>8}  {}", sum.requests, sum.clients, sum.product)?;
    }
    if !stats.refusals.is_empty() {
        writeln!(text, "\nrefused   with        outcome      reason")?;
    }
    for sum in &stats.refusals {
        let hresult = sum.hresult.as_deref().unwrap_or("fault");
        let (outcome, reason) = (escape(&sum.outcome), escape(&sum.reason));
        writeln!(text, "{:>8}  {hresult:<10}  {outcome:<11}  {reason}", sum.requests)?;
    }
    Ok(text)
}

fn askers_text(askers: &Askers) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    if askers.addresses.is_empty() {
        return Ok("nobody has asked\n".to_owned());
    }
    writeln!(text, "addresses  {}", askers.addresses.len())?;
    writeln!(text, "requests   {}", askers.requests)?;
    if askers.truncated {
        writeln!(
            text,
            "(there is more: these are the latest {ASKED_HOURS_MAX} pairs of address and hour)"
        )?;
    }
    writeln!(text, "\nrequests  foreign key  hours  last                  address")?;
    for asker in &askers.addresses {
        let (hours, Asker { requests, foreign_key, last, address, .. }) =
            (asker.hours.len(), asker);
        write!(text, "{requests:>8}  {foreign_key:>11}  {hours:>5}  {last}  {address}")?;
        let names: Vec<String> = asker.names.iter().map(|name| escape(name).into_owned()).collect();
        let more = if asker.more_names { " and more" } else { "" };
        match names.is_empty() {
            true => writeln!(text)?,
            false => writeln!(text, " ({}{more})", names.join(", "))?,
        }
    }
    writeln!(text, "\nhour (UTC)            requests  foreign key  address")?;
    for asker in &askers.addresses {
        for AskedHour { hour, requests, foreign_key } in &asker.hours {
            writeln!(text, "{hour}  {requests:>8}  {foreign_key:>11}  {}", asker.address)?;
        }
    }
    Ok(text)
}

/// Addresses and hours come from this program, so no cell can be a formula.
fn askers_csv(askers: &Askers) -> Result<String, std::fmt::Error> {
    let mut text = "address,hour,requests,foreign_key\r\n".to_owned();
    for asker in &askers.addresses {
        for AskedHour { hour, requests, foreign_key } in &asker.hours {
            write!(text, "{},{hour},{requests},{foreign_key}\r\n", asker.address)?;
        }
    }
    Ok(text)
}

impl Wanted {
    /// The journal, and the rows of it that are meant.
    fn open(self, file: &Path) -> anyhow::Result<(Reader, Filter)> {
        let filter = self.filter()?;
        let reader = Reader::open(file)?;
        if let Some(host) = &filter.host {
            let known = reader.hosts()?;
            if !known.iter().any(|name| name == host.as_str()) {
                bail!("--host: no host `{host}` in this journal, but `{}`", known.join("`, `"));
            }
        }
        Ok((reader, filter))
    }

    fn filter(self) -> anyhow::Result<Filter> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (from_us, to_us) = (self.from.map(|at| at.us(now)), self.to.map(|at| at.us(now)));
        if let (Some(from_us), Some(to_us)) = (from_us, to_us)
            && from_us >= to_us
        {
            bail!("--from: not before --to, so that no row can match");
        }
        Ok(Filter {
            from_us,
            to_us,
            host: self.host,
            client: self.client,
            cmid: self.cmid,
            product: self.product,
            outcome: self.outcome,
            hresult: self.hresult,
            requests_only: self.requests_only,
        })
    }
}

impl When {
    /// Microseconds since 1970, `now` being the time since then.
    fn us(self, now: Duration) -> i64 {
        match self {
            Self::At(time) => time.as_microsecond(),
            Self::Ago(ago) => {
                i64::try_from(now.saturating_sub(ago).as_micros()).unwrap_or(i64::MAX)
            }
        }
    }
}

impl FromStr for When {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ago = match text.strip_suffix('d').map(str::parse::<u64>) {
            Some(Ok(days)) => days.checked_mul(86_400).map(Duration::from_secs),
            _ => text.parse::<SignedDuration>().ok().and_then(|ago| ago.try_into().ok()),
        };
        if let Some(ago) = ago {
            return Ok(Self::Ago(ago));
        }
        let date = || Some(text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp());
        text.parse::<Timestamp>().ok().or_else(date).map(Self::At).ok_or(
            "not a time such as `2026-11-24`, `2026-11-24T08:00:00Z` or, for how long ago, `24h` or `7d`",
        )
    }
}

fn hresult(text: &str) -> Result<u32, &'static str> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    digits
        .filter(|digits| digits.chars().all(|digit| digit.is_ascii_hexdigit()))
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .ok_or("not an HRESULT such as `0xC004F06C` or `0x0`")
}

/// How often a journal that is followed is looked at.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);
