//! Which bytes are where in a database: keyspaces by number, so that one that is made anew never meets what an earlier one left.
//!
//! | row | what |
//! | --- | --- |
//! | `c` NAME | the number of a keyspace, 8 bytes |
//! | `d` NUMBER | a keyspace that was dropped and may have rows left |
//! | `n` | the next number |
//! | `o` OWNER | the number of the last batch that this owner wrote, and when it opened the database, 8 bytes each |
//! | `r` NUMBER KEY | a row |
//!
//! Numbers are big-endian, so that the rows of a keyspace lie together, in the order of their keys.

use std::ops::Bound;

use layerstore_kv::{KeyRange, KvLimits};

/// What SlateDB holds: it counts key lengths in 16 bits and value lengths in 32.
pub(crate) const LIMITS: KvLimits = KvLimits {
    max_key_len: u16::MAX as usize - ROW_PREFIX_LEN,
    max_value_len: u32::MAX as usize,
    max_name_len: 1_024,
};

pub(crate) const NAMES: u8 = b'c';
pub(crate) const DROPPED: u8 = b'd';
pub(crate) const OWNERS: u8 = b'o';
pub(crate) const NEXT: &[u8] = b"n";
const ROWS: u8 = b'r';

/// A letter and a number.
const ROW_PREFIX_LEN: usize = 1 + size_of::<u64>();

/// Bounds of a scan in the whole database.
pub(crate) type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Returns the row that names a keyspace.
pub(crate) fn name_row(name: &[u8]) -> Vec<u8> {
    [&[NAMES], name].concat()
}

/// Returns the row that says that a keyspace was dropped.
pub(crate) fn dropped_row(number: u64) -> Vec<u8> {
    numbered(DROPPED, number)
}

/// Returns the row by which an owner finds out which of its batches are durable. It is written with each of them.
pub(crate) fn owner_row(owner: u64) -> Vec<u8> {
    numbered(OWNERS, owner)
}

/// Returns what such a row says.
pub(crate) fn owner_value(batch: u64, opened: u64) -> Vec<u8> {
    [batch.to_be_bytes(), opened.to_be_bytes()].concat()
}

/// Reads the number of the batch, and when the owner opened the database.
pub(crate) fn of_owner(value: &[u8]) -> Option<(u64, u64)> {
    let (batch, opened) = value.split_first_chunk()?;
    Some((u64::from_be_bytes(*batch), number(opened)?))
}

/// Returns the row of a key.
pub(crate) fn row(number: u64, key: &[u8]) -> Vec<u8> {
    [&numbered(ROWS, number), key].concat()
}

/// Returns the key of a row.
pub(crate) fn key_of(row: &[u8]) -> &[u8] {
    row.get(ROW_PREFIX_LEN..).unwrap_or_default()
}

/// Reads a number.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

/// Returns the bounds of all rows that begin with a letter.
pub(crate) fn all_of(letter: u8) -> Bounds {
    (Bound::Included(vec![letter]), Bound::Excluded(vec![letter + 1]))
}

/// Returns the bounds of a range of a keyspace; `None` where it covers nothing.
pub(crate) fn bounds(space: u64, range: KeyRange) -> Option<Bounds> {
    let start = match range.start {
        Bound::Included(key) => Bound::Included(row(space, &key)),
        Bound::Excluded(key) => Bound::Excluded(row(space, &key)),
        Bound::Unbounded => Bound::Included(row(space, b"")),
    };
    let end = match range.end {
        Bound::Included(key) => Bound::Included(row(space, &key)),
        Bound::Excluded(key) => Bound::Excluded(row(space, &key)),
        Bound::Unbounded => Bound::Excluded(row(space + 1, b"")),
    };
    let holds_something = match (&start, &end) {
        (Bound::Included(first), Bound::Included(last)) => first <= last,
        (Bound::Included(first) | Bound::Excluded(first), Bound::Included(last) | Bound::Excluded(last)) => {
            first < last
        }
        _ => true,
    };
    holds_something.then_some((start, end))
}

fn numbered(letter: u8, number: u64) -> Vec<u8> {
    [&[letter][..], &number.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_keyspace_lie_together_in_the_order_of_their_keys() {
        let keys: [&[u8]; 4] = [b"\0", b"a", b"a\xFF", b"\xFF\xFF"];
        let mut rows = Vec::new();
        for space in [0, 1, 255, 256] {
            rows.extend(keys.map(|key| row(space, key)));
        }
        assert!(rows.is_sorted());
        assert_eq!(key_of(&rows[2]), b"a\xFF");
        for (letter, other) in [(NAMES, name_row(b"\xFF")), (DROPPED, dropped_row(u64::MAX))] {
            let (Bound::Included(first), Bound::Excluded(end)) = all_of(letter) else {
                unreachable!("these are the bounds of a letter");
            };
            assert!(first < other && other < end);
        }
    }

    #[test]
    fn what_covers_nothing_has_no_bounds() {
        let all = KeyRange::all;
        assert!(bounds(1, all()).is_some());
        assert!(bounds(1, all().from(b"b").before(b"b")).is_none());
        assert!(bounds(1, all().from(b"c").before(b"b")).is_none());
        assert!(bounds(1, all().after(b"a").before(b"b")).is_some());
        let one = KeyRange {
            start: Bound::Included(b"a".to_vec()),
            end: Bound::Included(b"a".to_vec()),
        };
        assert!(bounds(1, one).is_some());
    }
}
