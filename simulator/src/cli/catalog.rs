//! `kms-sim catalog`: the products that the lab knows.

use std::fmt::Write;

use clap::{Args, ValueEnum};
use kms_protocol::kms::product::{PRODUCTS, Product};
use serde::Serialize;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How to print the catalogue.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    /// A table for people.
    #[default]
    Text,
    /// An array of objects for scripts.
    Json,
}

/// One object of the JSON array; the names are fixed for scripts.
#[derive(Serialize)]
struct Row {
    product: &'static str,
    family: &'static str,
    n_policy: u32,
    app_id: String,
    sku_id: String,
    kms_id: String,
    gvlk: Option<&'static str>,
}

/// The catalogue in the wanted format, ready to print.
pub(super) fn render(arguments: &Arguments) -> anyhow::Result<Vec<u8>> {
    match arguments.format {
        Format::Text => Ok(table()?.into_bytes()),
        Format::Json => {
            let rows: Vec<Row> = PRODUCTS.iter().map(Row::from).collect();
            let mut json = serde_json::to_vec_pretty(&rows)?;
            json.push(b'\n');
            Ok(json)
        }
    }
}

fn table() -> Result<String, std::fmt::Error> {
    let widest = |name: fn(&Product) -> &str| PRODUCTS.iter().map(|p| name(p).len()).max();
    let product_width = widest(|product| product.name).unwrap_or_default();
    let family_width = widest(|product| product.family.name()).unwrap_or_default();
    let mut table = String::new();
    writeln!(
        table,
        "{:product_width$}  {:family_width$}  {:>2}  {:36}  {:36}  {:36}  GVLK",
        "PRODUCT", "FAMILY", "N", "APP ID", "SKU ID (lab)", "KMS ID (lab)"
    )?;
    for product in PRODUCTS {
        let Row { product, family, n_policy, app_id, sku_id, kms_id, gvlk } = product.into();
        let gvlk = gvlk.unwrap_or("-");
        writeln!(
            table,
            "{product:product_width$}  {family:family_width$}  {n_policy:>2}  {app_id}  {sku_id}  \
             {kms_id}  {gvlk}"
        )?;
    }
    Ok(table)
}

impl From<&Product> for Row {
    fn from(product: &Product) -> Self {
        Self {
            product: product.name,
            family: product.family.name(),
            n_policy: product.n_policy,
            app_id: product.app_id.to_string(),
            sku_id: product.sku_id.to_string(),
            kms_id: product.kms_id.to_string(),
            gvlk: product.gvlk,
        }
    }
}
