//! `kms-sim fleet import`: a scenario of what is known of a real population.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use kms_protocol::kms::product::{PRODUCTS, Product};

use super::formats;
use crate::cli::output;
use crate::fleet::import::{Import, Options};
use crate::fleet::scenario::{Scenario, nearest};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// Event 12290 as XML, CSV or lines, a journal, or an inventory as CSV with headings such as name,
    /// product, CMID, last contact and site. Several are put together; the content tells what is what.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the scenario to a file instead of printing it.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What the scenario is called.
    #[arg(long, value_name = "NAME", default_value = "imported")]
    name: String,
    /// The product that an activation id, or a name in an inventory, stands for.
    #[arg(long = "product", value_name = "ID=PRODUCT", value_parser = product)]
    products: Vec<(String, &'static Product)>,
}

/// # Errors
/// A file cannot be read, is wrong (with its line), or holds no client; the output cannot be written.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let options = Options { name: arguments.name.clone(), products: arguments.products.clone() };
    let mut import = Import::new(options);
    for file in &arguments.files {
        import.file(file)?;
    }
    let text = import.scenario()?;
    // Whatever was read, what is written can be run.
    Scenario::from_toml(&text).map_err(|mistakes| {
        let first = mistakes.first().map_or_else(String::new, ToString::to_string);
        anyhow!("what was read does not make a scenario: {first}")
    })?;
    match &arguments.output {
        Some(path) => formats::write(path, text.as_bytes()),
        None => output::print(text.as_bytes()),
    }
}

fn product(text: &str) -> Result<(String, &'static Product), String> {
    let (id, name) = text.split_once('=').ok_or("not ID=PRODUCT")?;
    match Product::by_name(name.trim()) {
        Some(product) => Ok((id.trim().to_owned(), product)),
        None => Err(match nearest(name, PRODUCTS.iter().map(|product| product.name)) {
            Some(near) => format!("no such product: `{name}`; did you mean `{near}`?"),
            None => format!("no such product: `{name}` (`kms-sim catalog` prints all)"),
        }),
    }
}

const EXAMPLES: &str = "Examples:
  kms-sim fleet import kms1.xml kms2.xml --output plan.toml   # wevtutil qe \"Key Management Service\" /f:xml
  kms-sim fleet import inventory.csv --output plan.toml && kms-sim fleet run plan.toml
  kms-sim fleet import lab.journal inventory.csv --name branch --product 'Win10 Ent=Windows 10/11 Enterprise'";
