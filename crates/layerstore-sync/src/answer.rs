//! The side that is asked.

use std::ops::Bound;

use layerstore_observer::{Bucket, KeyRange, LeafHash, MerkleTree};
use layerstore_record::{DEFAULT_MAX_DRIFT, Key, MapName, Timestamp};

use crate::error::SyncError;
use crate::message::{
    Answer, CompareAnswer, ComparedRange, ExchangeAnswer, Piece, ReplicaRecord, Request, Response,
};
use crate::replica::Replica;

/// Up to how many leaves a range is answered with these instead of with pieces of it: 64, two buckets.
const FEW_LEAVES: u64 = 64;
/// The most leaves of an answer: a bucket may have more, when keys are unlucky or were chosen so.
const MOST_LEAVES: usize = 512;
/// The most pieces of an answer: twice the buckets that one bucket has in the mean.
const MOST_PIECES: usize = 64;
/// How many bytes of keys an answer holds before the rest of the ranges is left for another one: 256 KiB.
const BYTES_OF_KEYS: usize = 256 << 10;

impl Replica {
    /// Answers a peer. Every request can be repeated; the future may be dropped at any time.
    ///
    /// # Errors
    /// [`Store`](crate::SyncErrorKind::Store) when what the peer wants cannot be read. What it sends and cannot be merged is
    /// counted in the answer.
    pub async fn answer(&self, request: Request) -> Result<Response, SyncError> {
        match request {
            Request::Compare {
                map,
                partition,
                cutoff,
                ranges,
            } => Ok(self.compare(&map, partition, cutoff, &ranges)),
            Request::Exchange {
                map,
                partition,
                records,
                wanted,
            } => self.exchange(&map, partition, records, wanted).await,
        }
    }

    fn compare(
        &self,
        map: &MapName,
        partition: u32,
        cutoff: Timestamp,
        ranges: &[ComparedRange],
    ) -> Response {
        if !self.is_of(map, partition) {
            return Response::OtherMap;
        }
        // What lies that far ahead of us is no peer's past: it would make removals of the future count for nothing.
        if cutoff.millis().since(self.clock.now()) > millis_of_drift() {
            return Response::CutoffAhead;
        }
        self.tree.raise_cutoff(cutoff);
        let ours = self.tree.cutoff();
        let asked = if ours > cutoff { &[] } else { ranges };
        let Some(answers) = self.answer_ranges(asked) else {
            return Response::Incomplete;
        };
        Response::Compared(CompareAnswer {
            cutoff: ours,
            answers,
        })
    }

    fn answer_ranges(&self, asked: &[ComparedRange]) -> Option<Vec<Answer>> {
        if !self.tree.is_complete() {
            return None;
        }
        let (mut answers, mut bytes) = (Vec::new(), 0);
        for asked in asked {
            // The lock is taken for each: writers get between.
            let answer = self.tree.read(|tree| answer_range(tree, asked))?;
            bytes += answer.bytes_of_keys();
            answers.push(answer);
            if bytes >= BYTES_OF_KEYS {
                break;
            }
        }
        Some(answers)
    }

    async fn exchange(
        &self,
        map: &MapName,
        partition: u32,
        records: Vec<ReplicaRecord>,
        wanted: Vec<Key>,
    ) -> Result<Response, SyncError> {
        if !self.is_of(map, partition) {
            return Ok(Response::OtherMap);
        }
        // A peer that parts the map into another number of partitions has keys in this one that are not of ours.
        if !records
            .iter()
            .map(|record| &record.key)
            .chain(&wanted)
            .all(|key| self.store.owns(key))
        {
            return Ok(Response::OtherMap);
        }
        if !self.tree.is_complete() {
            return Ok(Response::Incomplete);
        }
        let merges = self.merge_all(records).await;
        let mut answer = ExchangeAnswer {
            merged: merges.merged,
            refused: merges.refused,
            failed: merges.failed,
            ..ExchangeAnswer::default()
        };
        let mut held = merges.ours;
        let now = wanted.len().min(self.options.records.max(1));
        let (now, later) = wanted.split_at(now);
        held.extend(self.states(now).await?);
        answer.fill(held, self.options.bytes);
        answer.left.extend_from_slice(later);
        Ok(Response::Exchanged(answer))
    }

    fn is_of(&self, map: &MapName, partition: u32) -> bool {
        map == self.map() && partition == self.tree.partition()
    }
}

impl ExchangeAnswer {
    /// Puts records into the answer while there is room, at least one; of the others only the keys.
    fn fill(&mut self, held: Vec<ReplicaRecord>, room: usize) {
        let mut bytes = 0_usize;
        for record in held {
            bytes = bytes.saturating_add(record.bytes());
            if self.records.is_empty() || bytes <= room {
                self.records.push(record);
            } else {
                self.left.push(record.key);
            }
        }
    }
}

impl Answer {
    fn bytes_of_keys(&self) -> usize {
        let of_key = |key: &Key| key.as_bytes().len() + size_of::<LeafHash>();
        match self {
            Self::Same => 1,
            Self::Pieces(pieces) => pieces
                .iter()
                .filter_map(|piece| piece.until.as_ref())
                .map(of_key)
                .sum(),
            Self::Leaves { leaves, .. } => leaves.iter().map(|(key, _)| of_key(key)).sum(),
        }
    }
}

fn answer_range(tree: &MerkleTree, asked: &ComparedRange) -> Answer {
    let ours = tree.digest(&asked.range);
    if ours == asked.digest {
        return Answer::Same;
    }
    let pieces = (ours.leaves() > FEW_LEAVES)
        .then(|| tree.split(&asked.range, MOST_PIECES))
        .flatten();
    let Some(pieces) = pieces else {
        return leaves_of(tree, &asked.range);
    };
    let last = pieces.len().saturating_sub(1);
    let piece = |(number, bucket): (usize, Bucket)| Piece {
        until: end_of(&bucket.range).filter(|_| number < last),
        digest: bucket.digest,
    };
    Answer::Pieces(pieces.into_iter().enumerate().map(piece).collect())
}

fn leaves_of(tree: &MerkleTree, range: &KeyRange) -> Answer {
    let mut rest = tree.leaves(range);
    let held = rest.by_ref().take(MOST_LEAVES);
    let leaves: Vec<_> = held.map(|(key, leaf)| (key.clone(), leaf)).collect();
    let last = leaves.last().map(|(key, _)| key.clone());
    let until = rest.next().and(last);
    Answer::Leaves { leaves, until }
}

fn end_of(range: &KeyRange) -> Option<Key> {
    match &range.end {
        Bound::Excluded(key) | Bound::Included(key) => Some(key.clone()),
        Bound::Unbounded => None,
    }
}

fn millis_of_drift() -> u64 {
    u64::try_from(DEFAULT_MAX_DRIFT.as_millis()).unwrap_or(u64::MAX)
}
