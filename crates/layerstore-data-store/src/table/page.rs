use std::ops::{Bound, RangeBounds};

use layerstore_record::{Key, Millis, Record};

use super::fault::TableFault;
use crate::error::ErrorKind;
use crate::fence::{Floors, Held};
use crate::scan::{Include, ScanPage, ScanRequest};

/// Records of a page, at most: a larger request gets several pages. Large enough that the round trip does not count, and
/// small enough that a page of records of 10 KB each is 100 MB.
pub const MAX_PAGE_RECORDS: usize = 10_000;

/// Which records of a map a table is asked for: both bounds belong to the range, and are compared as bytes.
///
/// In SQL: `key >= first AND (last IS NULL OR key <= last) ORDER BY key LIMIT limit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRange<'a> {
    /// The range begins here; empty, and so before every key, for one without a beginning.
    pub first: &'a str,
    /// The range ends here.
    pub last: Option<&'a str>,
    /// The most records to return.
    pub limit: u32,
}

impl KeyRange<'_> {
    fn contains(&self, key: &Key) -> bool {
        key.as_str() >= self.first && self.last.is_none_or(|last| key.as_str() <= last)
    }
}

/// A page of a scan: what the table is asked for, and what of its answer is returned.
pub(super) struct Page<'a> {
    request: &'a ScanRequest,
    limit: usize,
    range: KeyRange<'a>,
}

impl<'a> Page<'a> {
    /// Works out the range to ask for; `None` where no key can lie in it.
    pub(super) fn of(request: &'a ScanRequest, holds_nul: bool) -> Option<Self> {
        // Where no key has a NUL in it, what stands before the first one bounds as well; what is then outside of the
        // request is left out again below, as a bound that does not belong to it is.
        let edge = |bound: &'a Bound<Key>| match bound {
            Bound::Unbounded => None,
            Bound::Included(key) | Bound::Excluded(key) if holds_nul => Some(key.as_str()),
            Bound::Included(key) | Bound::Excluded(key) => key.as_str().split('\0').next(),
        };
        let (first, last) = (edge(&request.start).unwrap_or_default(), edge(&request.end));
        if last.is_some_and(|last| last < first) {
            return None;
        }
        let limit = request.limit.clamp(1, MAX_PAGE_RECORDS);
        // One more, since the first may be the key at which the page before this one ended.
        let limit_asked = u32::try_from(limit + 1).unwrap_or(u32::MAX);
        let range = KeyRange {
            first,
            last,
            limit: limit_asked,
        };
        Some(Self {
            request,
            limit,
            range,
        })
    }

    pub(super) fn range(&self) -> KeyRange<'a> {
        self.range
    }

    /// Makes the page of the table's answer.
    pub(super) fn answer(&self, found: Vec<(Key, Record)>, now: Millis) -> Result<ScanPage, TableFault> {
        // A table that sorts by the rules of a language would have pages skip records, and quietly.
        let rises = found.is_sorted_by(|(one, _), (next, _)| one < next);
        if !rises || found.iter().any(|(key, _)| !self.range.contains(key)) {
            let what =
                "the table's keys are not in byte order: give their column the collation C, or a binary one";
            return Err(TableFault::new(ErrorKind::Corrupt, what));
        }
        let is_full = found.len() > self.limit;
        let bounds = (self.request.start.as_ref(), self.request.end.as_ref());
        let mut records = found;
        records.retain(|(key, _)| bounds.contains(key));
        records.truncate(self.limit);
        let last = records.last().filter(|_| is_full);
        let next = last.map(|(key, _)| key.clone());
        let tombstones = self.request.include == Include::Tombstones;
        // No record lies below the cleared floor: it was deleted in the transaction that raised the floor.
        records.retain(|(_, record)| {
            (tombstones || !record.is_tombstone()) && Held::is_visible(record, Floors::default(), now)
        });
        Ok(ScanPage { records, next })
    }
}

#[cfg(test)]
mod tests {
    use layerstore_record::{NodeId, RecordValue, Timestamp, Version};

    use super::*;

    fn key(text: &str) -> Key {
        Key::new(text).unwrap()
    }

    fn found(keys: &[&str]) -> Vec<(Key, Record)> {
        let at = Timestamp::new(Millis(1), 0, NodeId(1));
        let record = || Record::builder(RecordValue::lww(1_u64, at), Version::new(at)).build();
        keys.iter().map(|text| (key(text), record())).collect()
    }

    /// Reads a sorted table page by page, as a store would, and returns the keys.
    fn scanned(table: &[&str], mut request: ScanRequest, holds_nul: bool) -> Vec<String> {
        let mut all = Vec::new();
        for _ in 0..=table.len() {
            let Some(page) = Page::of(&request, holds_nul) else {
                return all;
            };
            let KeyRange { first, last, limit } = page.range();
            assert!(holds_nul || !first.contains('\0') && !last.unwrap_or_default().contains('\0'));
            let within = |text: &&&str| **text >= first && last.is_none_or(|last| **text <= last);
            let limit = usize::try_from(limit).unwrap();
            let rows: Vec<&str> = table.iter().filter(within).take(limit).copied().collect();
            let answer = page.answer(found(&rows), Millis(0)).unwrap();
            assert!(answer.records.len() <= request.limit);
            all.extend(answer.records.into_iter().map(|(key, _)| key.as_str().to_owned()));
            let Some(next) = answer.next else {
                return all;
            };
            request.start = Bound::Excluded(next);
        }
        panic!("the scan does not end");
    }

    #[test]
    fn pages_of_any_size_hold_what_lies_within_any_bounds() {
        let table = ["a", "a\u{1}", "ab", "b", "ba", "ä"];
        let with_nul = ["a", "a\0", "a\0b", "a\u{1}", "ab", "b", "ä"];
        let edges = ["A", "a", "a\0", "a\0b", "a\u{1}", "ab", "b\0", "c", "ä", "ö"];
        let bounds: Vec<Bound<Key>> = edges
            .iter()
            .flat_map(|text| [Bound::Included(key(text)), Bound::Excluded(key(text))])
            .chain([Bound::Unbounded])
            .collect();
        for (table, holds_nul) in [(&table[..], false), (&table[..], true), (&with_nul[..], true)] {
            for (start, end) in bounds
                .iter()
                .flat_map(|start| bounds.iter().map(move |end| (start, end)))
            {
                let expected: Vec<&str> = table
                    .iter()
                    .filter(|text| (start.as_ref(), end.as_ref()).contains(&key(text)))
                    .copied()
                    .collect();
                for limit in 1..=table.len() + 1 {
                    let request = ScanRequest::first(limit).from(start.clone()).until(end.clone());
                    let case = format!("{start:?} {end:?} {limit} {holds_nul}");
                    assert_eq!(scanned(table, request, holds_nul), expected, "{case}");
                }
            }
        }
    }

    #[test]
    fn an_answer_out_of_byte_order_or_range_is_an_error() {
        let request = ScanRequest::first(9).until(Bound::Excluded(key("b")));
        let page = Page::of(&request, true).unwrap();
        for keys in [["a", "B"], ["a", "a"], ["a", "c"]] {
            let fault = page.answer(found(&keys), Millis(0)).unwrap_err();
            assert_eq!(fault.kind, ErrorKind::Corrupt);
        }
    }
}
