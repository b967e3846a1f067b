//! The base of an activation response: 44 bytes and the ePID.

use super::request::read_version;
use super::{Epid, Version};
use crate::filetime::FileTime;
use crate::guid::Guid;
use crate::wire::{ByteOrder, Malformed, Misuse, Reader, Writer};

/// What a host answers, but for its ePID, which is not the caller's to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Protocol version, the request's.
    pub version: Version,
    /// The request's client machine id, echoed.
    pub cmid: Guid,
    /// The request's client time, echoed: it says nothing about the host's clock.
    pub client_time: FileTime,
    /// Distinct clients that the host has counted. The client, not the host, compares it with what
    /// its licence needs.
    pub count: u32,
    /// Minutes between attempts of a client that is not activated.
    pub activation_interval_minutes: u32,
    /// Minutes between renewals of an activated client.
    pub renewal_interval_minutes: u32,
}

impl Response {
    /// Reads a base from the front of what `reader` has left.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<(Self, Epid), Malformed> {
        let version = read_version(reader)?;
        let epid = Epid::read(reader)?;
        let response = Self {
            version,
            cmid: reader.guid("CMID")?,
            client_time: FileTime::from_ticks(reader.u64("ClientTime")?),
            count: reader.u32("Count")?,
            activation_interval_minutes: reader.u32("VLActivationInterval")?,
            renewal_interval_minutes: reader.u32("VLRenewalInterval")?,
        };
        Ok((response, epid))
    }

    /// Writes the base to the start of `out`; returns its length.
    pub(super) fn write(&self, epid: &Epid, out: &mut [u8]) -> Result<usize, Misuse> {
        let mut writer = Writer::new(out, ByteOrder::Little);
        writer.u32("Version", self.version.to_wire())?;
        epid.write(&mut writer)?;
        writer.guid("CMID", &self.cmid)?;
        writer.u64("ClientTime", self.client_time.ticks())?;
        writer.u32("Count", self.count)?;
        writer.u32("VLActivationInterval", self.activation_interval_minutes)?;
        writer.u32("VLRenewalInterval", self.renewal_interval_minutes)?;
        Ok(writer.offset())
    }
}

/// Length of a response base around an ePID of `epid_wire_len` bytes.
pub(super) const fn base_len(epid_wire_len: usize) -> usize {
    44 + epid_wire_len
}
