//! `kms-sim fleet show`: a scenario as TOML.

use clap::Args;

use super::source;
use crate::cli::output;
use crate::fleet::builtin::Builtin;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// A scenario that comes with the program, or a file.
    #[arg(value_name = "FILE|BUILTIN")]
    source: String,
    /// Print every key with its value, those that were left out as well, without comments.
    #[arg(long)]
    complete: bool,
}

/// # Errors
/// There is no such scenario, or it is wrong.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let text = match arguments.complete {
        true => source::load(&arguments.source)?.to_toml()?,
        false => source::text(&arguments.source)?,
    };
    let text = match (arguments.complete, Builtin::by_name(&arguments.source)) {
        (false, Some(builtin)) => {
            format!(
                "# Its page, with figures and a plot: docs/scenarios/{}.md\n{text}",
                builtin.name
            )
        }
        _ => text,
    };
    output::print(text.as_bytes())
}

const EXAMPLES: &str = "Examples:
  kms-sim fleet show first-rollout
  kms-sim fleet show first-rollout > plan.toml   # to change it
  kms-sim fleet show plan.toml --complete        # with every default";
