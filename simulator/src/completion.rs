//! Completion scripts of both programs.

use clap::Command;
use clap_complete::{Shell, generate};

/// The completion script of `program` for a shell.
#[must_use]
pub fn script(shell: Shell, program: &mut Command) -> Vec<u8> {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    generate(shell, program, &name, &mut script);
    if shell != Shell::Bash {
        return script;
    }
    // The generator writes the hyphen of a program's name in two ways, and then no command
    // completes its flags.
    let (wrong, right) = (name.replace('-', "__subcmd__"), name.replace('-', "__"));
    String::from_utf8_lossy(&script).replace(&wrong, &right).into_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn bash_finds_the_flags_of_a_command_of_a_program_with_a_hyphen() {
        let serve = Command::new("serve").arg(clap::Arg::new("dns").long("dns"));
        let mut program = Command::new("kms-sim").subcommand(serve);
        let script = String::from_utf8(script(Shell::Bash, &mut program)).unwrap();
        let set = script.lines().filter_map(|line| line.trim().strip_prefix("cmd=\""));
        let labels: Vec<_> = set.filter_map(|line| line.strip_suffix('"')).collect();
        assert!(labels.contains(&"kms__sim__subcmd__serve"), "{labels:?}");
        for label in labels.iter().filter(|label| !label.is_empty()) {
            assert!(script.contains(&format!("        {label})\n")), "no case for {label}");
        }
    }
}
