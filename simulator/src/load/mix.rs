//! What is asked: kinds of requests by weight, made before the run and sent in a ring.

use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::kms::crypto::LabKeys;
use kms_protocol::kms::envelope::{request_len, seal_request};
use kms_protocol::kms::product::{DEFAULT, LAB_NAMESPACE, Product};
use kms_protocol::kms::{LicenseStatus, MachineName, Request, Version};
use kms_protocol::ndr::{self, Ndr};
use kms_protocol::wire::{ByteOrder, Misuse};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Things with weights; what has weight zero never comes.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighted<T>(pub Vec<(T, u32)>);

/// What requests are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix {
    /// Protocol versions.
    pub versions: Weighted<Version>,
    /// Transfer syntaxes.
    pub ndr: Weighted<Ndr>,
    /// Products.
    pub products: Weighted<&'static Product>,
    /// How many client machines ask: as many CMIDs and names.
    pub identities: u32,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            versions: Weighted(vec![(Version::V6, 1)]),
            ndr: Weighted(vec![(Ndr::Ndr32, 1)]),
            products: Weighted(vec![(DEFAULT, 1)]),
            identities: IDENTITIES_DEFAULT,
        }
    }
}

impl<T: Copy> Weighted<T> {
    /// The sum of the weights.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, weight)| u64::from(*weight)).sum()
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> Option<T> {
        let total = self.total();
        let mut left = if total == 0 { return None } else { rng.random_range(0..total) };
        self.0.iter().find_map(|(value, weight)| {
            let hit = left < u64::from(*weight);
            left = left.saturating_sub(u64::from(*weight));
            hit.then_some(*value)
        })
    }
}

/// One request, ready to be called with, and what its answer is checked against.
#[derive(Debug)]
pub(super) struct Prepared {
    /// What a connection that begins with this request binds.
    pub(super) ndr: Ndr,
    /// In NDR32 and in NDR64.
    pub(super) stubs: [Vec<u8>; 2],
    pub(super) request: Request,
    pub(super) iv: [u8; 16],
}

/// The requests that a worker sends, again and again.
#[derive(Debug, Default)]
pub(super) struct Ring(Vec<Prepared>);

impl Ring {
    /// The machine `first`, and every `step`th after it: machines of one worker are nobody else's.
    pub(super) fn new(
        mix: &Mix,
        keys: &LabKeys,
        now: FileTime,
        seed: u64,
        first: u32,
        step: u32,
    ) -> Result<Self, Misuse> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed.rotate_left(17) ^ u64::from(first));
        let machines = mix.identities.max(1);
        // Enough of them for the weights to show, few enough to stay in the cache.
        let mine = machines.div_ceil(step.max(1)).max(RING_MIN);
        (0..mine)
            .map(|n| {
                let machine = (first + n * step) % machines;
                prepare(mix, keys, now, machine, &mut rng)
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(super) fn get(&self, index: u32) -> Option<&Prepared> {
        self.0.get(index as usize % self.0.len().max(1))
    }
}

/// The first request of a mix and its IV: what a target must answer before it is loaded with more.
///
/// # Errors
/// [`Misuse`] when it cannot be made, which would be a bug.
pub fn first_request(
    mix: &Mix,
    keys: &LabKeys,
    now: FileTime,
    seed: u64,
) -> Result<(Request, [u8; 16]), Misuse> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let prepared = prepare(mix, keys, now, 0, &mut rng)?;
    Ok((prepared.request, prepared.iv))
}

fn prepare(
    mix: &Mix,
    keys: &LabKeys,
    now: FileTime,
    machine: u32,
    rng: &mut ChaCha8Rng,
) -> Result<Prepared, Misuse> {
    let version = mix.versions.draw(rng).unwrap_or(Version::V6);
    let ndr = mix.ndr.draw(rng).unwrap_or(Ndr::Ndr32);
    let product = mix.products.draw(rng).unwrap_or(DEFAULT);
    let name = format!("LOAD-{machine:07}");
    let request = Request {
        version,
        vm_info: 0,
        license_status: LicenseStatus::OOB_GRACE,
        binding_expiration_minutes: 43_200,
        app_id: product.app_id,
        sku_id: product.sku_id,
        kms_id: product.kms_id,
        cmid: Guid::v5(&LAB_NAMESPACE, format!("load:{name}").as_bytes()),
        n_policy: product.n_policy,
        client_time: now,
        cmid_previous: Guid::ZERO,
        machine_name: MachineName::new(&name)?,
    };
    let iv: [u8; 16] = rng.random();
    let mut payload = vec![0; request_len(version)];
    seal_request(keys, &request, &iv, &mut payload)?;
    let stub = |ndr: Ndr| -> Result<Vec<u8>, Misuse> {
        let mut stub = vec![0; ndr.request_len(payload.len())];
        ndr::encode_request(&payload, ndr, ByteOrder::Little, &mut stub)?;
        Ok(stub)
    };
    let stubs = [stub(Ndr::Ndr32)?, stub(Ndr::Ndr64)?];
    Ok(Prepared { ndr, stubs, request, iv })
}

impl Prepared {
    pub(super) fn stub(&self, ndr: Ndr) -> &[u8] {
        let [ndr32, ndr64] = &self.stubs;
        match ndr {
            Ndr::Ndr32 => ndr32,
            Ndr::Ndr64 => ndr64,
        }
    }
}

/// Client machines, unless told otherwise.
pub const IDENTITIES_DEFAULT: u32 = 64;
/// Client machines at most: each takes half a kilobyte.
pub const IDENTITIES_MAX: u32 = 1_000_000;
const RING_MIN: u32 = 64;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::collections::BTreeSet;

    use kms_protocol::kms::crypto::LabKey;
    use kms_protocol::kms::envelope::open_request;

    use super::*;

    #[test]
    fn requests_verify_follow_the_weights_and_come_from_all_machines() {
        let mix = Mix {
            versions: Weighted(vec![(Version::V4, 1), (Version::V5, 0), (Version::V6, 3)]),
            ndr: Weighted(vec![(Ndr::Ndr32, 1), (Ndr::Ndr64, 1)]),
            identities: 1000,
            ..Mix::default()
        };
        let keys = LabKeys::new(&LabKey::DEFAULT);
        let now = FileTime::from_unix(0, 0).unwrap();
        let rings = [0, 1].map(|first| Ring::new(&mix, &keys, now, 5, first, 2).unwrap());
        let mut machines = BTreeSet::new();
        let (mut v4, mut v5, mut ndr64) = (0, 0, 0);
        for one in rings.iter().flat_map(|ring| &ring.0) {
            let payload =
                ndr::decode_request(one.stub(one.ndr), one.ndr, ByteOrder::Little).unwrap();
            assert_eq!(open_request(&keys, payload).unwrap().request, one.request);
            machines.insert(one.request.cmid);
            v4 += u32::from(one.request.version == Version::V4);
            v5 += u32::from(one.request.version == Version::V5);
            ndr64 += u32::from(one.ndr == Ndr::Ndr64);
        }
        assert_eq!((machines.len(), v5), (1000, 0));
        assert!((180..320).contains(&v4) && (400..600).contains(&ndr64), "{v4} {ndr64}");
    }
}
