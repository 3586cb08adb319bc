//! Keeps the log within its bound: segments without pending entries go, and what is pending in old ones is copied forward.

use layerstore_record::Millis;
use tracing::debug;

use super::frame::FrameKind;
use super::group::Framed;
use super::segment::segment_name;
use super::writer::LogWriter;
use super::{LogError, LogOptions};
use crate::failpoints::Failpoint;

/// How much is copied with one group.
const COPY_GROUP_BYTES: u64 = 1 << 20;

impl LogOptions {
    /// What segments may take before room is made. Two segments stay free: copies go there before their originals are removed.
    fn reclaim_at(&self) -> u64 {
        self.max_bytes - 2 * self.segment_bytes
    }

    /// What may be pending. Where more than seven eighths are, each append would copy more than eight times its size.
    pub(super) fn pending_limit(&self) -> u64 {
        self.reclaim_at() / 8 * 7
    }
}

impl LogWriter {
    /// Makes room for so many bytes.
    pub(super) fn make_room(&mut self, needed: u64) -> Result<(), LogError> {
        let limit = self.options.pending_limit();
        let pending = self.pending.bytes();
        if pending + needed > limit {
            return Err(LogError::Full {
                pending,
                limit,
                needed,
            });
        }
        // Each turn removes a segment; more turns than there are segments would copy the copies.
        let turns = self.segments.len();
        for _ in 0..turns {
            if self.bytes() + needed <= self.options.reclaim_at() {
                break;
            }
            self.copy_first_forward()?;
            self.drop_done()?;
        }
        Ok(())
    }

    /// Removes the first segments as long as they hold nothing that is pending.
    pub(super) fn drop_done(&mut self) -> Result<(), LogError> {
        let is_done = |segment: &u64| *segment != self.active.segment && !self.pending.needs(*segment);
        let done: Vec<u64> = self.segments.keys().copied().take_while(is_done).collect();
        if done.is_empty() {
            return Ok(());
        }
        // What supersedes an entry or is its copy must be durable before the entry goes, and so must the mark that
        // nobody shall miss the segment. A crash before the files are gone leaves some, which opening removes.
        if self.is_dirty() {
            self.sync_active()?;
        }
        for segment in &done {
            self.segments.remove(segment);
        }
        self.mark_durably(false)?;
        self.reader = None;
        debug!(
            log = self.files.storage.place(),
            segments = done.len(),
            "removed segments of the log whose writes are done"
        );
        let passed = self.files.pass("remove", "", Failpoint::DropUnlink);
        let unlinked = passed.and_then(|()| self.files.unlink(done.into_iter().map(segment_name)));
        self.checked(unlinked)
    }

    /// Makes what is done stay done: no later opening gives it again. What is done above the watermark is known to memory alone; so
    /// whatever is pending is copied forward, and the segments that hold the rest are removed.
    ///
    /// # Errors
    /// [`LogError::Failed`] when the disk refuses; [`LogError::DiskFull`] with some of it forgotten.
    pub fn forget_done(&mut self, now: Millis) -> Result<(), LogError> {
        self.check()?;
        let above = self.pending.highest() - self.pending.watermark();
        if above > self.pending.len() as u64 {
            let last = self.active.segment;
            while self.first_segment() <= last {
                self.copy_first_forward()?;
                self.drop_done()?;
            }
        }
        self.sync(now)?;
        self.mark_durably(false)
    }

    /// Copies what is pending in the first segment to the end.
    fn copy_first_forward(&mut self) -> Result<(), LogError> {
        let first = self.first_segment();
        if first == self.active.segment {
            return self.rotate();
        }
        let mut places = self.pending.of_segment(first).into_iter().peekable();
        while places.peek().is_some() {
            let mut payloads = Vec::new();
            let mut bytes = 0;
            let most = COPY_GROUP_BYTES.min(self.options.segment_bytes / 2);
            while let Some((sequence, place)) =
                places.next_if(|(_, place)| bytes == 0 || bytes + place.bytes <= most)
            {
                bytes += place.bytes;
                payloads.push((sequence, self.read_payload(place)?));
            }
            let frames: Vec<Framed<'_>> = payloads
                .iter()
                .map(|(sequence, payload)| Framed {
                    kind: FrameKind::Copy,
                    sequence: *sequence,
                    crc: crc32c::crc32c(payload),
                    payload,
                })
                .collect();
            let passed = self
                .files
                .pass("write", &segment_name(first), Failpoint::CopyWrite);
            self.checked(passed)?;
            self.write_group(&frames)?;
        }
        let passed = self
            .files
            .pass("write", &segment_name(first), Failpoint::CopyWritten);
        self.checked(passed)
    }
}
