//! The bytes that the floor's client sends: one bind and a ring of valid version 6.0 requests,
//! encoded before anything is measured.

use std::time::SystemTime;

use anyhow::{Context, Result};
use kms_protocol::guid::Guid;
use kms_protocol::kms::crypto::{LabKey, LabKeys};
use kms_protocol::kms::{LicenseStatus, MachineName, Request, Version, envelope, product};
use kms_protocol::ndr::{self, Ndr};
use kms_protocol::rpc;
use kms_protocol::rpc::{
    BindTimeFeatures, Body, ContextElement, ContextList, Packet, PfcFlags, SyntaxId,
};
use kms_protocol::wire::ByteOrder;

use crate::machine::file_time;

/// What the client sends on every connection.
#[derive(Clone, Debug)]
pub struct Script {
    /// Opens the association: NDR32 and bind-time feature negotiation.
    pub bind: Vec<u8>,
    /// Complete calls, all of one length, each from another client machine.
    pub requests: Vec<Vec<u8>>,
}

/// Lengths of the four messages of an exchange, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// bind.
    pub bind: usize,
    /// bind_ack.
    pub bind_ack: usize,
    /// request.
    pub request: usize,
    /// response.
    pub response: usize,
}

impl Script {
    /// A script for servers whose lab key is the default one.
    ///
    /// # Errors
    /// When the protocol crate refuses to encode it, which would be a bug.
    pub fn new(now: SystemTime) -> Result<Self> {
        let keys = LabKeys::new(&LabKey::DEFAULT);
        let requests = (1..=CLIENT_MACHINES)
            .map(|index| encode_call(&keys, &activation_request(index, now)?, index))
            .collect::<Result<_>>()?;
        Ok(Self { bind: encode_bind()?, requests })
    }

    /// The `n`th request of the ring.
    #[must_use]
    pub fn request(&self, n: usize) -> &[u8] {
        self.requests.get(n % self.requests.len().max(1)).map_or(&[], Vec::as_slice)
    }
}

/// What client machine `index` asks for, at `now`.
///
/// # Errors
/// When the catalogue is empty or the name is not one, which would be a bug.
pub fn activation_request(index: u32, now: SystemTime) -> Result<Request> {
    let product = product::PRODUCTS.first().context("the product catalogue is empty")?;
    Ok(Request {
        version: Version::V6,
        vm_info: 0,
        license_status: LicenseStatus::OOB_GRACE,
        binding_expiration_minutes: 43_200,
        app_id: product.app_id,
        sku_id: product.sku_id,
        kms_id: product.kms_id,
        cmid: Guid::v5(&SyntaxId::KMS.uuid, &index.to_be_bytes()),
        n_policy: product.n_policy,
        client_time: file_time(now).context("a time before 1970")?,
        cmid_previous: Guid::ZERO,
        machine_name: MachineName::new(&format!("BENCH-{index:05}"))?,
    })
}

/// `request` sealed, in an NDR32 stub, in one request PDU.
///
/// # Errors
/// As [`Script::new`].
pub fn encode_call(keys: &LabKeys, request: &Request, call_id: u32) -> Result<Vec<u8>> {
    let mut payload = vec![0; envelope::request_len(request.version)];
    // Fixed bytes do for an IV: nobody measures their randomness.
    envelope::seal_request(keys, request, &[0x5a; 16], &mut payload)?;
    let mut stub = vec![0; Ndr::Ndr32.request_len(payload.len())];
    ndr::encode_request(&payload, Ndr::Ndr32, ByteOrder::Little, &mut stub)?;
    let body = Body::Request(rpc::Request {
        alloc_hint: u32::try_from(stub.len())?,
        context_id: 0,
        opnum: ndr::REQUEST_ACTIVATION,
        object: None,
        stub: &stub,
    });
    encode(&Packet::new(PfcFlags::WHOLE, call_id, body))
}

fn encode_bind() -> Result<Vec<u8>> {
    let ndr32 = [SyntaxId::NDR32];
    let features = [SyntaxId::bind_time_features(BindTimeFeatures::KEEP_CONNECTION_ON_ORPHAN)];
    let contexts = [
        ContextElement::new(0, SyntaxId::KMS, &ndr32),
        ContextElement::new(1, SyntaxId::KMS, &features),
    ];
    let body = Body::Bind(rpc::Bind {
        max_xmit_frag: 5840,
        max_recv_frag: 5840,
        assoc_group_id: 0,
        contexts: ContextList::new(&contexts),
    });
    encode(&Packet::new(PfcFlags::WHOLE, 1, body))
}

fn encode(packet: &Packet<'_>) -> Result<Vec<u8>> {
    let mut bytes = vec![0; packet.encoded_len()];
    packet.encode(&mut bytes)?;
    Ok(bytes)
}

/// Distinct clients in the ring: more than any host needs to count, few enough to stay in cache.
const CLIENT_MACHINES: u32 = 64;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_request_verifies_under_the_lab_key_and_comes_from_another_machine() {
        let script = Script::new(SystemTime::UNIX_EPOCH).unwrap();
        let keys = LabKeys::new(&LabKey::DEFAULT);
        let mut machines = BTreeSet::new();
        for bytes in &script.requests {
            let Body::Request(call) = Packet::decode(bytes).unwrap().body else {
                panic!("not a request");
            };
            let payload = ndr::decode_request(call.stub, Ndr::Ndr32, ByteOrder::Little).unwrap();
            machines.insert(envelope::open_request(&keys, payload).unwrap().request.cmid);
        }
        assert_eq!(machines.len(), script.requests.len());
    }

    #[test]
    fn all_requests_have_one_length_and_the_ring_begins_again_at_its_end() {
        let script = Script::new(SystemTime::UNIX_EPOCH).unwrap();
        let lengths: BTreeSet<usize> = script.requests.iter().map(Vec::len).collect();
        assert_eq!(lengths, BTreeSet::from([292]));
        assert_eq!(script.request(script.requests.len()), script.request(0));
        assert_ne!(script.request(1), script.request(0));
    }
}
