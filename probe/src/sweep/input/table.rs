//! A table with a header: the columns `site`, `host`, `port`, `resolver` and `depth`, in any order.

use std::net::SocketAddr;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::{Column, Defaults, InputError, Row, target};
use crate::dns::system::parse_resolver;
use crate::report::escape;
use crate::stage::Stage;

/// What separates the columns, if the first line that counts is a header of a table. A target holds
/// none of the separators, so a header of several columns is unmistakable.
pub(super) fn delimiter_of(first: &str) -> Option<u8> {
    let found = [b',', b';', b'\t'].into_iter().find(|&byte| first.contains(char::from(byte)));
    let lonely = HOST_NAMES.iter().any(|name| unquoted(first).eq_ignore_ascii_case(name));
    found.or(lonely.then_some(b','))
}

/// The rows below the header.
pub(super) fn rows(
    text: &str,
    delimiter: u8,
    file: &str,
    defaults: &Defaults,
) -> Result<Vec<Row>, InputError> {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .comment(Some(b'#'))
        .trim(Trim::All)
        .flexible(true)
        .from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| csv_error(file, text, &error))?.clone();
    let header_line = line_of(text, header.position());
    let columns = Columns::of(&header)
        .map_err(|(column, problem)| InputError::at(file, header_line, column, problem))?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| csv_error(file, text, &error))?;
        let line = line_of(text, record.position());
        if record.iter().all(str::is_empty) {
            continue;
        }
        if record.len() != header.len() {
            let problem =
                format!("{} columns, where the header has {}", record.len(), header.len());
            return Err(InputError {
                file: file.to_owned(),
                line: Some(line),
                column: None,
                problem,
            });
        }
        rows.push(columns.row(&record, line, defaults).map_err(|(name, problem)| {
            InputError::at(file, line, Column::Named(name.to_owned()), problem)
        })?);
    }
    Ok(rows)
}

/// Where each known column stands.
#[derive(Debug, Default)]
struct Columns {
    host: Option<usize>,
    site: Option<usize>,
    port: Option<usize>,
    resolver: Option<usize>,
    depth: Option<usize>,
}

impl Columns {
    fn of(header: &StringRecord) -> Result<Self, (Column, String)> {
        let mut columns = Self::default();
        for (index, name) in header.iter().enumerate() {
            let place = match name.to_ascii_lowercase().as_str() {
                name if HOST_NAMES.contains(&name) => &mut columns.host,
                "site" => &mut columns.site,
                "port" => &mut columns.port,
                "resolver" => &mut columns.resolver,
                "depth" => &mut columns.depth,
                _ => {
                    let problem = format!("unknown column; known are {KNOWN}");
                    return Err((Column::Named(escape(name).into_owned()), problem));
                }
            };
            if place.replace(index).is_some() {
                return Err((Column::Named(name.to_owned()), "this column comes twice".to_owned()));
            }
        }
        match columns.host {
            Some(_) => Ok(columns),
            None => Err((Column::At(1), "no column `host` in the header".to_owned())),
        }
    }

    /// One row; errors name the column.
    fn row(
        &self,
        record: &StringRecord,
        line: usize,
        defaults: &Defaults,
    ) -> Result<Row, (&'static str, String)> {
        let value = |column: Option<usize>| column.and_then(|at| record.get(at)).unwrap_or("");
        let depth = match value(self.depth) {
            "" => defaults.depth,
            name => depth(name).map_err(|problem| ("depth", problem))?,
        };
        let (host, port) = (value(self.host), value(self.port));
        if !port.is_empty() {
            check_port(port).map_err(|problem| ("port", problem))?;
        }
        let text = with_port(host, port).map_err(|problem| ("port", problem))?;
        let asked = target(&text, depth, defaults).map_err(|problem| ("host", problem))?;
        let resolvers = resolvers(value(self.resolver)).map_err(|problem| ("resolver", problem))?;
        let site = value(self.site).to_owned();
        Ok(Row { line, site, asked, resolvers, depth, repeats_line: None })
    }
}

fn depth(name: &str) -> Result<Stage, String> {
    let known = Stage::ALL.iter().find(|stage| stage.name().eq_ignore_ascii_case(name));
    known
        .copied()
        .ok_or_else(|| format!("not a depth (dns, tcp, bind, rpc or kms): `{}`", escape(name)))
}

fn check_port(port: &str) -> Result<(), String> {
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(number) if number != 0 && is_number => Ok(()),
        _ => Err(format!("port outside 1..65535: `{}`", escape(port))),
    }
}

/// Host and port as a target names them.
fn with_port(host: &str, port: &str) -> Result<String, String> {
    let is_v6 = host.matches(':').count() > 1 && !host.starts_with('[');
    match host {
        _ if port.is_empty() || host.is_empty() => Ok(host.to_owned()),
        _ if is_v6 => Ok(format!("[{host}]:{port}")),
        _ if host.contains(':') && !host.ends_with(']') => {
            Err(format!("the host `{}` names a port already", escape(host)))
        }
        _ => Ok(format!("{host}:{port}")),
    }
}

/// One or more DNS servers, separated by spaces.
fn resolvers(text: &str) -> Result<Vec<SocketAddr>, String> {
    text.split_whitespace()
        .map(|word| parse_resolver(word).map_err(|error| error.to_string()))
        .collect()
}

/// The line on which the record at `position` begins. The reader's own number is that of the line
/// after the previous record, which may be a comment or empty.
fn line_of(text: &str, position: Option<&csv::Position>) -> usize {
    let Some(position) = position else { return 1 };
    let from = usize::try_from(position.byte()).ok().and_then(|at| text.get(at..)).unwrap_or("");
    let is_passed_over = |line: &&str| line.trim().is_empty() || line.starts_with('#');
    let passed_over = from.lines().take_while(is_passed_over).count();
    usize::try_from(position.line()).unwrap_or(usize::MAX).saturating_add(passed_over)
}

fn csv_error(file: &str, text: &str, error: &csv::Error) -> InputError {
    let line = Some(line_of(text, error.position()));
    let problem = escape(&error.to_string()).into_owned();
    InputError { file: file.to_owned(), line, column: None, problem }
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}

/// Names of the column that holds the target.
const HOST_NAMES: [&str; 2] = ["host", "target"];
const KNOWN: &str = "site, host, port, resolver and depth";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::tests::DEFAULTS;
    use super::super::{Row, parse};
    use super::*;

    fn rows(text: &str) -> Vec<Row> {
        parse(text.as_bytes(), "sites.csv", &DEFAULTS).unwrap()
    }

    fn error(text: &str) -> String {
        parse(text.as_bytes(), "sites.csv", &DEFAULTS).unwrap_err().to_string()
    }

    #[test]
    fn columns_come_in_any_order_and_cells_may_be_empty() {
        let rows = rows(
            "Depth,port,HOST,site,resolver\n\
             tcp,16880,kms1.test,Oslo,192.0.2.53 [2001:db8::53]:5353\n\
             ,,corp.test,\"Bergen, old\",\n\
             ,1689,2001:db8::1,,\n",
        );
        let texts: Vec<_> = rows.iter().map(|row| row.asked.text.as_str()).collect();
        assert_eq!(texts, ["kms1.test:16880", "corp.test", "[2001:db8::1]:1689"]);
        assert_eq!(rows[0].resolvers.len(), 2);
        assert_eq!((rows[0].depth, rows[1].depth), (Stage::Tcp, Stage::Rpc));
        assert_eq!((rows[1].site.as_str(), rows[2].line), ("Bergen, old", 4));
    }

    #[test]
    fn semicolons_and_tabs_separate_as_well_and_one_column_is_enough() {
        assert_eq!(rows("site;host\nOslo;kms1.test:1688\n")[0].site, "Oslo");
        assert_eq!(rows("host\tsite\nkms1.test:1688\tOslo\n")[0].site, "Oslo");
        assert_eq!(rows("target\nkms1.test:1688\n")[0].asked.text, "kms1.test:1688");
    }

    #[test]
    fn lines_are_counted_past_comments_empty_lines_and_cells_with_line_breaks() {
        let rows = rows("# sites\n\nhost,site\n# north\nkms1.test,\"a\nb\"\n\n#\nkms2.test,x\n");
        assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [5, 9]);
    }

    #[test]
    fn what_is_wrong_is_named_with_line_and_column() {
        for (text, expected) in [
            ("host,colour\n", "line 1, column `colour`: unknown column; known are site, host"),
            ("host,target\n", "line 1, column `target`: this column comes twice"),
            ("# x\nsite,port\nOslo,1\n", "line 2, column 1: no column `host` in the header"),
            ("host,port\nkms1,1\nkms1,0\n", "line 3, column `port`: port outside 1..65535: `0`"),
            ("host,port\nkms1:1,2\n", "line 2, column `port`: the host `kms1:1` names a port"),
            ("host,depth\nkms1,deep\n", "line 2, column `depth`: not a depth"),
            ("host,resolver\nkms1,dns1\n", "line 2, column `resolver`: not an IP address"),
            ("host,site\n,Oslo\n", "line 2, column `host`: the target is empty"),
            ("host,site\na..b,Oslo\n", "line 2, column `host`: not a domain or host name"),
            ("host,depth\n192.0.2.1,dns\n", "line 2, column `host`: an address needs no DNS"),
            ("host,site\nkms1\n", "line 2: 1 columns, where the header has 2"),
        ] {
            let shown = error(text);
            assert!(shown.starts_with("`sites.csv` ") && shown.contains(expected), "{shown}");
        }
    }
}
