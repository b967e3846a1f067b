//! Names from elsewhere as names of a scenario, and products as those of the catalogue.

use std::collections::{BTreeMap, HashMap};

use kms_page::text::{escape, is_dangerous};
use kms_protocol::kms::product::{DEFAULT, Family, PRODUCTS, Product};

use super::request::Sighting;
use crate::fleet::scenario::{ListedClient, nearest, shape::NAME_BYTES_MAX};

/// A client's own name, where a scenario can have it.
pub(super) fn client(name: &str) -> Option<String> {
    let plain: String = name.chars().filter(|c| !is_dangerous(*c)).collect();
    // What reads as a CMID would be one in the scenario.
    let listed: ListedClient = plain.trim().parse().ok()?;
    listed.name.filter(|_| listed.cmid.is_none())
}

/// A name for a site, a host or a group that says `text`.
pub(super) fn plain(text: &str) -> String {
    let mut name = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || matches!(character, '.' | '_') {
            name.push(character.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    let name = name.trim_start_matches(['.', '_']).trim_end_matches(['-', '.']);
    // Room for what is added to tell one from another.
    let name: String = name.chars().take(NAME_BYTES_MAX - SUFFIX_BYTES).collect();
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

/// Which product a client has, and what had to be assumed to say so.
#[derive(Debug)]
pub(super) struct Products {
    given: HashMap<String, &'static Product>,
    known: HashMap<String, &'static Product>,
    /// What was not known, in words, and what it was taken for.
    pub(super) assumed: BTreeMap<String, &'static str>,
}

impl Products {
    pub(super) fn new(given: &[(String, &'static Product)]) -> Self {
        let given = given.iter().map(|(text, product)| (text.to_lowercase(), *product)).collect();
        Self { given, known: HashMap::new(), assumed: BTreeMap::new() }
    }

    pub(super) fn resolve(&mut self, seen: &Sighting) -> &'static Product {
        let sku = seen.sku.map(|sku| sku.to_string());
        let texts = || sku.iter().chain(&seen.product);
        if let Some(given) = texts().find_map(|text| self.given.get(&text.to_lowercase())) {
            return given;
        }
        let by_name = || Product::by_name(seen.product.as_deref()?);
        if let Some(product) = seen.sku.and_then(|sku| Product::by_sku_id(&sku)).or_else(by_name) {
            return product;
        }
        let key = texts().next().cloned().unwrap_or_default();
        if let Some(product) = self.known.get(&key) {
            return product;
        }
        let (product, what) = assume(seen);
        if self.known.len() < KNOWN_MAX {
            self.known.insert(key, product);
            self.assumed.insert(what, product.name);
        }
        product
    }
}

/// The likeliest product, and what is not known about it.
fn assume(seen: &Sighting) -> (&'static Product, String) {
    let by_policy = match seen.n_policy {
        Some(n_policy) if n_policy < DEFAULT.n_policy => {
            PRODUCTS.iter().find(|product| product.family == Family::WindowsServer)
        }
        _ => None,
    };
    let by_policy = by_policy.unwrap_or(DEFAULT);
    let needs = seen.n_policy.map_or(String::new(), |n| format!(", which needs a count of {n},"));
    match (&seen.product, seen.sku) {
        (Some(name), _) => {
            let near = nearest(name, PRODUCTS.iter().map(|product| product.name));
            let product = near.and_then(Product::by_name).unwrap_or(by_policy);
            (product, format!("product `{}`{needs}", escape(name)))
        }
        (None, Some(sku)) => (by_policy, format!("activation id `{sku}`{needs}")),
        (None, None) => (by_policy, format!("a client without a product{needs}")),
    }
}

/// Unknown products that are remembered and named.
const KNOWN_MAX: usize = 10_000;
/// Room for what is put behind a name.
pub(super) const SUFFIX_BYTES: usize = 24;
