//! The side that asks: comparing, from the root down.

use std::ops::Bound;

use layerstore_observer::{KeyRange, LeafHash, MerkleTree};
use layerstore_record::{DEFAULT_MAX_DRIFT, Key, Timestamp};

use crate::error::{SyncError, SyncErrorKind};
use crate::message::{Answer, CompareAnswer, ComparedRange, Piece, Request, Response};
use crate::round::Round;

/// How often a cutoff may rise on the other side while we agree on one.
const AGREEMENTS: usize = 8;

impl Round<'_> {
    /// Agrees on a cutoff, and returns whether the roots are equal under it.
    pub(crate) async fn compare_roots(&mut self) -> Result<bool, SyncError> {
        let answers = self.ask(&[KeyRange::ALL]).await?;
        Ok(matches!(answers.as_slice(), [Answer::Same]))
    }

    /// Compares some of the ranges that are open; what differs is noted, what has to be looked at more closely is opened.
    pub(crate) async fn compare_next(&mut self) -> Result<(), SyncError> {
        let asked = self.open.len().saturating_sub(self.replica.options.ranges.max(1));
        let asked = self.open.split_off(asked);
        let answers = self.ask(&asked).await?;
        let (answered, rest) = asked.split_at(answers.len().min(asked.len()));
        self.open.extend_from_slice(rest);
        for (range, answer) in answered.iter().zip(answers) {
            match answer {
                Answer::Same => {}
                Answer::Pieces(pieces) => self.open_pieces(range, &pieces)?,
                Answer::Leaves { leaves, until } => self.note_leaves(range, &leaves, until).await?,
            }
        }
        Ok(())
    }

    /// Asks the peer about ranges, under a cutoff that both have.
    async fn ask(&mut self, ranges: &[KeyRange]) -> Result<Vec<Answer>, SyncError> {
        for _ in 0..AGREEMENTS {
            let cutoff = self.replica.tree.cutoff();
            let request = self.compare_request(cutoff, ranges)?;
            match self.call(request).await? {
                Response::Compared(CompareAnswer { cutoff: theirs, .. }) if theirs > cutoff => {
                    self.raise(theirs)?;
                }
                Response::Compared(CompareAnswer { answers, .. }) => {
                    self.report.ranges += u64::try_from(answers.len()).unwrap_or(u64::MAX);
                    return if answers.is_empty() {
                        Err(self.unexpected())
                    } else {
                        Ok(answers)
                    };
                }
                _ => return Err(self.unexpected()),
            }
        }
        let what = "the peer's cutoff rises faster than it can be agreed on";
        Err(self.replica.error(SyncErrorKind::Malformed, what))
    }

    fn compare_request(&self, cutoff: Timestamp, ranges: &[KeyRange]) -> Result<Request, SyncError> {
        let compared = |range: &KeyRange| {
            let digest = self.replica.tree.read(|tree| tree.digest(range))?;
            let range = range.clone();
            Some(ComparedRange { range, digest })
        };
        let ranges: Option<Vec<_>> = ranges.iter().map(compared).collect();
        Ok(Request::Compare {
            map: self.replica.map().clone(),
            partition: self.replica.tree.partition(),
            cutoff,
            ranges: ranges.ok_or_else(|| self.replica.incomplete())?,
        })
    }

    fn raise(&self, cutoff: Timestamp) -> Result<(), SyncError> {
        let ahead = cutoff.millis().since(self.replica.clock.now());
        if u128::from(ahead) > DEFAULT_MAX_DRIFT.as_millis() {
            let what = format!("the peer's lies {ahead} ms ahead of our clock: set the clocks right");
            return Err(self.replica.error(SyncErrorKind::CutoffAhead, what));
        }
        self.replica.tree.raise_cutoff(cutoff);
        Ok(())
    }

    /// Opens the pieces of a range in which we hold something else.
    fn open_pieces(&mut self, range: &KeyRange, pieces: &[Piece]) -> Result<(), SyncError> {
        let mut start = range.start.clone();
        let (is_cut, last) = (pieces.len() > 1, pieces.len().saturating_sub(1));
        for (number, piece) in pieces.iter().enumerate() {
            let end = match &piece.until {
                Some(until) if number < last => Bound::Excluded(until.clone()),
                None if number == last => range.end.clone(),
                _ => return Err(self.unexpected()),
            };
            let next = piece.until.clone().map_or(Bound::Unbounded, Bound::Included);
            let piece_range = KeyRange { start, end };
            // A piece that is empty, or beyond the range, would be asked for without end.
            let is_within =
                !piece_range.is_empty() && piece.until.as_ref().is_none_or(|key| range.contains(key));
            if !is_cut || !is_within {
                return Err(self.unexpected());
            }
            let ours = self.replica.tree.read(|tree| tree.digest(&piece_range));
            if ours.ok_or_else(|| self.replica.incomplete())? != piece.digest {
                self.open.push(piece_range);
            }
            start = next;
        }
        Ok(())
    }

    /// Notes the keys of a range whose leaves differ, and sends and fetches them in between where they are many.
    async fn note_leaves(
        &mut self,
        range: &KeyRange,
        theirs: &[(Key, LeafHash)],
        until: Option<Key>,
    ) -> Result<(), SyncError> {
        let is_sorted = theirs.is_sorted_by(|(one, _), (next, _)| one < next);
        let within = |key: &Key| range.contains(key);
        let is_last = |key: &Key| theirs.last().is_some_and(|(last, _)| last == key);
        if !is_sorted || !theirs.iter().all(|(key, _)| within(key)) || !until.as_ref().is_none_or(is_last) {
            return Err(self.unexpected());
        }
        self.check_owned(theirs.iter().map(|(key, _)| key))?;
        self.report.leaves += u64::try_from(theirs.len()).unwrap_or(u64::MAX);
        let mut covered = range.clone();
        if let Some(until) = until {
            let (start, end) = (Bound::Excluded(until.clone()), covered.end.clone());
            self.open.push(KeyRange { start, end });
            covered.end = Bound::Included(until);
        }
        self.join_leaves(covered, theirs).await
    }

    /// Goes through our leaves and theirs in key order, some of ours at a time.
    async fn join_leaves(&mut self, range: KeyRange, theirs: &[(Key, LeafHash)]) -> Result<(), SyncError> {
        let (mut left, mut theirs) = (range, theirs);
        loop {
            let most = self.replica.options.records.max(1);
            let ours = self.replica.tree.read(|tree| some_leaves(tree, &left, most));
            let ours = ours.ok_or_else(|| self.replica.incomplete())?;
            let end = (ours.len() == most)
                .then(|| ours.last().map(|(key, _)| key.clone()))
                .flatten();
            let within = theirs.partition_point(|(key, _)| end.as_ref().is_none_or(|end| key <= end));
            let (now, later) = theirs.split_at(within);
            self.note_differing(&ours, now);
            self.exchange_full().await?;
            let Some(end) = end else { return Ok(()) };
            left.start = Bound::Excluded(end);
            theirs = later;
        }
    }

    fn note_differing(&mut self, ours: &[(Key, LeafHash)], theirs: &[(Key, LeafHash)]) {
        let held = |side: &[(Key, LeafHash)], key: &Key| {
            let at = side.binary_search_by(|(held, _)| held.cmp(key)).ok()?;
            side.get(at).map(|(_, leaf)| *leaf)
        };
        let differing = ours.iter().filter(|(key, leaf)| held(theirs, key) != Some(*leaf));
        self.send.extend(differing.map(|(key, _)| key.clone()));
        let unknown = theirs.iter().filter(|(key, _)| held(ours, key).is_none());
        self.want.extend(unknown.map(|(key, _)| key.clone()));
    }
}

fn some_leaves(tree: &MerkleTree, range: &KeyRange, most: usize) -> Vec<(Key, LeafHash)> {
    let leaves = tree.leaves(range).take(most);
    leaves.map(|(key, leaf)| (key.clone(), leaf)).collect()
}
