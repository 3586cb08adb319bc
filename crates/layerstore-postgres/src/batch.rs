//! Splits the writes of a map into statements.

use layerstore_data_store::Write;

use crate::row::Row;

/// A write, its row, and where its answer belongs.
pub(crate) struct Item<'w> {
    pub(crate) place: usize,
    pub(crate) write: &'w Write,
    pub(crate) row: Row,
}

/// Writes that are made together, sorted by key: statements that lock records in one order do not lock each other out.
pub(crate) enum Chunk<'w> {
    /// Each to a key of its own, without conditions: SQL judges them while it writes.
    Plain(Vec<Item<'w>>),
    /// To be judged one after another, with what is stored held still.
    Judged(Vec<Item<'w>>),
}

/// What is to become of the records of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// They are written.
    Write,
    /// They replace other forms of the very same versions.
    Restate,
}

/// How large a chunk may be.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) records: usize,
    /// A single larger record is a chunk by itself.
    pub(crate) bytes: usize,
}

/// Splits writes of one map into chunks, to be made in this order.
///
/// Several writes to one key stay in their order, and are all judged: a statement cannot touch a row twice.
pub(crate) fn plan(mut items: Vec<Item<'_>>, kind: Kind, bounds: Bounds) -> Vec<Chunk<'_>> {
    // Stable: writes to one key keep their order. An item is large, so each is moved once.
    items.sort_by_cached_key(|item| item.row.key.clone());
    let (plain, judged) = if kind == Kind::Write {
        apart(items)
    } else {
        (Vec::new(), items)
    };
    let plain = split(plain, bounds).into_iter().map(Chunk::Plain);
    plain
        .chain(split(judged, bounds).into_iter().map(Chunk::Judged))
        .collect()
}

/// Parts what SQL can judge from what it cannot.
fn apart(items: Vec<Item<'_>>) -> (Vec<Item<'_>>, Vec<Item<'_>>) {
    let plain: Vec<bool> = (0..items.len()).map(|place| is_plain(&items, place)).collect();
    // As almost always: then nothing need be moved.
    if plain.iter().all(|is_plain| *is_plain) {
        return (items, Vec::new());
    }
    let mut plain = plain.into_iter();
    items.into_iter().partition(|_| plain.next() == Some(true))
}

/// Tells whether a write is without a condition, and the only one to its key.
fn is_plain(items: &[Item<'_>], place: usize) -> bool {
    let key = |place: usize| items.get(place).map(|item| &item.row.key);
    let before = place.checked_sub(1).and_then(key);
    before != key(place) && key(place + 1) != key(place) && items[place].write.expect.is_none()
}

fn split(mut items: Vec<Item<'_>>, bounds: Bounds) -> Vec<Vec<Item<'_>>> {
    let starts = starts(&items, bounds);
    let mut chunks: Vec<Vec<Item<'_>>> = starts.into_iter().rev().map(|at| items.split_off(at)).collect();
    chunks.reverse();
    chunks
}

/// Where the chunks of items begin.
fn starts(items: &[Item<'_>], bounds: Bounds) -> Vec<usize> {
    let (mut starts, mut bytes) = (Vec::new(), 0);
    for (place, item) in items.iter().enumerate() {
        let size = item.row.bytes();
        bytes += size;
        match starts.last() {
            Some(start) if place - start < bounds.records && bytes <= bounds.bytes => {}
            _ => {
                starts.push(place);
                bytes = size;
            }
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use layerstore_data_store::Expect;
    use layerstore_record::{Key, MapName, Millis, NodeId, Record, RecordValue, Timestamp, Version};

    use super::*;
    use crate::builder::ValueFormat;

    const BOUNDS: Bounds = Bounds {
        records: 3,
        bytes: 10_000,
    };

    fn writes(of: &[(&str, usize)]) -> Vec<Write> {
        let map = MapName::new("m").unwrap();
        let write = |(number, (key, size)): (u64, &(&str, usize))| {
            let at = Timestamp::new(Millis(number), 0, NodeId(1));
            let record = Record::builder(RecordValue::lww("x".repeat(*size), at), Version::new(at)).build();
            Write::new(map.clone(), Key::new(key).unwrap(), record.into())
        };
        (1..).zip(of).map(write).collect()
    }

    /// The places of each chunk, and whether it is judged.
    fn planned(writes: &[Write]) -> Vec<(bool, Vec<usize>)> {
        let item = |(place, write)| Item {
            place,
            write,
            row: Row::of(write, ValueFormat::Bytes).unwrap(),
        };
        let chunks = plan(writes.iter().enumerate().map(item).collect(), Kind::Write, BOUNDS);
        let places = |items: Vec<Item<'_>>| items.iter().map(|item| item.place).collect();
        let shown = |chunk| match chunk {
            Chunk::Plain(items) => (false, places(items)),
            Chunk::Judged(items) => (true, places(items)),
        };
        chunks.into_iter().map(shown).collect()
    }

    #[test]
    fn chunks_are_sorted_and_bounded_in_records_and_bytes() {
        let small = writes(&[("d", 1), ("b", 1), ("a", 1), ("c", 1)]);
        assert_eq!(planned(&small), [(false, vec![2, 1, 3]), (false, vec![0])]);
        let large = writes(&[("a", 6_000), ("b", 6_000), ("c", 20_000), ("d", 1), ("e", 1)]);
        let expected = [
            (false, vec![0]),
            (false, vec![1]),
            (false, vec![2]),
            (false, vec![3, 4]),
        ];
        assert_eq!(planned(&large), expected);
        assert!(planned(&[]).is_empty());
    }

    #[test]
    fn writes_to_one_key_and_conditional_ones_are_judged_in_their_order() {
        let mut several = writes(&[("b", 1), ("a", 1), ("b", 1), ("c", 1), ("b", 1)]);
        several[3].expect = Some(Expect::Absent);
        assert_eq!(
            planned(&several),
            [(false, vec![1]), (true, vec![0, 2, 4]), (true, vec![3])]
        );
    }
}
