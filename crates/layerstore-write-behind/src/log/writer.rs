//! The log itself, for one owner on one thread: it writes groups, syncs by policy, and begins segments.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use layerstore_record::Millis;
use tracing::{debug, info, warn};

use super::entry::{EncodedEntry, Sequence};
use super::files::{Failure, Files, failure, sync_failure};
use super::frame::{COMMIT_FRAME_BYTES, Commit, FRAME_BYTES, FrameHeader, FrameKind, Seed};
use super::pending::{Pending, Place};
use super::recover::{Image, read_image};
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_name};
use super::sidecar::{Mark, SIDECAR_FILE, Sidecar};
use super::{LogError, LogOptions, LogStats, SyncPolicy};
use crate::storage::{Storage, StorageFile};

/// The log for one owner on one thread, with all its I/O on that thread. [`DurableLog`](crate::DurableLog) is this with a thread of its
/// own, for many callers.
#[derive(Debug)]
pub struct LogWriter {
    pub(super) files: Files,
    pub(super) options: LogOptions,
    pub(super) seed: Seed,
    identity: u64,
    sidecar: Sidecar,
    pub(super) active: Active,
    /// Bytes on disk of each segment, the active one included.
    pub(super) segments: BTreeMap<u64, u64>,
    /// The number of the next frame.
    next_number: u64,
    pub(super) pending: Pending,
    /// The position below which all is synced.
    durable: u64,
    last_sync: Millis,
    poison: Option<Arc<LogError>>,
    pub(super) reader: Option<(u64, Box<dyn StorageFile>)>,
    pub(super) syncs: u64,
}

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) segment: u64,
    file: Box<dyn StorageFile>,
    base: u64,
    /// What is written and whole.
    pub(super) len: u64,
    /// A write failed, and left something behind `len`: the next group begins a segment.
    is_broken: bool,
}

/// Where an append came to lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The sequence of the first entry.
    pub first: Sequence,
    /// The sequence of the last entry.
    pub last: Sequence,
}

/// What opening a log found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// Entries that are not done. [`LogWriter::pending_after`] reads them.
    pub pending: usize,
    /// Entries up to it are done.
    pub watermark: Sequence,
    /// The highest sequence so far.
    pub last: Sequence,
    /// Whether the log had been closed.
    pub was_closed: bool,
    /// What was cut off the end after an unclean stop.
    pub tail_cut: Option<TailCut>,
}

/// The end of the last segment was not whole after an unclean stop, and was cut off. It was never synced, as far as anything says so:
/// a torn write and damage to the last group look alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TailCut {
    /// The segment.
    pub segment: u64,
    /// Where in its file.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// What goes into a frame.
pub(super) struct Framed<'a> {
    pub(super) kind: FrameKind,
    pub(super) sequence: u64,
    pub(super) payload: &'a [u8],
    pub(super) crc: u32,
}

impl LogWriter {
    /// Opens a log, or begins one where there is none.
    ///
    /// # Errors
    /// [`LogError::Setting`] before anything is looked at; [`LogError::Corrupt`] and [`LogError::UnknownFormat`] with nothing changed;
    /// those of the disk.
    pub fn open(
        storage: Arc<dyn Storage>,
        options: LogOptions,
        now: Millis,
    ) -> Result<(Self, Recovered), LogError> {
        options.check()?;
        let files = Files { storage };
        let image = match read_image(&files)? {
            Some(image) => image,
            None => begin(&files, &options)?,
        };
        Self::over(files, options, image, now)
    }

    fn over(
        files: Files,
        options: LogOptions,
        image: Image,
        now: Millis,
    ) -> Result<(Self, Recovered), LogError> {
        let mark = image.sidecar.mark;
        let seed = Seed::of(mark.identity);
        let first_segment = image
            .segments
            .keys()
            .next()
            .copied()
            .unwrap_or(image.next.segment);
        let mut pending = image.pending;
        let tail: Vec<Framed<'_>> = image
            .tail
            .iter()
            .map(|frame| Framed {
                kind: FrameKind::Copy,
                sequence: frame.sequence,
                payload: &frame.payload,
                crc: frame.crc,
            })
            .collect();
        let next = &image.next;
        let mut group = Group::new(next.segment, next.first_number, next.base, seed);
        // The tail comes with the segment: a crash leaves both or neither.
        let commit = (first_segment, pending.watermark(), pending.highest());
        let places = group.frame(&tail, image.next.base + SEGMENT_HEADER_BYTES as u64, commit);
        let (file, active_len) = match create_segment(&files, &image.next, &group.bytes) {
            Ok(made) => made,
            Err(failed) => return Err(files.error(failed).0),
        };
        for (sequence, place) in places {
            pending.put(sequence, place);
        }
        let mut segments = image.segments;
        segments.insert(image.next.segment, active_len);
        let mut log = Self {
            sidecar: Sidecar::new(files.open(SIDECAR_FILE)?, image.sidecar),
            files,
            options,
            seed,
            identity: mark.identity,
            active: Active {
                segment: image.next.segment,
                file,
                base: image.next.base,
                len: active_len,
                is_broken: false,
            },
            segments,
            next_number: group.number,
            pending,
            durable: image.next.base + active_len,
            last_sync: now,
            poison: None,
            reader: None,
            syncs: 0,
        };
        log.mark_durably(false)?;
        log.drop_done()?;
        let leftovers = image.leftovers;
        if !leftovers.is_empty() {
            let unlinked = log.files.unlink(leftovers);
            log.checked(unlinked)?;
        }
        let recovered = log.recovered(&mark, image.cut);
        Ok((log, recovered))
    }

    fn recovered(&self, mark: &Mark, tail_cut: Option<TailCut>) -> Recovered {
        let place = self.files.storage.place();
        let pending = self.pending.len();
        if let Some(cut) = tail_cut {
            let TailCut {
                segment,
                offset,
                bytes,
            } = cut;
            warn!(
                log = place,
                segment,
                offset,
                bytes,
                "cut a torn end off the log: its writes were not synced when the log stopped"
            );
        }
        if pending > 0 {
            info!(
                log = place,
                pending,
                clean = mark.is_closed,
                "the log holds writes to be made"
            );
        }
        Recovered {
            pending,
            watermark: self.watermark(),
            last: Sequence(self.pending.highest()),
            was_closed: mark.is_closed,
            tail_cut,
        }
    }

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
            self.checked(written.map_err(|source| failure("write", SIDECAR_FILE, source)))?;
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
        self.mark_durably(true)
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
        let last = frames.iter().map(|frame| frame.sequence).max().unwrap_or(0);
        let highest = self.pending.highest().max(last);
        let commit = (self.first_segment(), self.pending.watermark(), highest);
        let places = group.frame(frames, self.end(), commit);
        let places = places.into_iter().map(|(sequence, place)| {
            let offset = place.offset + self.active.len - SEGMENT_HEADER_BYTES as u64;
            (sequence, Place { offset, ..place })
        });
        let places: Vec<(u64, Place)> = places.collect();
        let written = self.active.file.append(&group.bytes);
        self.note_on_disk(group.bytes.len() as u64);
        if written.is_err() {
            self.active.is_broken = true;
        }
        let name = segment_name(self.active.segment);
        self.checked(written.map_err(|source| failure("write", &name, source)))?;
        self.active.len += group.bytes.len() as u64;
        self.next_number = group.number;
        for (sequence, place) in places {
            self.pending.put(sequence, place);
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
        let created = create_segment(&self.files, &header, &[]);
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
        self.mark_durably(false)
    }

    pub(super) fn sync_active(&mut self) -> Result<(), LogError> {
        let synced = self.active.file.sync();
        let name = segment_name(self.active.segment);
        self.checked(synced.map_err(|source| sync_failure(&name, source)))?;
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

/// A group under way, or the start of a segment.
struct Group {
    segment: u64,
    number: u64,
    durable: u64,
    seed: Seed,
    bytes: Vec<u8>,
}

impl Group {
    fn new(segment: u64, number: u64, durable: u64, seed: Seed) -> Self {
        Self {
            segment,
            number,
            durable,
            seed,
            bytes: Vec::new(),
        }
    }

    /// Frames entries and their commit. Places are given as if the group were the first of its segment.
    fn frame(
        &mut self,
        frames: &[Framed<'_>],
        start: u64,
        (first_segment, watermark, highest): (u64, u64, u64),
    ) -> Vec<(u64, Place)> {
        if frames.is_empty() {
            return Vec::new();
        }
        let mut places = Vec::with_capacity(frames.len());
        for frame in frames {
            let offset = (SEGMENT_HEADER_BYTES + self.bytes.len()) as u64;
            self.push(frame);
            let bytes = (FRAME_BYTES + frame.payload.len()) as u64;
            let place = Place {
                segment: self.segment,
                offset,
                bytes,
            };
            places.push((frame.sequence, place));
        }
        let commit = Commit {
            start,
            frames: u32::try_from(frames.len()).unwrap_or(u32::MAX),
            first_segment,
            watermark,
        };
        let payload = commit.to_payload();
        self.push(&Framed {
            kind: FrameKind::Commit,
            sequence: highest,
            crc: crc32c::crc32c(&payload),
            payload: &payload,
        });
        places
    }

    fn push(&mut self, frame: &Framed<'_>) {
        let header = FrameHeader {
            kind: frame.kind,
            len: u32::try_from(frame.payload.len()).unwrap_or(u32::MAX),
            segment: self.segment,
            number: self.number,
            sequence: frame.sequence,
            durable: self.durable,
            payload_crc: frame.crc,
        };
        header.write(self.seed, frame.payload, &mut self.bytes);
        self.number += 1;
    }
}

/// What a group takes on disk, its commit included.
pub(super) fn group_bytes(payloads: impl Iterator<Item = usize>) -> u64 {
    let frames: usize = payloads.map(|payload| FRAME_BYTES + payload).sum();
    (frames + COMMIT_FRAME_BYTES) as u64
}

fn create_segment(
    files: &Files,
    header: &SegmentHeader,
    groups: &[u8],
) -> Result<(Box<dyn StorageFile>, u64), Failure> {
    let mut bytes = header.to_bytes();
    bytes.extend_from_slice(groups);
    let file = files.create(&segment_name(header.segment), &bytes)?;
    Ok((file, bytes.len() as u64))
}

/// Makes the sidecar of a new log. Without segments it says that none was begun.
fn begin(files: &Files, options: &LogOptions) -> Result<Image, LogError> {
    let mark = Mark {
        generation: 1,
        identity: options
            .identity
            .unwrap_or_else(|| RandomState::new().hash_one(0_u8)),
        first_segment: 1,
        last_segment: 0,
        durable: 0,
        sequence: 0,
        watermark: 0,
        is_closed: false,
    };
    let bytes = mark.to_file();
    let made = files.create(SIDECAR_FILE, &bytes);
    made.map_err(|failed| files.error(failed).0)?;
    read_image(files)?.ok_or_else(|| files.corrupt(SIDECAR_FILE, 0, "it vanished"))
}
