//! The kms-probe program.

use std::process::ExitCode;

fn main() -> ExitCode {
    kms_probe::cli::main()
}
