//! Which process of this machine listens at an address: `/proc/net/tcp` names the sockets, and
//! `/proc/PID/fd` who has them open.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A process that has a listening socket open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its id.
    pub pid: i32,
    /// What the kernel calls it, escaped.
    pub name: String,
}

/// The processes that listen at `target`, by id; empty where none of them can be seen, as those of
/// another user cannot.
#[must_use]
pub fn of_listener(target: SocketAddr) -> Vec<Owner> {
    let inodes: BTreeSet<u64> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|table| listeners(&table, target))
        .collect();
    if inodes.is_empty() {
        return Vec::new();
    }
    let mut owners: Vec<Owner> = processes()
        .filter(|pid| open_sockets(*pid).any(|inode| inodes.contains(&inode)))
        .map(|pid| Owner { pid, name: name_of(pid).unwrap_or_default() })
        .collect();
    owners.sort_by_key(|owner| owner.pid);
    owners
}

/// What the kernel calls a process; `None` where there is none.
#[must_use]
pub fn name_of(pid: i32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(kms_page::text::escape(name.trim_end()).to_string())
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn open_sockets(pid: i32) -> impl Iterator<Item = u64> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let link = fs::read_link(entry.path()).ok()?;
        link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    })
}

/// Inodes of the sockets in a table of the kernel's that listen at `target`, or at its port of every
/// address. Pure.
fn listeners(table: &str, target: SocketAddr) -> Vec<u64> {
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, state, _, _, _, _, _, inode, ..] = fields.as_slice() else { return None };
        let (address, port) = local.split_once(':')?;
        let address = address_of(address)?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let here = address.is_unspecified() || address == target.ip().to_canonical();
        (*state == LISTEN && port == target.port() && here).then(|| inode.parse().ok())?
    };
    table.lines().skip(1).filter_map(inode).collect()
}

/// The kernel prints addresses as words of 32 bits in its own byte order.
fn address_of(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = hex.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let mut octets = [0; 16];
            for (place, chunk) in octets.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(place)?);
            }
            Some(IpAddr::V6(Ipv6Addr::from(octets)).to_canonical())
        }
        _ => None,
    }
}

/// `TCP_LISTEN` of the kernel.
const LISTEN: &str = "0A";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_process_that_listens_is_found_and_one_that_does_not_is_not() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let me = i32::try_from(std::process::id()).unwrap();
        let owners = of_listener(address);
        assert!(owners.iter().any(|owner| owner.pid == me && !owner.name.is_empty()), "{owners:?}");
        let everywhere = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let port = everywhere.local_addr().unwrap().port();
        let owners = of_listener(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        assert!(owners.iter().any(|owner| owner.pid == me), "{owners:?}");
        // The port stays taken and nobody listens there.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        let silent = socket.local_addr().unwrap().as_socket().unwrap();
        assert_eq!(of_listener(silent), []);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_tables_are_read_and_other_lines_are_left_out() {
        let table = "  sl  local_address rem_address   st\n\
            0: 0100007F:0698 00000000:0000 0A 0:0 0:0 0 0 0 77 1\n\
            1: 0100007F:0698 0100007F:9999 01 0:0 0:0 0 0 0 78 1\n\
            2: 00000000:0698 00000000:0000 0A 0:0 0:0 0 0 0 79 1\n\
            3: 0200007F:0698 00000000:0000 0A 0:0 0:0 0 0 0 80 1\n\
            4: 0000000000000000FFFF00000100007F:0698 0:0 0A 0:0 0:0 0 0 0 81 1\n\
            5: nonsense\n";
        assert_eq!(listeners(table, "127.0.0.1:1688".parse().unwrap()), [77, 79, 81]);
        assert_eq!(listeners(table, "127.0.0.1:1689".parse().unwrap()), [0; 0]);
    }
}
