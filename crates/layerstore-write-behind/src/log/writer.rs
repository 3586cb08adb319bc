//! The log itself, for one owner on one thread: it writes groups, syncs by policy, and begins segments.

use std::collections::BTreeMap;
use std::sync::Arc;

use layerstore_record::Millis;
use tokio::time::Instant;
use tracing::debug;

use super::entry::{EncodedEntry, Sequence};
use super::files::{Failure, Files, failure, sync_failure};
use super::frame::{FrameKind, Seed};
use super::group::{Framed, Group, group_bytes};
use super::opening::create_segment;
use super::pending::{Pending, Place};
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_name};
use super::sidecar::{Mark, SIDECAR_FILE, Sidecar};
use super::{LogError, LogOptions, LogStats, SyncPolicy};
use crate::failpoints::Failpoint;
use crate::metrics;
use crate::storage::StorageFile;

/// The log for one owner on one thread, with all its I/O on that thread. [`DurableLog`](crate::DurableLog) is this with a thread of its
/// own, for many callers.
#[derive(Debug)]
pub struct LogWriter {
    pub(super) files: Files,
    pub(super) options: LogOptions,
    pub(super) seed: Seed,
    pub(super) identity: u64,
    pub(super) sidecar: Sidecar,
    pub(super) active: Active,
    /// Bytes on disk of each segment, the active one included.
    pub(super) segments: BTreeMap<u64, u64>,
    /// The number of the next frame.
    pub(super) next_number: u64,
    pub(super) pending: Pending,
    /// The position below which all is synced.
    pub(super) durable: u64,
    pub(super) last_sync: Millis,
    pub(super) poison: Option<Arc<LogError>>,
    pub(super) reader: Option<(u64, Box<dyn StorageFile>)>,
    pub(super) syncs: u64,
}

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) segment: u64,
    pub(super) file: Box<dyn StorageFile>,
    pub(super) base: u64,
    /// What is written and whole.
    pub(super) len: u64,
    /// A write failed, and left something behind `len`: the next group begins a segment.
    pub(super) is_broken: bool,
}

/// Where an append came to lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The sequence of the first entry.
    pub first: Sequence,
    /// The sequence of the last entry.
    pub last: Sequence,
}

impl LogWriter {
    /// Appends entries as one group. Under [`SyncPolicy::Always`] they are synced when this returns.
    ///
    /// # Errors
    /// [`LogError::DiskFull`] and [`LogError::Full`], after which the same append may be tried again; [`LogError::TooLarge`] for more
    /// than a segment holds; [`LogError::Failed`], after which the log must be opened again.
    pub fn append(&mut self, entries: &[EncodedEntry], now: Millis) -> Result<Appended, LogError> {
        self.check()?;
        let bytes = group_bytes(entries.iter().map(|entry| entry.payload.len()));
        self.check_size(bytes)?;
        self.make_room(bytes)?;
        let first = self.pending.highest() + 1;
        let frames: Vec<Framed<'_>> = entries
            .iter()
            .zip(first..)
            .map(|(entry, sequence)| Framed {
                kind: FrameKind::Entry,
                sequence,
                payload: &entry.payload,
                crc: entry.crc,
            })
            .collect();
        let last = frames.last().map_or(first - 1, |frame| frame.sequence);
        self.write_group(&frames)?;
        self.sync_by_policy(now)?;
        Ok(Appended {
            first: Sequence(first),
            last: Sequence(last),
        })
    }

    /// Syncs what is due by the policy; to be called at the intervals that it names.
    ///
    /// # Errors
    /// [`LogError::Failed`] when the sync fails.
    pub fn tick(&mut self, now: Millis) -> Result<(), LogError> {
        self.check()?;
        let SyncPolicy::Interval(interval) = self.options.sync else {
            return Ok(());
        };
        // A clock that was set back makes the sync due, not late.
        let is_due = now < self.last_sync || u128::from(now.since(self.last_sync)) >= interval.as_millis();
        if is_due {
            self.sync(now)?;
        }
        Ok(())
    }

    /// Makes everything that was appended durable.
    ///
    /// # Errors
    /// [`LogError::Failed`] when the sync fails.
    pub fn sync(&mut self, now: Millis) -> Result<(), LogError> {
        self.check()?;
        if self.is_dirty() {
            self.sync_active()?;
            let written = self.sidecar.write(self.mark(false));
            // The append is synced by now: no want of space takes it back, so that it is never said to have been refused for that.
            self.checked(written.map_err(|source| sync_failure(SIDECAR_FILE, source)))?;
        }
        self.last_sync = now;
        Ok(())
    }

    /// Tells whether anything was appended that is not synced.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.end() > self.durable
    }

    /// Takes entries for done: they are in the final store, or superseded by a later entry, which must have been appended before. Segments
    /// that hold nothing else are removed.
    ///
    /// # Errors
    /// [`LogError::Failed`] when a segment cannot be removed.
    pub fn done(&mut self, sequences: &[Sequence]) -> Result<(), LogError> {
        self.check()?;
        if self.files.failpoints.pass(Failpoint::DoneTold).is_err() {
            return Ok(());
        }
        for sequence in sequences {
            self.pending.done(sequence.0);
        }
        self.drop_done()
    }

    /// Closes the log: all of it is synced, and the next opening knows where it ends. What is pending stays.
    ///
    /// # Errors
    /// [`LogError::Failed`] when a sync fails; the log is then as after a crash.
    pub fn close(mut self, now: Millis) -> Result<(), LogError> {
        self.sync(now)?;
        if self.active.is_broken {
            // What a failed write left behind would be taken for a change after closing.
            self.rotate()?;
        }
        let passed = self.files.pass("write", SIDECAR_FILE, Failpoint::Seal);
        self.checked(passed)?;
        self.mark_durably(true)?;
        let passed = self.files.pass("write", SIDECAR_FILE, Failpoint::Sealed);
        self.checked(passed)
    }

    /// Returns the sequence up to which all entries are done.
    #[must_use]
    pub fn watermark(&self) -> Sequence {
        Sequence(self.pending.watermark())
    }

    /// Returns how many entries are not done.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Returns how many bytes of the disk the log takes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.values().sum()
    }

    /// Returns the first and the last segment.
    #[must_use]
    pub fn segments(&self) -> (u64, u64) {
        (self.first_segment(), self.active.segment)
    }

    /// Returns what there is to know now.
    #[must_use]
    pub fn stats(&self) -> LogStats {
        LogStats {
            pending: self.pending.len(),
            pending_bytes: self.pending.bytes(),
            bytes: self.bytes(),
            segments: self.segments.len(),
            watermark: self.watermark(),
            last: Sequence(self.pending.highest()),
            syncs: self.syncs,
            is_poisoned: self.poison.is_some(),
        }
    }

    pub(super) fn first_segment(&self) -> u64 {
        self.segments
            .keys()
            .next()
            .copied()
            .unwrap_or(self.active.segment)
    }

    /// Refuses everything after a write or a sync has failed.
    pub(super) fn check(&self) -> Result<(), LogError> {
        match &self.poison {
            Some(poison) => Err(LogError::Poisoned(Arc::clone(poison))),
            None => Ok(()),
        }
    }

    /// Takes note of a failure after which nothing may be acknowledged.
    pub(super) fn checked<T>(&mut self, result: Result<T, Failure>) -> Result<T, LogError> {
        result.map_err(|failed| {
            let (error, stands) = self.files.error(failed);
            if !stands {
                self.poison = Some(Arc::new(error.clone()));
            }
            error
        })
    }

    fn check_size(&self, bytes: u64) -> Result<(), LogError> {
        let limit = self.options.segment_bytes - SEGMENT_HEADER_BYTES as u64;
        if bytes > limit {
            return Err(LogError::TooLarge { bytes, limit });
        }
        Ok(())
    }

    fn end(&self) -> u64 {
        self.active.base + self.active.len
    }

    /// Writes a group, in a new segment where it does not fit or the active one is broken. Returns with it written, not synced.
    pub(super) fn write_group(&mut self, frames: &[Framed<'_>]) -> Result<(), LogError> {
        if frames.is_empty() {
            return Ok(());
        }
        let bytes = group_bytes(frames.iter().map(|frame| frame.payload.len()));
        if self.active.is_broken || self.active.len + bytes > self.options.segment_bytes {
            self.rotate()?;
        }
        let mut group = Group::new(self.active.segment, self.next_number, self.durable, self.seed);
        group
            .bytes
            .reserve_exact(usize::try_from(bytes).unwrap_or_default());
        let last = frames.iter().map(|frame| frame.sequence).max().unwrap_or(0);
        let highest = self.pending.highest().max(last);
        let commit = (self.first_segment(), self.pending.watermark(), highest);
        let places = group.frame(frames, self.end(), commit);
        let failpoints = self.files.failpoints.clone();
        let written = failpoints.pass(Failpoint::GroupWrite);
        let written = written.and_then(|()| self.active.file.append(&group.bytes));
        let written = written.and_then(|()| failpoints.pass(Failpoint::GroupWritten));
        self.note_on_disk(group.bytes.len() as u64);
        if written.is_err() {
            self.active.is_broken = true;
        }
        let segment = self.active.segment;
        self.checked(written.map_err(|source| failure("write", &segment_name(segment), source)))?;
        let moved = self.active.len - SEGMENT_HEADER_BYTES as u64;
        self.active.len += group.bytes.len() as u64;
        self.next_number = group.number;
        for (sequence, place) in places {
            let offset = place.offset + moved;
            self.pending.put(sequence, Place { offset, ..place });
        }
        Ok(())
    }

    /// Counts what may have been written.
    fn note_on_disk(&mut self, bytes: u64) {
        *self.segments.entry(self.active.segment).or_default() += bytes;
    }

    fn next_header(&self) -> SegmentHeader {
        SegmentHeader {
            identity: self.identity,
            segment: self.active.segment + 1,
            base: self.end(),
            first_number: self.next_number,
            last_sequence: self.pending.highest(),
        }
    }

    /// Begins a segment. Its header says where the one before it ends, so that must be durable first.
    pub(super) fn rotate(&mut self) -> Result<(), LogError> {
        if self.is_dirty() {
            self.sync_active()?;
        }
        let header = self.next_header();
        let passed = self
            .files
            .pass("create", &segment_name(header.segment), Failpoint::RotateCreate);
        let created = passed.and_then(|()| create_segment(&self.files, &header, &[]));
        let (file, len) = self.checked(created)?;
        debug!(
            log = self.files.storage.place(),
            segment = header.segment,
            "began a segment of the log"
        );
        self.active = Active {
            segment: header.segment,
            file,
            base: header.base,
            len,
            is_broken: false,
        };
        self.segments.insert(header.segment, len);
        self.durable = header.base + len;
        let passed = self.files.pass("write", SIDECAR_FILE, Failpoint::RotateMark);
        self.checked(passed)?;
        self.mark_durably(false)
    }

    pub(super) fn sync_active(&mut self) -> Result<(), LogError> {
        let began = Instant::now();
        let failpoints = self.files.failpoints.clone();
        let synced = failpoints.pass(Failpoint::SegmentSync);
        let synced = synced.and_then(|()| self.active.file.sync());
        let synced = synced.and_then(|()| failpoints.pass(Failpoint::SegmentSynced));
        metrics::synced(began.elapsed());
        let segment = self.active.segment;
        self.checked(synced.map_err(|source| sync_failure(&segment_name(segment), source)))?;
        self.syncs += 1;
        self.durable = self.end();
        Ok(())
    }

    fn sync_by_policy(&mut self, now: Millis) -> Result<(), LogError> {
        match self.options.sync {
            SyncPolicy::Always => self.sync(now),
            SyncPolicy::Interval(_) => self.tick(now),
            SyncPolicy::Os => Ok(()),
        }
    }

    /// Everything appended must be synced: the sidecar says so.
    fn mark(&self, is_closed: bool) -> Mark {
        Mark {
            generation: 0,
            identity: self.identity,
            first_segment: self.first_segment(),
            last_segment: self.active.segment,
            durable: self.durable,
            sequence: self.pending.highest(),
            watermark: self.pending.watermark(),
            is_closed,
        }
    }

    /// Makes the sidecar say what is synced, durably.
    pub(super) fn mark_durably(&mut self, is_closed: bool) -> Result<(), LogError> {
        let marked = self.sidecar.write_durably(self.mark(is_closed));
        self.checked(marked.map_err(|source| sync_failure(SIDECAR_FILE, source)))
    }
}
