//! tshark on the loopback interface: a capture that is known to run before anything is sent, and
//! what the dissector makes of it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::child::{Running, run, run_ok};
use super::server::until;
use crate::skip;

/// A running capture of one TCP port.
#[derive(Debug)]
pub struct Capture {
    tshark: Running,
    folder: TempDir,
    server: SocketAddr,
}

/// What the dissector found: the values of each field, in the order of the wire.
#[derive(Clone, Debug, Default)]
pub struct Dissection(BTreeMap<&'static str, Vec<String>>);

impl Capture {
    /// Starts capturing what goes to and from a server, and waits until packets arrive in the file.
    #[must_use]
    pub fn of(server: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(FILE);
        let filter = format!("tcp port {}", server.port());
        let tshark = Running::start(tshark().args(["-i", "lo", "-f", &filter, "-w"]).arg(&file));
        tshark.wait_for_line("Capturing on");
        let len = || fs::metadata(&file).map_or(0, |metadata| metadata.len());
        until("the capture file", || len() > 0);
        let empty = len();
        until("the first packet in the capture", || {
            // A connection without a byte: TCP alone, which the tests do not look at.
            drop(TcpStream::connect(server).expect("connects"));
            len() > empty
        });
        Self { tshark, folder, server }
    }

    /// Waits until so many PDUs are in the file, ends the capture and dissects it. Nothing may be
    /// malformed, and nothing but PDUs may have been sent.
    #[track_caller]
    #[must_use]
    pub fn finish(self, pdus: usize) -> Dissection {
        let (dissection, malformed) = self.stop(pdus);
        assert_eq!(malformed, 0, "malformed packets");
        dissection.assert_nothing_but_pdus();
        assert_eq!(dissection.values("dcerpc.pkt_type").len(), pdus, "PDUs: {dissection:#?}");
        dissection
    }

    /// Waits until so many PDUs are in the file, ends the capture, and returns the file as it is.
    #[must_use]
    pub fn bytes(self, pdus: usize) -> Vec<u8> {
        let file = self.folder.path().join(FILE);
        let mut all = reader(&file, self.server, "tcp.len > 0");
        until("all PDUs in the capture", || {
            run(&mut all).stdout.lines().map(pdus_in).sum::<usize>() >= pdus
        });
        let status = self.tshark.interrupt();
        assert!(status.success(), "tshark ended with {status}");
        fs::read(&file).expect("the capture file")
    }

    /// Waits until so many PDUs are in the file, ends the capture, and dissects it. Returns how
    /// many packets are malformed, too.
    #[track_caller]
    #[must_use]
    pub fn stop(self, pdus: usize) -> (Dissection, usize) {
        let file = self.folder.path().join(FILE);
        let mut all = reader(&file, self.server, "tcp.len > 0");
        until("all PDUs in the capture", || {
            // The file may end in the middle of a packet while it is written.
            run(&mut all).stdout.lines().map(pdus_in).sum::<usize>() >= pdus
        });
        let status = self.tshark.interrupt();
        assert!(status.success(), "tshark ended with {status}");
        let malformed = run_ok(&mut reader(&file, self.server, "_ws.malformed"));
        (Dissection::from_rows(&run_ok(&mut all)), malformed.lines().count())
    }
}

impl Dissection {
    /// The values of one of [`FIELDS`].
    #[must_use]
    pub fn values(&self, field: &str) -> Vec<&str> {
        assert!(FIELDS.contains(&field), "not asked for: {field}");
        self.0.get(field).into_iter().flatten().map(String::as_str).collect()
    }

    fn from_rows(rows: &str) -> Self {
        let mut fields: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for row in rows.lines() {
            for (field, values) in FIELDS.iter().copied().zip(row.split('\t')) {
                let values = values.split(',').filter(|value| !value.is_empty());
                fields.entry(field).or_default().extend(values.map(str::to_owned));
            }
        }
        Self(fields)
    }

    /// Every byte of the TCP payloads belongs to a PDU.
    fn assert_nothing_but_pdus(&self) {
        let sum = |field| -> u64 {
            self.values(field).iter().map(|value| value.parse::<u64>().expect("a number")).sum()
        };
        assert_eq!(sum("tcp.len"), sum("dcerpc.cn_frag_len"), "bytes sent, bytes in PDUs");
    }
}

/// Fields that are read, by tshark's names.
pub const FIELDS: &[&str] = &[
    "tcp.len",
    "dcerpc.pkt_type",
    "dcerpc.cn_frag_len",
    "dcerpc.cn_flags",
    "dcerpc.cn_call_id",
    "dcerpc.cn_ctx_id",
    "dcerpc.cn_bind_to_uuid",
    "dcerpc.cn_bind_trans_id",
    "dcerpc.cn_bind_trans_btfn",
    "dcerpc.cn_sec_addr",
    "dcerpc.cn_ack_result",
    "dcerpc.cn_ack_reason",
    "dcerpc.cn_ack_trans_id",
    "dcerpc.opnum",
    "dcerpc.cn_status",
    "dcerpc.cn_reject_reason",
];

/// PDUs in one row of the reader's output.
fn pdus_in(row: &str) -> usize {
    let types = row.split('\t').nth(1).unwrap_or_default();
    types.split(',').filter(|value| !value.is_empty()).count()
}

fn reader(file: &Path, server: SocketAddr, filter: &str) -> Command {
    let mut command = tshark();
    let decode_as = format!("tcp.port=={},dcerpc", server.port());
    command.arg("-r").arg(file).args(["-d", &decode_as, "-Y", filter, "-T", "fields"]);
    command.args(FIELDS.iter().flat_map(|field| ["-e", field]));
    command
}

fn tshark() -> Command {
    Command::new(skip::tool("tshark").expect("tshark"))
}

const FILE: &str = "capture.pcapng";
