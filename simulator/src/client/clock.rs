//! The clock of a running simulator, as its admin API tells it.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use kms_protocol::filetime::FileTime;
use serde::Deserialize;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::admin::Token;
use crate::serve::{Clock, Rate, machine_time};

/// `http://ADDR:PORT`, the admin address of a simulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminUrl(pub SocketAddr);

/// A simulator's clock could not be read.
#[derive(Debug, Error)]
#[error("cannot read the clock at {url}: {problem}")]
pub struct ClockError {
    url: AdminUrl,
    problem: String,
}

/// The fields of `GET /api/v1/clock` that matter here.
#[derive(Deserialize)]
struct Told {
    filetime: String,
    scale: f64,
}

/// How the clock at `url` goes now.
pub(super) async fn fetch(url: AdminUrl, token: Option<&Token>) -> Result<Clock, ClockError> {
    let failed = |problem: String| ClockError { url, problem };
    let answer = tokio::time::timeout(PATIENCE, get(url, token))
        .await
        .map_err(|_| failed(format!("no answer within {PATIENCE:?}")))?
        .map_err(|error| failed(error.to_string()))?;
    read(&answer, machine_time()).map_err(failed)
}

/// One request of HTTP/1.1, whose answer ends with the connection.
async fn get(url: AdminUrl, token: Option<&Token>) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(url.0).await?;
    let mut request = format!(
        "GET /api/v1/clock HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\n\
         Connection: close\r\n",
        url.0
    )
    .into_bytes();
    if let Some(token) = token {
        request.extend_from_slice(b"Authorization: ");
        request.extend_from_slice(&token.header());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// The clock in an answer that arrived when the machine's clock showed `machine`.
fn read(answer: &[u8], machine: FileTime) -> Result<Clock, String> {
    let text = std::str::from_utf8(answer).map_err(|_| "the answer is no text".to_owned())?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or("the answer is no HTTP")?;
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    match status {
        Some("200") => {}
        Some("401") => return Err("the API wants its token (--clock-token-file)".into()),
        Some(other) => return Err(format!("HTTP status {}", other.escape_debug())),
        None => return Err("the answer is no HTTP/1.1".into()),
    }
    let told: Told = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let ticks = told.filetime.parse().map_err(|_| "`filetime` is no number".to_owned())?;
    if !(0.0..=1e6).contains(&told.scale) {
        return Err("`scale` is not from 0 to 1000000".to_owned());
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked just above"
    )]
    let rate = Rate::from_millionths((told.scale * 1e6).round() as u64);
    let rate = rate.map_err(|error| error.to_string())?;
    Ok(Clock::REAL.set(machine, FileTime::from_ticks(ticks)).with_rate(machine, rate))
}

impl FromStr for AdminUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("http://").ok_or("not a plain `http://` address")?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let local = authority.strip_prefix("localhost:").and_then(|port| port.parse().ok());
        let address = local.map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        address
            .or_else(|| authority.parse().ok())
            .map(Self)
            .ok_or("not an admin address such as `http://127.0.0.1:8088`")
    }
}

impl fmt::Display for AdminUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn an_admin_address_is_plain_http_on_an_address() {
        for text in ["http://127.0.0.1:8088", "http://127.0.0.1:8088/", "http://localhost:8088"] {
            assert_eq!(text.parse::<AdminUrl>().unwrap().to_string(), "http://127.0.0.1:8088");
        }
        for text in ["", "https://127.0.0.1:1", "127.0.0.1:1", "http://host:1", "http://127.0.0.1"]
        {
            assert!(text.parse::<AdminUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_clock_is_read_with_its_rate_and_what_is_not_one_is_refused() {
        let machine = FileTime::from_ticks(1 << 50);
        let answer =
            b"HTTP/1.1 200 OK\r\na: b\r\n\r\n{\"time\":\"x\",\"filetime\":\"77\",\"scale\":2.0}";
        let clock = read(answer, machine).unwrap();
        let later = machine.saturating_add(Duration::from_secs(1));
        assert_eq!((clock.at(machine).ticks(), clock.at(later).ticks()), (77, 77 + 20_000_000));
        for bad in [
            &b""[..],
            b"\xff\r\n\r\n",
            b"HTTP/1.1 401 No\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\n\r\n{\"filetime\":\"x\",\"scale\":1}",
            b"HTTP/1.1 200 OK\r\n\r\n{\"filetime\":\"1\",\"scale\":-1}",
        ] {
            assert!(read(bad, machine).is_err());
        }
    }
}
