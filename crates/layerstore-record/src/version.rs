use std::fmt;

use crate::clock::Millis;
use crate::timestamp::Timestamp;

/// The order of a record's accepted mutations: a clock tick that only rises for a key.
///
/// The record store gives one to every mutation that it accepts, and everything below it is fenced by it.
/// It is not the value's own timestamp.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version(Timestamp);

impl Version {
    /// Below every version that a clock gives.
    pub const ZERO: Self = Self(Timestamp::ZERO);
    /// Above every version that a clock gives.
    pub const MAX: Self = Self(Timestamp::MAX);

    /// Takes a clock tick as a version.
    #[must_use]
    pub fn new(tick: Timestamp) -> Self {
        Self(tick)
    }

    /// Returns the clock tick.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        self.0
    }

    /// Returns the wall-clock part of the tick.
    #[must_use]
    pub fn millis(self) -> Millis {
        self.0.millis()
    }

    /// Returns the sortable form: 16 bytes, big-endian.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_bytes()
    }

    /// Reads the sortable form.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Timestamp::from_bytes(bytes))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}
