//! Where buckets begin: a matter of the key alone, so that two trees of the same keys are cut in the same places.

use layerstore_record::Key;

/// How many levels of buckets there are above the leaves: at 32 buckets of one level in one of the next, enough for
/// 32^6 keys, about a billion.
pub const LEVELS: usize = 6;

/// How many leading zero bits of a key's hash raise it by a level: 5, so that a bucket has about 32 of the level below.
///
/// Fewer make more levels, and so more look-ups a mutation; more make longer lists to compare.
const BITS_A_LEVEL: u32 = 5;

/// Returns the highest level at which a bucket begins at this key; 0 for the 31 of 32 keys at which none does.
pub(super) fn level_of(key: &Key) -> usize {
    let zeros = spread(key.as_bytes()).leading_zeros();
    usize::try_from(zeros / BITS_A_LEVEL)
        .unwrap_or(LEVELS)
        .min(LEVELS)
}

/// Fowler, Noll and Vo's hash, finished as `MurmurHash3` does: its own upper bits are poor for short keys.
///
/// It is part of what two processes agree on: another one cuts trees elsewhere, which costs messages, and no truth.
fn spread(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_one_key_of_32_begins_a_bucket_and_one_of_these_32_the_next() {
        let levels = (0..100_000).map(|number| level_of(&Key::new(format!("user:{number}")).unwrap()));
        let counts = levels.fold([0_u32; LEVELS + 1], |mut counts, level| {
            counts[level] += 1;
            counts
        });
        let first: u32 = counts[1..].iter().sum();
        let second: u32 = counts[2..].iter().sum();
        assert!((2_900..3_350).contains(&first), "{counts:?}");
        assert!((70..130).contains(&second), "{counts:?}");
    }
}
