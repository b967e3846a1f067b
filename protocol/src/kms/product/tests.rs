#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
extern crate std;

use super::*;
use std::collections::BTreeSet;
use std::format;

#[test]
fn every_id_is_a_version_5_guid_of_its_name_in_the_lab_namespace() {
    let dns_namespace = Guid::parse("6ba7b810-9dad-11d1-80b4-00c04fd430c8").unwrap();
    assert_eq!(Guid::v5(&dns_namespace, b"kms-lab.invalid"), LAB_NAMESPACE);
    for product in PRODUCTS {
        let sku = Guid::v5(&LAB_NAMESPACE, format!("sku:{}", product.name).as_bytes());
        let counted = Guid::v5(&LAB_NAMESPACE, format!("counted:{}", product.group).as_bytes());
        assert_eq!(product.sku_id, sku, "{product}");
        assert_eq!(product.kms_id, counted, "{product}");
        for id in [product.sku_id, product.kms_id] {
            assert_eq!(id.as_bytes()[6] >> 4, 5, "version of {id}");
            assert_eq!(id.as_bytes()[8] >> 6, 0b10, "variant of {id}");
        }
    }
}

#[test]
fn names_and_sku_ids_are_unique_and_counted_ids_are_one_per_group() {
    let names: BTreeSet<_> = PRODUCTS.iter().map(|p| p.name.to_ascii_lowercase()).collect();
    let skus: BTreeSet<_> = PRODUCTS.iter().map(|p| p.sku_id).collect();
    let groups: BTreeSet<_> = PRODUCTS.iter().map(|p| p.group).collect();
    let counted: BTreeSet<_> = PRODUCTS.iter().map(|p| p.kms_id).collect();
    assert_eq!(names.len(), PRODUCTS.len());
    assert_eq!(skus.len(), PRODUCTS.len());
    assert_eq!(groups.len(), counted.len());
    assert!(skus.is_disjoint(&counted));
}

#[test]
fn thresholds_and_applications_are_as_published() {
    for product in PRODUCTS {
        let (n, app) = match product.family {
            Family::WindowsClient => (25, "55c92734-d682-4d71-983e-d6ec3f16059f"),
            Family::WindowsServer => (5, "55c92734-d682-4d71-983e-d6ec3f16059f"),
            _ => (5, "0ff1ce15-a989-479d-af46-f275c6370663"),
        };
        assert_eq!(product.n_policy, n, "{product}");
        assert_eq!(product.app_id, Guid::parse(app).unwrap(), "{product}");
    }
    for family in Family::ALL {
        assert!(PRODUCTS.iter().any(|product| product.family == family), "{family}");
    }
}

#[test]
fn setup_keys_have_the_printed_form_and_2024_office_products_carry_none() {
    for product in PRODUCTS {
        if let Some(key) = product.gvlk {
            let groups: std::vec::Vec<_> = key.split('-').collect();
            assert_eq!(groups.len(), 5, "{product}");
            let is_digit = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
            assert!(groups.iter().all(|g| g.len() == 5 && g.chars().all(is_digit)), "{product}");
        }
    }
    let office_2024: std::vec::Vec<_> =
        PRODUCTS.iter().filter(|product| product.group == "Office LTSC 2024").collect();
    assert_eq!(office_2024.len(), 6);
    assert!(office_2024.iter().all(|product| product.gvlk.is_none()));
}

#[test]
fn grace_follows_the_generation() {
    assert_eq!(Product::by_name("windows 7 enterprise").unwrap().grace.initial_days, 30);
    assert_eq!(Product::by_name("Windows 10/11 Pro").unwrap().grace, Grace::WINDOWS_8_1);
    assert_eq!(Product::by_name("Windows Server 2008 R2 Standard").unwrap().grace.rearm_limit, 3);
    assert_eq!(Product::by_name("Visio LTSC 2021 Standard").unwrap().grace, Grace::OFFICE);
}

#[test]
fn look_ups_find_what_is_there_and_nothing_else() {
    for product in PRODUCTS {
        assert_eq!(Product::by_sku_id(&product.sku_id), Some(product));
        assert_eq!(Product::by_name(&product.name.to_ascii_uppercase()), Some(product));
        assert!(Product::by_kms_id(product.kms_id).all(|other| other.group == product.group));
    }
    assert_eq!(Product::by_name("Windows 95"), None);
    assert_eq!(Product::by_sku_id(&DEFAULT.kms_id), None);
    assert_eq!(Product::by_kms_id(Guid::ZERO).count(), 0);
    assert_eq!(DEFAULT.n_policy, 25);
}
