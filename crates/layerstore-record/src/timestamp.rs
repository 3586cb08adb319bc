use std::fmt;

use crate::clock::Millis;

/// Tells the clocks of different processes apart: 64 bits, random unless given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NodeId(pub u64);

impl NodeId {
    /// Draws a node id from the operating system's randomness.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "a node id must differ between processes, tests give theirs"
    )]
    pub fn random() -> Self {
        Self(fastrand::Rng::new().u64(..))
    }
}

/// A reading of a hybrid logical clock: wall-clock milliseconds, a counter within them, and the node that read it.
///
/// Totally ordered in that order. Packed into 128 bits: 48 for the milliseconds (until the year 10889),
/// 16 for the counter, 64 for the node. See Kulkarni et al., "Logical Physical Clocks" (2014).
///
/// ```
/// use layerstore_record::{Millis, NodeId, Timestamp};
///
/// let one = Timestamp::new(Millis(1_700_000_000_000), 0, NodeId(7));
/// let next = Timestamp::new(Millis(1_700_000_000_000), 1, NodeId(3));
/// assert!(one < next && one.to_bytes() < next.to_bytes());
/// ```
// Two words, not one u128: the order is the same, and an alignment of 8 saves 8 bytes beside a value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    /// Milliseconds and counter as one number, which the clock counts up.
    ticks: u64,
    node: NodeId,
}

/// The largest count of milliseconds that a timestamp holds.
const MAX_MILLIS: u64 = (1 << 48) - 1;

impl Timestamp {
    /// Before every reading of a clock.
    pub const ZERO: Self = Self::from_ticks(0, NodeId(0));
    /// After every reading of a clock.
    pub const MAX: Self = Self::from_ticks(u64::MAX, NodeId(u64::MAX));

    /// Puts a timestamp together; milliseconds beyond 48 bits are held at the largest that fits.
    #[must_use]
    pub fn new(millis: Millis, counter: u16, node: NodeId) -> Self {
        let ticks = millis.0.min(MAX_MILLIS) << 16 | u64::from(counter);
        Self::from_ticks(ticks, node)
    }

    /// Returns the wall-clock part.
    #[must_use]
    pub fn millis(self) -> Millis {
        Millis(self.ticks >> 16)
    }

    /// Returns the counter within the millisecond.
    #[must_use]
    pub fn counter(self) -> u16 {
        let [.., high, low] = self.ticks.to_be_bytes();
        u16::from_be_bytes([high, low])
    }

    /// Returns the node that read the clock.
    #[must_use]
    pub fn node(self) -> NodeId {
        self.node
    }

    /// Returns the sortable form: 16 bytes, big-endian, ordered as timestamps are.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.ticks) << 64 | u128::from(self.node.0)).to_be_bytes()
    }

    /// Reads the sortable form.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let [t0, t1, t2, t3, t4, t5, t6, t7, node @ ..] = bytes;
        let ticks = u64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]);
        Self::from_ticks(ticks, NodeId(u64::from_be_bytes(node)))
    }

    /// Returns milliseconds and counter as one number, which the clock counts up.
    pub(crate) const fn ticks(self) -> u64 {
        self.ticks
    }

    /// Puts a timestamp together from milliseconds and counter as one number.
    pub(crate) const fn from_ticks(ticks: u64, node: NodeId) -> Self {
        Self { ticks, node }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}@{:016x}", self.millis().0, self.counter(), self.node().0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_and_bytes_sort_as_timestamps_do() {
        let one = Timestamp::new(Millis(1_700_000_000_000), 7, NodeId(0xfeed));
        assert_eq!(
            (one.millis(), one.counter(), one.node()),
            (Millis(1_700_000_000_000), 7, NodeId(0xfeed))
        );
        assert_eq!(Timestamp::from_bytes(one.to_bytes()), one);
        assert_eq!(Timestamp::from_ticks(one.ticks(), one.node()), one);
        let later = Timestamp::new(Millis(1_700_000_000_000), 8, NodeId(0));
        assert!(one < later && one.to_bytes() < later.to_bytes());
    }

    #[test]
    fn milliseconds_beyond_48_bits_are_held_at_the_largest() {
        assert_eq!(
            Timestamp::new(Millis(u64::MAX), 0, NodeId(0)).millis(),
            Millis(MAX_MILLIS)
        );
    }
}
