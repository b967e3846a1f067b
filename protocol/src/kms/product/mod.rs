//! The products that a lab knows: what each needs and how long it waits, under ids of the lab's own.
//!
//! Application ids and client setup keys (GVLKs) are the ones that Microsoft publishes. SKU ids and
//! counted ids are **not** those of the real products: they are name-based GUIDs in a namespace of
//! the lab, so that a request for a real product is unknown here, and the other way round.

mod table;

use core::fmt;

use crate::guid::Guid;

pub use table::{DEFAULT, PRODUCTS};

/// One edition of one product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// The edition's name, unique in the catalogue.
    pub name: &'static str,
    /// What kind of product it is.
    pub family: Family,
    /// The group of products that one host key covers and that `kms_id` stands for.
    pub group: &'static str,
    /// Count that a host must report before the product activates.
    pub n_policy: u32,
    /// How long the product works without activation.
    pub grace: Grace,
    /// Application id: selects the host's counter. Microsoft's own.
    pub app_id: Guid,
    /// SKU or activation id of the edition. The lab's own: version 5 of "sku:" and the name.
    pub sku_id: Guid,
    /// Counted id. The lab's own: version 5 of "counted:" and the group.
    pub kms_id: Guid,
    /// The published client setup key, where Microsoft's page has been seen to carry one.
    pub gvlk: Option<&'static str>,
}

/// Kinds of products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Windows for workstations: needs a count of 25.
    WindowsClient,
    /// Windows Server: needs a count of 5.
    WindowsServer,
    /// Office suites: need a count of 5.
    Office,
    /// Project: needs a count of 5.
    Project,
    /// Visio: needs a count of 5.
    Visio,
}

/// How long a product works before and after its activation, in days.
///
/// Microsoft Learn, "Volume Activation Technical Reference", activation policy values; for Office,
/// "Rearm an Office installation" and "Activate Office by using KMS".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace {
    /// Days after installation before the product must be activated; 0 means at once.
    pub initial_days: u16,
    /// Days of those that pass before the user sees a prompt, where documented.
    pub quiet_days: Option<u16>,
    /// Days after the 180 days of an activation have run out, or the hardware has changed, before
    /// notifications begin; 0 means at once.
    pub additional_days: u16,
    /// How many times the initial period can be started again.
    pub rearm_limit: u16,
}

impl Product {
    /// The product called `name`, in any case.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        PRODUCTS.iter().find(|product| product.name.eq_ignore_ascii_case(name))
    }

    /// The product with this SKU id.
    #[must_use]
    pub fn by_sku_id(sku_id: &Guid) -> Option<&'static Self> {
        PRODUCTS.iter().find(|product| product.sku_id == *sku_id)
    }

    /// The products that are counted under this id; none if it is unknown.
    pub fn by_kms_id(kms_id: Guid) -> impl Iterator<Item = &'static Self> {
        PRODUCTS.iter().filter(move |product| product.kms_id == kms_id)
    }
}

impl Family {
    /// All families.
    pub const ALL: [Self; 5] =
        [Self::WindowsClient, Self::WindowsServer, Self::Office, Self::Project, Self::Visio];

    /// The family's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WindowsClient => "Windows client",
            Self::WindowsServer => "Windows Server",
            Self::Office => "Office",
            Self::Project => "Project",
            Self::Visio => "Visio",
        }
    }

    /// Count that its products need.
    #[must_use]
    pub const fn n_policy(self) -> u32 {
        match self {
            Self::WindowsClient => 25,
            Self::WindowsServer | Self::Office | Self::Project | Self::Visio => 5,
        }
    }

    /// Application id of its products.
    #[must_use]
    pub const fn app_id(self) -> Guid {
        match self {
            Self::WindowsClient | Self::WindowsServer => WINDOWS_APP_ID,
            Self::Office | Self::Project | Self::Visio => OFFICE_APP_ID,
        }
    }
}

impl Grace {
    /// Windows 7 and Server 2008 R2.
    pub const WINDOWS_7: Self =
        Self { initial_days: 30, quiet_days: None, additional_days: 30, rearm_limit: 3 };
    /// Windows 8.1, Server 2012 R2 and later: no grace, notifications at once.
    pub const WINDOWS_8_1: Self =
        Self { initial_days: 0, quiet_days: None, additional_days: 0, rearm_limit: 1000 };
    /// Office, Project and Visio. A KMS activation adds one rearm to the five.
    pub const OFFICE: Self =
        Self { initial_days: 30, quiet_days: Some(25), additional_days: 30, rearm_limit: 5 };
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Application id of Windows, as Microsoft's slmgr.vbs has it.
pub const WINDOWS_APP_ID: Guid = guid("55c92734-d682-4d71-983e-d6ec3f16059f");

/// Application id of Office 2013 and later, as Microsoft's ospp.vbs has it.
pub const OFFICE_APP_ID: Guid = guid("0ff1ce15-a989-479d-af46-f275c6370663");

/// Namespace of the lab's ids: version 5 of "kms-lab.invalid" in the DNS namespace (RFC 9562 6.6).
pub const LAB_NAMESPACE: Guid = guid("81728b5f-f1b4-5055-8ee7-92062694c6ea");

/// Days that an activation holds without a renewal.
pub const VALIDITY_DAYS: u16 = 180;

/// A GUID in a table of constants: a mistake is a compile error.
#[allow(clippy::panic, reason = "evaluated by the compiler only")]
const fn guid(text: &str) -> Guid {
    match Guid::parse(text) {
        Ok(guid) => guid,
        Err(_) => panic!("not a GUID"),
    }
}

#[cfg(test)]
mod tests;
