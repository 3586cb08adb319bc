//! How a log is opened or begun, and what that finds.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use layerstore_record::Millis;
use tracing::{info, warn};

use super::entry::Sequence;
use super::files::{Failure, Files};
use super::frame::{FrameKind, Seed};
use super::group::{Framed, Group};
use super::recover::{Image, read_image};
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_name};
use super::sidecar::{Mark, SIDECAR_FILE, Sidecar};
use super::writer::{Active, LogWriter};
use super::{LogError, LogOptions};
use crate::failpoints::Failpoint;
use crate::storage::{Storage, StorageFile};

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
        let failpoints = options.failpoints.clone();
        let files = Files { storage, failpoints };
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
        let passed = files.pass("create", &segment_name(next.segment), Failpoint::RecoverSegment);
        let made = passed.and_then(|()| create_segment(&files, &image.next, &group.bytes));
        let (file, active_len) = match made {
            Ok(made) => made,
            Err(failed) => return Err(files.error(failed).0),
        };
        for (sequence, place) in places {
            pending.put(sequence, place);
        }
        let mut segments = image.segments;
        segments.insert(image.next.segment, active_len);
        let mut log = Self {
            sidecar: Sidecar::new(files.open(SIDECAR_FILE)?, image.sidecar, files.failpoints.clone()),
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
        let passed = log.files.pass("write", SIDECAR_FILE, Failpoint::RecoverMark);
        log.checked(passed)?;
        log.mark_durably(false)?;
        log.drop_done()?;
        let leftovers = image.leftovers;
        if !leftovers.is_empty() {
            let passed = log.files.pass("remove", "", Failpoint::RecoverTidy);
            let unlinked = passed.and_then(|()| log.files.unlink(leftovers));
            log.checked(unlinked)?;
        }
        let passed = log.files.pass("open", "", Failpoint::RecoverEnd);
        log.checked(passed)?;
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
}

pub(super) fn create_segment(
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
    let passed = files.pass("create", SIDECAR_FILE, Failpoint::LogBegin);
    let made = passed.and_then(|()| files.create(SIDECAR_FILE, &bytes));
    made.map_err(|failed| files.error(failed).0)?;
    read_image(files)?.ok_or_else(|| files.corrupt(SIDECAR_FILE, 0, "it vanished"))
}
