//! A server in a process of its own: started, observed from outside, ended.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::time::ClockId;
use nix::unistd::Pid;

use crate::script::Sizes;
use crate::suite::pause;

/// A running server. Dropping it ends the process.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// This harness's own floor server.
    ///
    /// # Errors
    /// When it does not start listening.
    pub fn floor(sizes: &Sizes, workers: usize) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("floor-server").arg(address.to_string()).arg(workers.to_string());
        for size in [sizes.bind, sizes.bind_ack, sizes.request, sizes.response] {
            command.arg(size.to_string());
        }
        Self::start(command, address)
    }

    /// The floor server on one thread, with answers that an RPC client accepts.
    ///
    /// # Errors
    /// When it does not start listening.
    pub fn canned() -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("canned-server").arg(address.to_string());
        Self::start(command, address)
    }

    /// `kms-sim serve`, with `options` after the address.
    ///
    /// # Errors
    /// When it does not start listening.
    pub fn kms_sim(program: &Path, options: &[&str], log: Option<&Path>) -> Result<Self> {
        Self::kms_sim_at(program, free_address()?, options, log)
    }

    /// The same at an address of the caller's.
    ///
    /// # Errors
    /// When it does not start listening.
    pub fn kms_sim_at(
        program: &Path,
        address: SocketAddr,
        options: &[&str],
        log: Option<&Path>,
    ) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["serve", "--listen", &address.to_string()]).args(options);
        if let Some(log) = log {
            let log = File::create(log).with_context(|| format!("`{}`", log.display()))?;
            command.stdout(log.try_clone()?).stderr(log);
        } else {
            command.stdout(Stdio::null());
        }
        Self::start(command, address)
    }

    fn start(mut command: Command, address: SocketAddr) -> Result<Self> {
        let shown = format!("{command:?}");
        let child = command.stdin(Stdio::null()).spawn().with_context(|| shown.clone())?;
        let mut server = Self { child, address };
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("{shown} ended: {status}");
            }
            if Instant::now() > deadline {
                bail!("{shown} does not listen after {START_TIMEOUT:?}");
            }
            pause(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// Processor time that all its threads have used.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu_time(&self) -> Result<Duration> {
        let clock = ClockId::pid_cpu_clock_id(self.pid()?).context("the server is gone")?;
        Ok(clock.now()?.into())
    }

    /// Resident memory, in bytes.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn resident_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kibibytes: u64 = kibibytes.context("no VmRSS in /proc: the server is gone")?.parse()?;
        Ok(kibibytes * 1024)
    }

    /// Descriptors that it has open.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn descriptors(&self) -> Result<usize> {
        let open = fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        Ok(open.context("the server is gone")?.count())
    }

    /// Asks it to end in good order, and waits for that.
    ///
    /// # Errors
    /// When it ends otherwise.
    pub fn stop(mut self) -> Result<()> {
        kill(self.pid()?, Signal::SIGTERM)?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { bail!("the server ended: {status}") }
    }

    fn pid(&self) -> Result<Pid> {
        Ok(Pid::from_raw(i32::try_from(self.child.id())?))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which whoever measured it has noticed.
        self.child.kill().unwrap_or_default();
        self.child.wait().map(|_| ()).unwrap_or_default();
    }
}

/// How long one run of `program ARGUMENT` takes from spawn to exit.
///
/// # Errors
/// When it cannot be run or fails.
pub fn run_time(program: &Path, argument: &str) -> Result<Duration> {
    let begin = Instant::now();
    let mut command = Command::new(program);
    let status = command.arg(argument).stdin(Stdio::null()).stdout(Stdio::null()).status();
    let elapsed = begin.elapsed();
    match status.with_context(|| format!("`{}`", program.display()))? {
        status if status.success() => Ok(elapsed),
        status => bail!("`{} {argument}` failed: {status}", program.display()),
    }
}

/// A loopback port that was free a moment ago; a server that finds it taken says so and ends.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

const START_TIMEOUT: Duration = Duration::from_secs(10);

/// The same for UDP and TCP.
///
/// # Errors
/// When the system has none.
pub fn free_udp_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    UdpSocket::bind(address)?;
    Ok(address)
}
