//! Times and end of a record, in as little memory as most records need.

use crate::clock::Millis;
use crate::expiry::Expiry;
use crate::version::Version;

/// When a record was made and written and when it ends, and how much it keeps on the heap: 24 bytes, where the record was written when its version
/// was made and has a deadline at most. The others have a box.
#[derive(Debug, Clone)]
pub(crate) struct Metadata {
    created: Short,
    /// What the record keeps on the heap, in bytes; [`MANY_BYTES`] stands for that many and more.
    heap_bytes: u16,
    /// The deadline, or [`NO_DEADLINE`].
    deadline: u64,
    rare: Option<Box<Rare>>,
}

/// What most records do not have.
#[derive(Debug, Clone, Copy)]
struct Rare {
    created: Millis,
    updated: Millis,
    expiry: Expiry,
}

const NO_DEADLINE: u64 = u64::MAX;

const MANY_BYTES: u16 = u16::MAX;

impl Metadata {
    /// Takes note of what is to be known of a record whose value has so much on the heap.
    pub(crate) fn new(
        (created, updated): (Millis, Millis),
        version: Version,
        expiry: Expiry,
        value_bytes: usize,
    ) -> Self {
        let mut metadata = Self {
            created: Short::of(created),
            heap_bytes: MANY_BYTES,
            deadline: expiry.deadline.map_or(NO_DEADLINE, |at| at.0),
            rare: None,
        };
        let short = (metadata.created(), metadata.updated(version), metadata.expiry());
        if short != (created, updated, expiry) {
            metadata.rare = Some(Box::new(Rare {
                created,
                updated,
                expiry,
            }));
        }
        let heap_bytes = value_bytes + metadata.own_heap_bytes();
        metadata.heap_bytes = u16::try_from(heap_bytes).unwrap_or(MANY_BYTES);
        metadata
    }

    pub(crate) fn created(&self) -> Millis {
        self.rare
            .as_deref()
            .map_or_else(|| self.created.millis(), |rare| rare.created)
    }

    /// Returns when a record of this version was written.
    pub(crate) fn updated(&self, version: Version) -> Millis {
        self.rare.as_deref().map_or(version.millis(), |rare| rare.updated)
    }

    pub(crate) fn expiry(&self) -> Expiry {
        match &self.rare {
            Some(rare) => rare.expiry,
            None => Expiry {
                deadline: (self.deadline != NO_DEADLINE).then_some(Millis(self.deadline)),
                ..Expiry::NEVER
            },
        }
    }

    /// As [`Expiry::is_over`].
    pub(crate) fn is_over(&self, now: Millis, last_access: Millis) -> bool {
        match &self.rare {
            Some(rare) => rare.expiry.is_over(now, last_access),
            None => self.deadline != NO_DEADLINE && self.deadline <= now.0,
        }
    }

    /// Tells whether there is neither deadline nor period.
    pub(crate) fn never_ends(&self) -> bool {
        match &self.rare {
            Some(rare) => rare.expiry == Expiry::NEVER,
            None => self.deadline == NO_DEADLINE,
        }
    }

    /// Returns what the record keeps on the heap; asks how much of that is the value's where it was too much to take note of.
    pub(crate) fn heap_bytes(&self, value_bytes: impl FnOnce() -> usize) -> usize {
        match self.heap_bytes {
            MANY_BYTES => value_bytes() + self.own_heap_bytes(),
            bytes => bytes.into(),
        }
    }

    fn own_heap_bytes(&self) -> usize {
        self.rare.as_deref().map_or(0, size_of_val)
    }
}

/// A time in six bytes, which last until the year 10889.
#[derive(Debug, Clone, Copy)]
struct Short([u8; 6]);

impl Short {
    /// Takes the lower 48 bits.
    fn of(millis: Millis) -> Self {
        let [bytes @ .., _, _] = millis.0.to_le_bytes();
        Self(bytes)
    }

    fn millis(self) -> Millis {
        let [a, b, c, d, e, f] = self.0;
        Millis(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::{NodeId, Timestamp};

    const VERSION: Millis = Millis(1_700_000_000_000);

    fn version() -> Version {
        Version::new(Timestamp::new(VERSION, 3, NodeId(7)))
    }

    #[test]
    fn what_is_noted_comes_back_and_only_what_is_rare_takes_a_box() {
        let deadline = |at| Expiry {
            deadline: Some(Millis(at)),
            ..Expiry::NEVER
        };
        let idle = Expiry {
            max_idle: Some(5),
            ..Expiry::NEVER
        };
        let (early, late) = (Millis(1), Millis((1 << 48) - 1));
        for (times, expiry, is_short) in [
            ((early, VERSION), Expiry::NEVER, true),
            ((late, VERSION), deadline(0), true),
            ((VERSION, VERSION), deadline(9), true),
            ((Millis(late.0 + 1), VERSION), Expiry::NEVER, false),
            ((early, early), Expiry::NEVER, false),
            ((early, VERSION), deadline(u64::MAX), false),
            ((early, VERSION), idle, false),
        ] {
            let noted = Metadata::new(times, version(), expiry, 10);
            let back = (noted.created(), noted.updated(version()));
            assert_eq!((back, noted.expiry()), (times, expiry));
            assert_eq!(noted.rare.is_none(), is_short, "{times:?}, {expiry:?}");
            assert_eq!(noted.never_ends(), expiry == Expiry::NEVER);
            for now in [0, 1, 8, 9, 10, u64::MAX - 1, u64::MAX].map(Millis) {
                assert_eq!(
                    noted.is_over(now, Millis(4)),
                    expiry.is_over(now, Millis(4)),
                    "{now:?}"
                );
            }
        }
    }

    #[test]
    fn bytes_are_noted_where_they_fit_and_asked_for_otherwise() {
        let noted = |bytes| Metadata::new((VERSION, VERSION), version(), Expiry::NEVER, bytes);
        assert_eq!(noted(0).heap_bytes(|| unreachable!()), 0);
        assert_eq!(noted(65_534).heap_bytes(|| unreachable!()), 65_534);
        assert_eq!(noted(65_535).heap_bytes(|| 65_535), 65_535);
        let boxed = Metadata::new((VERSION, Millis(1)), version(), Expiry::NEVER, 65_535);
        assert_eq!(boxed.heap_bytes(|| 65_535), 65_535 + size_of::<Rare>());
    }

    #[test]
    fn it_takes_24_bytes() {
        assert_eq!(size_of::<Metadata>(), 24);
    }
}
