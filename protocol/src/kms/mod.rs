//! The KMS call: request, response, lab cryptography, status codes and products.
//!
//! Layouts are those of Microsoft's Volume Activation 2.0 Operations Guide, "KMS RPC Messages".
//! Keys are the lab's own: see [`crypto`].

pub mod crypto;
pub mod envelope;
mod epid;
pub mod hresult;
mod license_status;
mod machine_name;
pub mod mark;
pub mod product;
mod request;
mod response;
mod utf16;
mod version;

pub use epid::Epid;
pub use hresult::Hresult;
pub use license_status::LicenseStatus;
pub use machine_name::MachineName;
pub use request::Request;
pub use response::Response;
pub use version::Version;

/// TCP port of a KMS host unless it was changed.
pub const DEFAULT_PORT: u16 = 1688;

/// Activation interval of a KMS host unless it was changed, in minutes.
pub const DEFAULT_ACTIVATION_INTERVAL_MINUTES: u32 = 120;

/// Renewal interval of a KMS host unless it was changed, in minutes.
pub const DEFAULT_RENEWAL_INTERVAL_MINUTES: u32 = 10_080;

/// Smallest value that either interval can be set to, in minutes.
pub const INTERVAL_MINUTES_MIN: u32 = 15;

/// Largest value that either interval can be set to, in minutes.
pub const INTERVAL_MINUTES_MAX: u32 = 43_200;
