//! A command of the configuration, run with bounds: in time, and in what is kept of its output.

use std::io::{self, Read, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Whether it said so with exit code 0.
    pub is_success: bool,
    /// `exit 1`, `killed after 60s`, `ended by signal 9`, or why it could not start.
    pub outcome: String,
    /// The end of what it wrote, standard output and standard error as they came.
    pub output: String,
}

/// Runs `command` with `input` on its standard input, and kills it after `timeout` together with
/// what it started.
#[must_use]
pub fn run(
    command: &[String],
    input: &[u8],
    environment: &[(&str, String)],
    timeout: Duration,
) -> Ran {
    let could_not = |error: io::Error| Ran {
        is_success: false,
        outcome: format!("could not run `{}`: {error}", command.first().map_or("", String::as_str)),
        output: String::new(),
    };
    let begun = Instant::now();
    match start(command, environment) {
        Ok(child) => follow(child, input, begun, timeout).unwrap_or_else(could_not),
        Err(error) => could_not(error),
    }
}

fn start(command: &[String], environment: &[(&str, String)]) -> io::Result<Child> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(arguments);
    // The system refuses a variable with a zero byte, and values come from the network.
    command.envs(environment.iter().map(|(name, value)| (name, value.replace('\0', ""))));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn()
}

fn follow(mut child: Child, input: &[u8], begun: Instant, timeout: Duration) -> io::Result<Ran> {
    if let Some(mut pipe) = child.stdin.take() {
        let input = input.to_vec();
        // It may not read: that must not hold anything up, and is no failure.
        thread::Builder::new().spawn(move || pipe.write_all(&input).ok())?;
    }
    let (sender, chunks) = channel();
    read_from(child.stdout.take(), sender.clone())?;
    read_from(child.stderr.take(), sender)?;
    let mut tail = Tail::default();
    let (status, was_killed) = wait(&mut child, &chunks, &mut tail, begun + timeout)?;
    // What is still in the pipes; a child of the child may hold them open for good.
    let until = Instant::now() + DRAIN;
    while let Ok(chunk) = chunks.recv_timeout(until.saturating_duration_since(Instant::now())) {
        tail.add(&chunk);
    }
    Ok(Ran {
        is_success: status.success() && !was_killed,
        outcome: match was_killed {
            true => format!("killed after {timeout:?}"),
            false => words(status),
        },
        output: tail.text(),
    })
}

fn wait(
    child: &mut Child,
    chunks: &Receiver<Vec<u8>>,
    tail: &mut Tail,
    deadline: Instant,
) -> io::Result<(ExitStatus, bool)> {
    let (mut is_open, (_quiet, silence)) = (true, channel::<()>());
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, false));
        }
        if Instant::now() >= deadline {
            kill(child);
            return Ok((child.wait()?, true));
        }
        if !is_open {
            // Its pipes are closed and it lives on: there is nothing left to wait for but time.
            let _elapsed = silence.recv_timeout(GLANCE);
            continue;
        }
        match chunks.recv_timeout(GLANCE) {
            Ok(chunk) => tail.add(&chunk),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => is_open = false,
        }
    }
}

/// Ends the command and what it started.
fn kill(child: &mut Child) {
    #[cfg(target_os = "linux")]
    if let Ok(group) = i32::try_from(child.id()) {
        use nix::sys::signal::{Signal, killpg};
        // It may have ended by itself in this moment.
        killpg(nix::unistd::Pid::from_raw(group), Signal::SIGKILL).ok();
    }
    child.kill().ok();
}

fn read_from(pipe: Option<impl Read + Send + 'static>, sender: Sender<Vec<u8>>) -> io::Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    thread::Builder::new().spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = pipe.read(&mut buffer)
            && sender.send(buffer.get(..read).unwrap_or_default().to_vec()).is_ok()
        {}
    })?;
    Ok(())
}

#[cfg(unix)]
fn words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

#[cfg(not(unix))]
fn words(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("exit {code}"))
}

/// The last bytes of an output.
#[derive(Default)]
struct Tail {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Tail {
    fn add(&mut self, chunk: &[u8]) {
        self.bytes.extend_from_slice(chunk);
        let beyond = self.bytes.len().saturating_sub(OUTPUT_BYTES_MAX);
        if beyond > 0 {
            self.bytes.drain(..beyond);
            self.is_cut = true;
        }
    }

    fn text(&self) -> String {
        let cut = if self.is_cut { "… " } else { "" };
        format!("{cut}{}", String::from_utf8_lossy(&self.bytes).trim_end())
    }
}

/// What is kept of a command's output: its end.
pub const OUTPUT_BYTES_MAX: usize = 4096;
/// How often it is looked whether a silent command has ended.
const GLANCE: Duration = Duration::from_millis(20);
/// How long output is awaited once a command has ended.
const DRAIN: Duration = Duration::from_millis(500);

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str, input: &str, timeout: Duration) -> Ran {
        let command = ["sh", "-c", script].map(str::to_owned);
        run(&command, input.as_bytes(), &[("WORD", "from\0 outside".to_owned())], timeout)
    }

    const AMPLE: Duration = Duration::from_secs(60);

    #[test]
    fn input_environment_output_and_exit_code_pass() {
        let ran = shell("cat; echo \"$WORD\"; exit 3", "hello\n", AMPLE);
        assert_eq!(ran.output, "hello\nfrom outside");
        assert_eq!((ran.is_success, ran.outcome.as_str()), (false, "exit 3"));
        assert!(shell("true", "", AMPLE).is_success);
    }

    #[test]
    fn what_takes_too_long_is_killed_with_its_children() {
        let ran = shell("sleep 600 & wait", "", Duration::from_millis(100));
        assert_eq!((ran.is_success, ran.outcome.as_str()), (false, "killed after 100ms"));
    }

    #[test]
    fn a_command_that_closes_its_pipes_or_reads_nothing_is_waited_for() {
        let big = "x".repeat(1 << 20);
        assert!(shell("exec >&- 2>&- <&-; sleep 0.05", &big, AMPLE).is_success);
    }

    #[test]
    fn only_the_end_of_the_output_is_kept() {
        let ran = shell("yes line | head -c 1000000; echo end", "", AMPLE);
        assert!(ran.output.starts_with("… ") && ran.output.ends_with("end"), "{}", ran.output);
        assert!(ran.output.len() <= OUTPUT_BYTES_MAX + 4);
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let ran = run(&["/nowhere/at/all".to_owned()], b"", &[], AMPLE);
        assert!(ran.outcome.contains("`/nowhere/at/all`"), "{}", ran.outcome);
    }
}
