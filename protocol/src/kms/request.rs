//! The 236-byte base of an activation request, the same in every version.

use super::{LicenseStatus, MachineName, Version};
use crate::filetime::FileTime;
use crate::guid::Guid;
use crate::wire::{ByteOrder, Expected, Malformed, Misuse, Reader, Writer};

/// What a client says about itself. Volume Activation 2.0 Operations Guide, "KMS RPC Messages".
///
/// All integers are little-endian and all GUIDs in little-endian form, whatever the PDU's byte
/// order is. Values are kept as received: judging them is the host's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Protocol version.
    pub version: Version,
    /// 0 on a physical machine, 1 in a virtual one; anything else survives.
    pub vm_info: u32,
    /// Licence state at the time of the request.
    pub license_status: LicenseStatus,
    /// Minutes until that state ends.
    pub binding_expiration_minutes: u32,
    /// Application: Windows or Office. It selects the host's counter.
    pub app_id: Guid,
    /// Product edition (SKU), also called activation id.
    pub sku_id: Guid,
    /// Counted id: the group of products that one host key covers.
    pub kms_id: Guid,
    /// Client machine id, which the host counts.
    pub cmid: Guid,
    /// Count that the client needs: 25 for Windows clients, 5 for servers and Office.
    pub n_policy: u32,
    /// The client's clock, UTC.
    pub client_time: FileTime,
    /// The client machine id before this one; zero if it never changed.
    pub cmid_previous: Guid,
    /// The client's own name.
    pub machine_name: MachineName,
}

impl Request {
    /// Reads a base.
    ///
    /// # Errors
    /// [`Malformed`] when it is not 236 bytes long or its version is none of 4.0, 5.0, 6.0.
    pub fn decode(base: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(base, ByteOrder::Little);
        let version = read_version(&mut reader)?;
        let request = Self {
            version,
            vm_info: reader.u32("VMInfo")?,
            license_status: LicenseStatus(reader.u32("LicenseStatus")?),
            binding_expiration_minutes: reader.u32("BindingExpiration")?,
            app_id: reader.guid("AppID")?,
            sku_id: reader.guid("ActID")?,
            kms_id: reader.guid("KMSID")?,
            cmid: reader.guid("CMID")?,
            n_policy: reader.u32("N-Policy")?,
            client_time: FileTime::from_ticks(reader.u64("ClientTime")?),
            cmid_previous: reader.guid("CMID_prev")?,
            machine_name: MachineName::read(&mut reader)?,
        };
        reader.finish("end of request base")?;
        Ok(request)
    }

    /// Writes the base to the start of `out` and returns its length: 236.
    ///
    /// # Errors
    /// [`Misuse`] when `out` is too small.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Misuse> {
        let mut writer = Writer::new(out, ByteOrder::Little);
        writer.u32("Version", self.version.to_wire())?;
        writer.u32("VMInfo", self.vm_info)?;
        writer.u32("LicenseStatus", self.license_status.0)?;
        writer.u32("BindingExpiration", self.binding_expiration_minutes)?;
        writer.guid("AppID", &self.app_id)?;
        writer.guid("ActID", &self.sku_id)?;
        writer.guid("KMSID", &self.kms_id)?;
        writer.guid("CMID", &self.cmid)?;
        writer.u32("N-Policy", self.n_policy)?;
        writer.u64("ClientTime", self.client_time.ticks())?;
        writer.guid("CMID_prev", &self.cmid_previous)?;
        self.machine_name.write(&mut writer)?;
        Ok(writer.offset())
    }
}

pub(super) fn read_version(reader: &mut Reader<'_>) -> Result<Version, Malformed> {
    let at = reader.offset();
    let value = reader.u32("Version")?;
    Version::from_wire(value).ok_or_else(|| {
        let expected = Expected::Text("4.0, 5.0 or 6.0 (262144, 327680 or 393216)");
        Malformed::new(at, "Version", u64::from(value), expected)
    })
}

/// Length of a request base, in bytes.
pub(super) const BASE_LEN: usize = 236;
