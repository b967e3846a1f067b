//! kms-sim: a lab KMS host that cannot activate anything.

use std::process::ExitCode;

fn main() -> ExitCode {
    kms_simulator::cli::main()
}
