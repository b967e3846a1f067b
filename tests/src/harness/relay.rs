//! Passes connections on to a server and keeps what went either way.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What went over one connection.
#[derive(Clone, Debug, Default)]
pub struct Talk {
    /// What the client sent.
    pub sent: Vec<u8>,
    /// What the server sent.
    pub received: Vec<u8>,
}

/// A relay on a free loopback port. Its threads end with the connections that they carry, or with
/// the process.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    talks: Arc<Mutex<Vec<Arc<Mutex<Talk>>>>>,
}

impl Relay {
    /// Starts a relay to `server`.
    #[must_use]
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listens");
        let address = listener.local_addr().expect("address");
        let talks: Arc<Mutex<Vec<Arc<Mutex<Talk>>>>> = Arc::default();
        let all = Arc::clone(&talks);
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let talk: Arc<Mutex<Talk>> = Arc::default();
                lock(&all).push(Arc::clone(&talk));
                let server = TcpStream::connect(server).expect("connects to the server");
                carry(&client, &server, &talk, |talk| &mut talk.sent);
                carry(&server, &client, &talk, |talk| &mut talk.received);
            }
        });
        Self { address, talks }
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What went over each connection so far, in the order of their beginning.
    #[must_use]
    pub fn talks(&self) -> Vec<Talk> {
        lock(&self.talks).iter().map(|talk| lock(talk).clone()).collect()
    }
}

/// Carries one direction in a thread of its own, and notes the bytes before it passes them on.
fn carry(
    from: &TcpStream,
    to: &TcpStream,
    talk: &Arc<Mutex<Talk>>,
    side: fn(&mut Talk) -> &mut Vec<u8>,
) {
    let (mut from, mut to) = (from.try_clone().expect("clone"), to.try_clone().expect("clone"));
    let talk = Arc::clone(talk);
    thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let bytes = buffer.get(..count).unwrap_or(&[]);
            side(&mut lock(&talk)).extend(bytes);
            if to.write_all(bytes).is_err() {
                break;
            }
        }
        // Fails when that side is gone already.
        to.shutdown(Shutdown::Write).ok();
    });
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
