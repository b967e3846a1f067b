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

/// Runs `work` with this thread, and so the threads and processes that it starts, on the first
/// processor that it may use; afterwards the thread may use what it could before.
///
/// # Errors
/// When the system refuses, or `work` fails.
pub fn on_one_processor<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let this_thread = Pid::from_raw(0);
    let allowed = sched_getaffinity(this_thread)?;
    let first = (0..CpuSet::count()).find(|&cpu| allowed.is_set(cpu).unwrap_or_default());
    let mut one = CpuSet::new();
    one.set(first.context("no processor may be used")?)?;
    sched_setaffinity(this_thread, &one)?;
    let result = work();
    sched_setaffinity(this_thread, &allowed)?;
    result
}

/// Why something that needs these programs, and root if `root` says so, cannot be measured here.
#[must_use]
pub fn missing(programs: &[&str], root: bool) -> Option<String> {
    if root && !nix::unistd::geteuid().is_root() {
        return Some("root is needed".to_owned());
    }
    let absent = |program: &&&str| {
        let found = std::process::Command::new(program).arg("-V").output();
        found.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    };
    programs.iter().find(absent).map(|program| format!("program `{program}` is absent"))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use anyhow::bail;

    use super::*;

    #[test]
    fn one_processor_is_used_for_the_work_and_all_again_after_it_even_if_it_fails() {
        let before = sched_getaffinity(Pid::from_raw(0)).unwrap();
        let during = on_one_processor(|| Ok(sched_getaffinity(Pid::from_raw(0))?)).unwrap();
        let used = (0..CpuSet::count()).filter(|&cpu| during.is_set(cpu).unwrap()).count();
        assert_eq!(used, 1);
        assert!(on_one_processor::<()>(|| bail!("the work failed")).is_err());
        assert_eq!(sched_getaffinity(Pid::from_raw(0)).unwrap(), before);
    }

    #[test]
    fn a_time_before_1970_has_no_place_in_a_request() {
        let second = std::time::Duration::from_secs(1);
        assert_eq!(file_time(SystemTime::UNIX_EPOCH - second), None);
        let epoch = file_time(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(epoch.to_string(), "1970-01-01 00:00:00");
    }
}
