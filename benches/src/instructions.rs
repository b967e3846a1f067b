//! Instructions that the server's state machine takes for an exchange, counted by callgrind, beside
//! those of a stored baseline. Unlike times they are the same on a busy machine.
//!
//! The program runs itself under callgrind twice, with more and with fewer exchanges: the difference
//! is theirs alone. The baseline has a row for each compiler and set of processor features, for both
//! decide what the same source becomes.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};

use crate::sans_io::{Host, bind};
use crate::script::Script;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// A version 6.0 call and its answer, with cryptography.
    Answer,
    /// A call that is answered with a fault.
    Fault,
    /// A new connection and its bind.
    Bind,
}

impl Case {
    /// All.
    pub const ALL: [Self; 3] = [Self::Answer, Self::Fault, Self::Bind];

    /// As the baseline names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer-6.0",
            Self::Fault => "fault",
            Self::Bind => "bind",
        }
    }

    /// The case of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|case| case.name() == name)
    }

    /// Does it so many times, and prints which features of the processor it was done with.
    ///
    /// # Errors
    /// An exchange without an answer.
    pub fn perform(self, count: usize) -> Result<String> {
        let script = Script::new(SystemTime::UNIX_EPOCH + TIME)?;
        let mut host = Host::new();
        let mut bound = bind(&script, &mut host);
        host.answer_calls = self == Self::Answer;
        for n in 0..count {
            if self == Self::Bind {
                bound = bind(black_box(&script), &mut host);
            } else {
                let sent = host.exchange(&mut bound, black_box(script.request(n)));
                ensure!(sent > 0, "{}: exchange {n} was not answered", self.name());
            }
        }
        let sent = host.exchange(&mut bound, script.request(count));
        ensure!(sent > 0, "{}: the last connection does not answer", self.name());
        Ok(features())
    }
}

/// What was counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// Compiler, architecture and features.
    pub setting: String,
    /// Instructions of one, by case.
    pub each: Vec<(Case, f64)>,
}

/// Counts every case with `program`, which is to perform `CASE COUNT`.
///
/// # Errors
/// There is no valgrind, or it says nothing.
pub fn count(program: &Path) -> Result<Counted> {
    let mut features = String::new();
    let mut each = Vec::new();
    for case in Case::ALL {
        let (few, _) = callgrind(program, case, FEW)?;
        let (many, with) = callgrind(program, case, MANY)?;
        each.push((case, many.saturating_sub(few) as f64 / (MANY - FEW) as f64));
        features = with;
    }
    Ok(Counted { setting: format!("{}, {features}", compiler()?), each })
}

/// All instructions of the program, and what it printed.
fn callgrind(program: &Path, case: Case, count: usize) -> Result<(u64, String)> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
    command.args(["--perform", case.name(), &count.to_string()]);
    let output = command.output().context("valgrind (scripts/install-tools installs it)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "callgrind: {said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    let collected = collected.and_then(|(_, number)| number.trim().parse().ok());
    let collected = collected.with_context(|| format!("callgrind counted nothing: {said}"))?;
    Ok((collected, String::from_utf8_lossy(&output.stdout).trim().to_owned()))
}

/// Name, version and commit of the compiler in use.
fn compiler() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().context("rustc --version")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What decides which of their own implementations the cryptographic crates take.
fn features() -> String {
    let mut text = std::env::consts::ARCH.to_owned();
    #[cfg(target_arch = "x86_64")]
    for (name, is_there) in [
        ("aes", is_x86_feature_detected!("aes")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("sha", is_x86_feature_detected!("sha")),
    ] {
        if is_there {
            text.push('+');
            text.push_str(name);
        }
    }
    text
}

/// The stored figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baseline(Vec<(f64, Case, String)>);

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Within what is allowed.
    Holds,
    /// More than that.
    Grown,
    /// There is no figure of this compiler.
    Unknown,
}

impl Baseline {
    /// Reads rows of `INSTRUCTIONS CASE SETTING`, apart by tabs; lines from `#` are left out.
    ///
    /// # Errors
    /// The line that is none.
    pub fn read(text: &str) -> Result<Self> {
        let row = |(index, line): (usize, &str)| -> Result<_> {
            let cells: Vec<&str> = line.split('\t').collect();
            let [figure, case, setting] = cells.as_slice() else {
                bail!("line {}: not INSTRUCTIONS, CASE and SETTING", index + 1)
            };
            let figure =
                figure.parse().with_context(|| format!("line {}: `{figure}`", index + 1))?;
            let case =
                Case::by_name(case).with_context(|| format!("line {}: `{case}`", index + 1))?;
            Ok((figure, case, (*setting).to_owned()))
        };
        let is_row = |(_, line): &(usize, &str)| !line.is_empty() && !line.starts_with('#');
        text.lines().enumerate().filter(is_row).map(row).collect::<Result<_>>().map(Self)
    }

    /// The same with `counted` in the place of what it had of that setting.
    #[must_use]
    pub fn updated(&self, counted: &Counted) -> Self {
        let others = self.0.iter().filter(|(_, _, setting)| *setting != counted.setting).cloned();
        let new = counted.each.iter().map(|(case, each)| (*each, *case, counted.setting.clone()));
        Self(others.chain(new).collect())
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = HEADER.to_owned();
        for (figure, case, setting) in &self.0 {
            writeln!(text, "{figure:.1}\t{}\t{setting}", case.name()).unwrap_or_default();
        }
        text
    }

    /// How a figure of `counted` stands.
    #[must_use]
    pub fn find(&self, setting: &str, case: Case, each: f64) -> (Option<f64>, Finding) {
        let mine = |(_, of, with): &&(f64, Case, String)| *of == case && with == setting;
        match self.0.iter().find(mine) {
            None => (None, Finding::Unknown),
            Some((base, ..)) if each > base * GROWTH_MAX => (Some(*base), Finding::Grown),
            Some((base, ..)) => (Some(*base), Finding::Holds),
        }
    }

    /// For people, and whether it holds; with an unknown compiler there is nothing to hold it to.
    #[must_use]
    pub fn report(&self, counted: &Counted) -> (String, bool) {
        let mut text = format!("instructions per exchange, {}\n", counted.setting);
        let (mut holds, mut is_known) = (true, true);
        for (case, each) in &counted.each {
            let (base, finding) = self.find(&counted.setting, *case, *each);
            let beside = base.map_or_else(String::new, |base| {
                format!("  baseline {base:>9.1}  {:+.1}%", (each / base - 1.0) * 100.0)
            });
            let grown = if finding == Finding::Grown { "  GROWN by more than 5%" } else { "" };
            writeln!(text, "{:<12}{each:>9.1}{beside}{grown}", case.name()).unwrap_or_default();
            holds &= finding != Finding::Grown;
            is_known &= finding != Finding::Unknown;
        }
        if !is_known {
            text.push_str(
                "there is no baseline of this compiler and processor: \
                 `scripts/bench instructions --update` writes it\n",
            );
        }
        (text, holds)
    }
}

/// Any time will do, as long as it is always the same.
const TIME: Duration = Duration::from_secs(1_795_000_000);
const FEW: usize = 1_000;
const MANY: usize = 3_000;
/// Of the baseline.
const GROWTH_MAX: f64 = 1.05;
const HEADER: &str = "\
# Instructions per exchange of the sans-IO server, by case, compiler and processor features.
# Written by `scripts/bench instructions --update`; the gate fails when a figure grows by over 5%.
";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn counted(each: f64) -> Counted {
        Counted { setting: "rustc 1, x".to_owned(), each: vec![(Case::Answer, each)] }
    }

    #[test]
    fn a_figure_may_grow_by_five_percent_and_no_more() {
        let baseline = Baseline::default().updated(&counted(1000.0));
        assert_eq!(Baseline::read(&baseline.text()).unwrap(), baseline);
        assert!(baseline.report(&counted(1049.0)).1 && baseline.report(&counted(500.0)).1);
        let (text, holds) = baseline.report(&counted(1051.0));
        assert!(!holds && text.contains("GROWN"), "{text}");
    }

    #[test]
    fn another_compiler_is_asked_for_a_baseline_and_keeps_those_of_others() {
        let baseline = Baseline::default().updated(&counted(1000.0));
        let other = Counted { setting: "rustc 2, x".to_owned(), ..counted(9000.0) };
        let (text, holds) = baseline.report(&other);
        assert!(holds && text.contains("--update"), "{text}");
        let both = baseline.updated(&other).updated(&counted(900.0));
        assert_eq!(both.0.len(), 2);
        assert_eq!(both.find("rustc 2, x", Case::Answer, 9000.0).1, Finding::Holds);
        assert!(Baseline::read("1\tanswer-6.0").is_err() && Baseline::read("x\tbind\ty").is_err());
    }

    #[test]
    fn every_case_is_answered() {
        for case in Case::ALL {
            assert!(case.perform(3).is_ok(), "{case:?}");
            assert_eq!(Case::by_name(case.name()), Some(case));
        }
    }
}
