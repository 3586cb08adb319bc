use std::fmt;

use layerstore_record::Key;

/// Which keys of a map a record store has. Data stores know nothing of it, and the count may change between opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Partition {
    index: u32,
    count: u32,
}

/// A partition that cannot be: there are fewer, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no partition {index} of {count}: partitions are numbered from 0, and there is at least one"
)]
pub struct InvalidPartition {
    /// The number of the refused partition.
    pub index: u32,
    /// How many there are.
    pub count: u32,
}

impl Partition {
    /// The whole map.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Takes the partition of this number out of `count`.
    ///
    /// # Errors
    /// [`InvalidPartition`] when there is no such partition.
    pub fn new(index: u32, count: u32) -> Result<Self, InvalidPartition> {
        if index < count {
            Ok(Self { index, count })
        } else {
            Err(InvalidPartition { index, count })
        }
    }

    /// Returns the number of the partition, out of `count`, that has this key.
    #[must_use]
    pub fn index_of(key: &Key, count: u32) -> u32 {
        let spread = fnv1a(key.as_bytes()) % u64::from(count.max(1));
        u32::try_from(spread).unwrap_or_default()
    }

    /// Returns the number of this partition.
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// Returns how many partitions the map has.
    #[must_use]
    pub fn count(self) -> u32 {
        self.count
    }

    /// Tells whether the partition has this key.
    #[must_use]
    pub fn owns(self, key: &Key) -> bool {
        self.count == 1 || Self::index_of(key, self.count) == self.index
    }

    /// Tells whether this is the whole map.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.count == 1
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.index, self.count)
    }
}

/// Fowler, Noll and Vo's hash, with the bits of the result mixed: their lowest are poor for short keys.
fn fnv1a(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_one_partition_and_they_are_about_equal() {
        let mut sizes = [0_u32; 16];
        for number in 0..16_000 {
            let key = Key::new(format!("user:{number}")).unwrap();
            let owners = (0..16).filter(|index| Partition::new(*index, 16).unwrap().owns(&key));
            let owners: Vec<_> = owners.collect();
            assert_eq!(owners, [Partition::index_of(&key, 16)]);
            sizes[owners[0] as usize] += 1;
        }
        assert!(sizes.iter().all(|size| (800..1_200).contains(size)), "{sizes:?}");
        assert!(Partition::new(1, 1).is_err() && Partition::new(0, 0).is_err());
    }
}
