use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub, SubAssign};

use super::leaf::LeafHash;

/// Says what a range of keys holds: how many leaves, and the sum of their hashes, modulo 2^128.
///
/// A sum does not know in which order it was added up, so it is the same whatever the order of mutations and however
/// the range was cut. Two different sets have the same digest by chance once in 2^128. It is no proof against somebody who
/// chooses values, timestamps and node ids at will: see ADR 0011.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Digest {
    leaves: u64,
    sum: u128,
}

/// How many bytes a digest has on a wire.
const BYTES: usize = 24;

impl Digest {
    /// Of no leaf at all.
    pub const EMPTY: Self = Self { leaves: 0, sum: 0 };

    /// Of one leaf.
    #[must_use]
    pub fn of(leaf: LeafHash) -> Self {
        Self {
            leaves: 1,
            sum: u128::from_be_bytes(leaf.to_bytes()),
        }
    }

    /// Returns how many leaves there are.
    #[must_use]
    pub fn leaves(self) -> u64 {
        self.leaves
    }

    /// Tells whether there is no leaf.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.leaves == 0
    }

    /// Returns the number of leaves and their sum, 24 bytes, big-endian.
    #[must_use]
    pub fn to_bytes(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        let (leaves, sum) = bytes.split_at_mut(8);
        leaves.copy_from_slice(&self.leaves.to_be_bytes());
        sum.copy_from_slice(&self.sum.to_be_bytes());
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) gives.
    #[must_use]
    pub fn from_bytes(bytes: [u8; BYTES]) -> Self {
        let [l0, l1, l2, l3, l4, l5, l6, l7, sum @ ..] = bytes;
        Self {
            leaves: u64::from_be_bytes([l0, l1, l2, l3, l4, l5, l6, l7]),
            sum: u128::from_be_bytes(sum),
        }
    }
}

impl AddAssign for Digest {
    fn add_assign(&mut self, other: Self) {
        self.leaves = self.leaves.wrapping_add(other.leaves);
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

impl SubAssign for Digest {
    fn sub_assign(&mut self, other: Self) {
        self.leaves = self.leaves.wrapping_sub(other.leaves);
        self.sum = self.sum.wrapping_sub(other.sum);
    }
}

impl Add for Digest {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl Sub for Digest {
    type Output = Self;

    fn sub(mut self, other: Self) -> Self {
        self -= other;
        self
    }
}

impl Sum for Digest {
    fn sum<I: Iterator<Item = Self>>(digests: I) -> Self {
        digests.fold(Self::EMPTY, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_sums_are_undone() {
        let [one, two] = [1_u8, 2].map(|byte| Digest::of(LeafHash::from_bytes([byte; 16])));
        let both = one + two;
        assert_eq!(
            (both.leaves(), both - two, both - two - one),
            (2, one, Digest::EMPTY)
        );
        assert_eq!(Digest::from_bytes(both.to_bytes()), both);
    }
}
