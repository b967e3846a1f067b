//! Processors, descriptors, and what the report says about the machine.

use std::fs;
use std::time::SystemTime;

use anyhow::{Context, Result};
use kms_protocol::filetime::FileTime;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

/// Where and when something was measured.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Model name of the processor.
    pub processor: String,
    /// Processors that the measurement was confined to.
    pub pinned_to: Vec<usize>,
    /// Kernel release.
    pub kernel: String,
    /// UTC, `YYYY-MM-DD hh:mm:ss`.
    pub date: String,
    /// Descriptors that one process may have.
    pub descriptors: u64,
}

impl Machine {
    /// Confines this process, and so its children, to two processors, raises its descriptor limit
    /// as far as it goes, and describes the machine.
    ///
    /// # Errors
    /// When the system refuses either.
    pub fn prepare() -> Result<Self> {
        let pinned_to = pin()?;
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("raise the descriptor limit")?;
        Ok(Self {
            processor: processor(),
            pinned_to,
            kernel: read_line("/proc/sys/kernel/osrelease"),
            date: file_time(SystemTime::now()).context("the system clock is far off")?.to_string(),
            descriptors: hard,
        })
    }
}

/// `time` as KMS messages carry it, in whole seconds; `None` before 1970.
#[must_use]
pub fn file_time(time: SystemTime) -> Option<FileTime> {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    FileTime::from_unix(i64::try_from(since_epoch.as_secs()).ok()?, 0)
}

/// The first two processors that this process may use; one, where there is only one.
fn pin() -> Result<Vec<usize>> {
    let this_process = Pid::from_raw(0);
    let allowed = sched_getaffinity(this_process)?;
    let chosen: Vec<usize> = (0..CpuSet::count())
        .filter(|&cpu| allowed.is_set(cpu).unwrap_or_default())
        .take(PROCESSORS)
        .collect();
    let mut set = CpuSet::new();
    for &cpu in &chosen {
        set.set(cpu)?;
    }
    sched_setaffinity(this_process, &set)?;
    Ok(chosen)
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = text.lines().find(|line| line.starts_with("model name"));
    let name = named.and_then(|line| line.split_once(": ")).map(|(_, name)| name.trim());
    name.unwrap_or("unknown processor").to_owned()
}

fn read_line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

const PROCESSORS: usize = 2;
