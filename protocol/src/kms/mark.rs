//! The mark of the simulator: the top twelve bits of every association group id that it issues, so
//! that a client can tell it from a genuine host before any call. One id in 4,096 of any other host
//! carries it by chance.

/// Numbers that a marked id can hold beside the mark: 1 to this.
pub const GROUP_NUMBER_MAX: u32 = (1 << NUMBER_BITS) - 1;

/// The association group id of the simulator's group `number`, of which the low 20 bits count.
#[must_use]
pub const fn group_id(number: u32) -> u32 {
    MARK << NUMBER_BITS | number & GROUP_NUMBER_MAX
}

/// Whether an association group id carries the mark.
#[must_use]
pub const fn is_marked(assoc_group_id: u32) -> bool {
    assoc_group_id >> NUMBER_BITS == MARK
}

const MARK: u32 = 0x1AB;
const NUMBER_BITS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_the_top_twelve_bits_and_no_number_changes_it() {
        assert_eq!(group_id(1), 0x1AB0_0001);
        assert_eq!(group_id(GROUP_NUMBER_MAX), 0x1ABF_FFFF);
        assert!(is_marked(group_id(u32::MAX)));
        assert!(!is_marked(0x1AA0_0001) && !is_marked(0x1AC0_0001) && !is_marked(0));
    }
}
