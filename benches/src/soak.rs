//! Whether `kms-sim serve` grows: at half of what it can do, with fault rules on, a journal, and clients
//! that are killed in the middle of what they do.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, anyhow, ensure};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::child::{Server, free_udp_address};
use crate::exchange::{ANSWER_TIMEOUT, bind, call, connect, learn_sizes, source_address};
use crate::growth::{Growth, Sample};
use crate::machine::Machine;
use crate::report;
use crate::script::{Script, Sizes};
use crate::suite::pause;

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Length of the load at half capacity.
    pub length: Duration,
    /// What the clients' fates follow from.
    pub seed: u64,
    /// The simulator's program.
    pub kms_sim: PathBuf,
}

/// What the clients did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Connections opened.
    pub conversations: u64,
    /// Calls that were answered as they should be.
    pub answered: u64,
    /// Clients that ended in RST, at a random moment.
    pub reset: u64,
    /// Clients that ended in FIN in the middle of what they did.
    pub left: u64,
    /// Conversations that a fault ended or spoiled.
    pub disturbed: u64,
}

/// Everything that one run measured.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Where and when.
    pub machine: Machine,
    /// How.
    pub plan: Plan,
    /// Conversations per second that the clients reach when nothing holds them back.
    pub capacity: f64,
    /// What they did at half of it.
    pub done: Done,
    /// Events that a fault rule struck.
    pub faults: f64,
    /// What the process used.
    pub growth: Growth,
}

/// Runs the whole plan; `progress` is told what is about to be done.
///
/// # Errors
/// When the server cannot be started, observed, or ended in good order.
pub fn run(plan: Plan, mut progress: impl FnMut(&str)) -> Result<Figures> {
    let machine = Machine::prepare()?;
    let script = Arc::new(Script::new(SystemTime::now())?);
    let folder =
        tempfile::tempdir_in(plan.kms_sim.parent().context("a program without a folder")?)?;
    let path = |name: &str| -> Result<String> {
        Ok(folder.path().join(name).to_str().context("a path that is not UTF-8")?.to_owned())
    };
    let (journal, faults, admin) = (path("journal")?, path("faults.toml")?, free_udp_address()?);
    let plain = Server::kms_sim(&plan.kms_sim, &["--log-level", "error"], None)?;
    let sizes = learn_sizes(plain.address, &script).context("kms-sim serve")?;
    plain.stop()?;
    std::fs::write(&faults, FAULTS)?;
    let options = [
        "--log-level",
        "error",
        "--journal",
        &journal,
        "--journal-max-rows",
        "10000",
        "--fault",
        &faults,
        "--admin",
        &admin.to_string(),
    ];
    let server = Server::kms_sim(&plan.kms_sim, &options, None)?;
    let clients = Clients { server: server.address, script, sizes, seed: plan.seed };

    progress("capacity, which also warms the server up");
    let begin = Instant::now();
    let load = clients.start(None);
    pause(CAPACITY_TIME);
    let capacity = load.finish()?.conversations as f64 / begin.elapsed().as_secs_f64();
    let at_rest_before = rest(&server, admin)?;

    progress(&format!("{:?} at half of {capacity:.0} conversations/s", plan.length));
    let begin = Instant::now();
    let load = clients.start(Some(capacity / 2.0));
    let mut samples = Vec::new();
    while begin.elapsed() < plan.length {
        pause(SAMPLE_INTERVAL);
        samples.push(sample(&server, admin)?);
    }
    let done = load.finish()?;
    let at_rest_after = rest(&server, admin)?;
    let faults = metric(&scrape(admin)?, "kms_sim_faults_applied_total");
    server.stop().context("kms-sim serve, after the soak")?;
    ensure!(
        done.answered > 0 && done.reset > 0 && done.left > 0 && faults > 0.0,
        "the soak did not do what it should: {done:?}, {faults} faults"
    );
    let growth = Growth { samples, at_rest: (at_rest_before, at_rest_after) };
    Ok(Figures { machine, plan, capacity, done, faults, growth })
}

/// Waits until no connection is open, and looks then.
fn rest(server: &Server, admin: SocketAddr) -> Result<Sample> {
    let deadline = Instant::now() + REST_TIMEOUT;
    loop {
        let open = metric(&scrape(admin)?, "kms_sim_connections");
        if open == 0.0 {
            return sample(server, admin);
        }
        ensure!(
            Instant::now() < deadline,
            "{open} connections are open {REST_TIMEOUT:?} after the last client has gone"
        );
        pause(Duration::from_millis(500));
    }
}

fn sample(server: &Server, admin: SocketAddr) -> Result<Sample> {
    let tasks = metric(&scrape(admin)?, "kms_sim_tasks_alive");
    ensure!(tasks > 0.0, "`/metrics` tells no tasks");
    Ok(Sample {
        memory: server.resident_bytes()? as f64,
        descriptors: server.descriptors()? as f64,
        tasks,
    })
}

fn scrape(admin: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect(admin).context("the admin server")?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("`/metrics`")?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "`/metrics` answers {:?}", answer.lines().next());
    Ok(answer)
}

/// The sum over all labels.
fn metric(page: &str, name: &str) -> f64 {
    let of_name = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with([' ', '{']))
    };
    page.lines()
        .filter(of_name)
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .fold(0.0, |sum, value| sum + value)
}

#[derive(Clone)]
struct Clients {
    server: SocketAddr,
    script: Arc<Script>,
    sizes: Sizes,
    seed: u64,
}

struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<Done>>,
}

impl Load {
    fn finish(self) -> Result<Done> {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Done::default();
        for thread in self.threads {
            let done = thread.join().map_err(|_| anyhow!("a client panicked"))?;
            sum.conversations += done.conversations;
            sum.answered += done.answered;
            sum.reset += done.reset;
            sum.left += done.left;
            sum.disturbed += done.disturbed;
        }
        Ok(sum)
    }
}

impl Clients {
    /// Sets all clients to work, at `rate` conversations per second in all where one is given.
    fn start(&self, rate: Option<f64>) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..CLIENTS)
            .map(|number| {
                let (clients, stop) = (self.clone(), Arc::clone(&stop));
                thread::spawn(move || clients.run(number, rate, &stop))
            })
            .collect();
        Load { stop, threads }
    }

    fn run(&self, number: u64, rate: Option<f64>, stop: &AtomicBool) -> Done {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(number);
        let interval = rate.map(|rate| Duration::from_secs_f64(CLIENTS as f64 / rate.max(1.0)));
        let mut due = Instant::now();
        let mut done = Done::default();
        while !stop.load(Ordering::Relaxed) {
            if let Some(interval) = interval {
                // After a long fault a client does not make up for more than a second.
                due = (due + interval.mul_f64(rng.random_range(0.0..2.0)))
                    .max(Instant::now() - Duration::from_secs(1));
                pause(due.saturating_duration_since(Instant::now()));
            }
            done.conversations += 1;
            // Faults end conversations in every way that there is.
            if self.converse(number, &mut rng, &mut done).is_err() {
                done.disturbed += 1;
            }
        }
        done
    }

    /// A connection with its calls, or up to the moment at which the client is killed.
    fn converse(&self, number: u64, rng: &mut ChaCha8Rng, done: &mut Done) -> Result<()> {
        let Self { server, script, sizes, .. } = self;
        let mut stream = connect(*server, source_address(usize::try_from(number)?))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let killed_at = rng.random_bool(0.5).then(|| rng.random_range(0..MOMENTS));
        let half = |bytes: &[u8]| bytes.get(..bytes.len() / 2).unwrap_or_default().to_vec();
        let mut kill = |stream: &TcpStream| -> Result<()> {
            if rng.random_bool(0.5) {
                socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))?;
                done.reset += 1;
            } else {
                done.left += 1;
            }
            Ok(())
        };
        match killed_at {
            Some(0) => return kill(&stream),
            Some(1) => {
                stream.write_all(&half(&script.bind))?;
                return kill(&stream);
            }
            Some(2) => {
                stream.write_all(&script.bind)?;
                return kill(&stream);
            }
            _ => bind(&mut stream, script, sizes)?,
        }
        let request = script.request(usize::try_from(done.conversations)?);
        match killed_at {
            Some(3) => return kill(&stream),
            Some(4) => stream.write_all(&half(request))?,
            Some(5) => stream.write_all(request)?,
            Some(_) => stream.write_all(&request.repeat(PIPELINED))?,
            None => {
                for _ in 0..CALLS {
                    call(&mut stream, request, sizes)?;
                    done.answered += 1;
                }
                return Ok(());
            }
        }
        kill(&stream)
    }
}

impl Figures {
    /// A page for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut page = String::new();
        // Writing to a String cannot fail.
        self.write(&mut page).unwrap_or_default();
        page
    }

    fn write(&self, page: &mut String) -> std::fmt::Result {
        let (done, length) = (&self.done, self.plan.length);
        report::write_machine(page, &self.machine)?;
        writeln!(
            page,
            "{length:?}, seed {}: {CLIENTS} clients, {:.0} conversations/s wanted, half of {:.0}; {:.0} done",
            self.plan.seed,
            self.capacity / 2.0,
            self.capacity,
            done.conversations as f64 / length.as_secs_f64()
        )?;
        writeln!(
            page,
            "{} conversations, {} calls answered; clients killed: {} by RST, {} by FIN; {} conversations \
             disturbed, {:.0} faults struck\n",
            done.conversations, done.answered, done.reset, done.left, done.disturbed, self.faults
        )?;
        self.growth.write(page)
    }
}

/// What misbehaves: every way to end a connection, and ways to keep it waiting.
const FAULTS: &str = r#"
fault = [
    { kind = "reset", stage = "accept", probability = 0.005 },
    { kind = "never-answer", stage = "bind", probability = 0.0005 },
    { kind = "bind-nak", reason = 2, probability = 0.005 },
    { kind = "reset", stage = "request", probability = 0.005 },
    { kind = "close", stage = "response", after = 20, probability = 0.005 },
    { kind = "delay", stage = "response", distribution = "uniform", min = "1ms", max = "20ms", probability = 0.02 },
    { kind = "drip", stage = "response", bytes = 40, interval = "2ms", probability = 0.005 },
    { kind = "corrupt", stage = "response", probability = 0.005 },
    { kind = "split", stage = "response", bytes = 64, probability = 0.01 },
]
"#;

/// Clients at once.
const CLIENTS: u64 = 64;

/// Calls of a client that is not killed.
const CALLS: usize = 4;

/// Calls that a client leaves unanswered when it is killed.
const PIPELINED: usize = 8;

/// Moments at which a client may be killed.
const MOMENTS: u32 = 7;

/// What a client waits for any answer.
const PATIENCE: Duration = Duration::from_millis(250);

const CAPACITY_TIME: Duration = Duration::from_secs(5);
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Longer than the server takes to notice that a client has gone.
const REST_TIMEOUT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "the figures are exact")]
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels_and_not_over_longer_names() {
        let page = "# TYPE a_faults counter\na_faults{k=\"x y\"} 3\na_faults{k=\"z\"} 4\na_faults_more 9\n";
        assert_eq!(metric(page, "a_faults"), 7.0);
        assert_eq!(metric(page, "a_missing"), 0.0);
    }
}
