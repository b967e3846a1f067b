//! Random choices without a generator: each is a hash of whom it concerns, what it is for and which
//! one it is, so that the order in which clients are looked at changes nothing.

use kms_protocol::guid::Guid;

/// All choices of one seed.
#[derive(Clone, Copy, Debug)]
pub struct Draws(u64);

/// A client, whatever part of the fleet is run: its group in the scenario, and its number from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientId(u64);

/// What a choice is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// When a client starts first.
    FirstStart = 1,
    /// When it renewed last before the scenario began.
    LastRenewal,
    /// Which host it tries, by priority and weight.
    HostChoice,
    /// What is added to an interval.
    Jitter,
    /// When its user comes.
    Arrival,
    /// When its user goes.
    Leaving,
    /// How long a laptop is here.
    Here,
    /// How long it is away.
    Away,
    /// Which machine a drive is in.
    Machine,
    /// What a machine is made of.
    Component,
    /// Whether a share of a group includes it.
    Share,
    /// A made-up name.
    Name,
    /// A CMID.
    Cmid,
}

impl Draws {
    /// Those of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    #[must_use]
    pub const fn bits(self, client: ClientId, purpose: Purpose, counter: u64) -> u64 {
        let who = mix(self.0 ^ mix(client.0 ^ ((purpose as u64) << 56)));
        mix(who.wrapping_add(counter.wrapping_mul(GOLDEN)))
    }

    /// A number below `below`; 0 where that is 0.
    #[must_use]
    pub fn below(self, client: ClientId, purpose: Purpose, counter: u64, below: u32) -> u32 {
        let product = (self.bits(client, purpose, counter) >> 32) * u64::from(below);
        u32::try_from(product >> 32).unwrap_or(0)
    }

    /// A GUID in the form of version 4, out of 122 random bits.
    #[must_use]
    pub fn guid(self, client: ClientId, counter: u64) -> Guid {
        let high = self.bits(client, Purpose::Cmid, counter.wrapping_mul(2));
        let low = self.bits(client, Purpose::Cmid, counter.wrapping_mul(2) | 1);
        let high = (high & !0xf000) | 0x4000;
        let low = (low & !(0b11 << 62)) | (0b10 << 62);
        Guid::from_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes())
    }
}

impl ClientId {
    /// Number `index` of group `group`.
    #[must_use]
    pub const fn new(group: usize, index: u32) -> Self {
        Self(((group as u64) << 32) | index as u64)
    }

    /// Its bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }
}

/// A hash of what was hashed so far and one value more.
#[must_use]
pub const fn fold(hash: u64, value: u64) -> u64 {
    (hash ^ value).wrapping_mul(FOLD).rotate_left(29).wrapping_mul(GOLDEN)
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(GOLDEN);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
const FOLD: u64 = 0xff51_afd7_ed55_8ccd;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_spread_evenly_and_differ_by_seed_client_purpose_and_counter() {
        let draws = Draws::new(7);
        let mut tenths = [0; 10];
        for index in 0..10_000 {
            let draw = draws.below(ClientId::new(3, index), Purpose::FirstStart, 0, 10);
            tenths[draw as usize] += 1;
        }
        assert!(tenths.iter().all(|count| (850..1150).contains(count)), "{tenths:?}");
        let client = ClientId::new(1, 1);
        let first = draws.bits(client, Purpose::Jitter, 1);
        for other in [
            Draws::new(8).bits(client, Purpose::Jitter, 1),
            draws.bits(ClientId::new(1, 2), Purpose::Jitter, 1),
            draws.bits(client, Purpose::Share, 1),
            draws.bits(client, Purpose::Jitter, 2),
        ] {
            assert_ne!(first, other);
        }
        assert_eq!(draws.below(client, Purpose::Jitter, 1, 0), 0);
        assert_eq!(&draws.guid(client, 0).to_string()[14..15], "4");
    }
}
