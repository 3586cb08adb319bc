//! Reads entries back that are pending: for replay, and for what memory did not keep.

use super::LogError;
use super::entry::{LogEntry, Sequence};
use super::frame::{FRAME_BYTES, FrameHeader};
use super::pending::Place;
use super::recover::is_entry_kind;
use super::segment::segment_name;
use super::writer::LogWriter;
use crate::failpoints::Failpoint;

impl LogWriter {
    /// Returns entries that are not done, in order, from the one after a sequence on: as many as fit into `max_bytes`, at least one
    /// where there is one. Works also after a failure, and on a full disk.
    ///
    /// A later entry of a key may lie before an earlier one in the files, never here.
    ///
    /// # Errors
    /// [`LogError::Corrupt`] when what was written does not come back; [`LogError::Unreadable`] when the disk refuses.
    pub fn pending_after(&mut self, after: Sequence, max_bytes: u64) -> Result<Vec<LogEntry>, LogError> {
        let mut chosen = Vec::new();
        let mut total = 0;
        for (sequence, place) in self.pending.later_than(after.0) {
            total += place.bytes;
            if total > max_bytes && !chosen.is_empty() {
                break;
            }
            chosen.push((sequence, place));
        }
        chosen
            .into_iter()
            .map(|(sequence, place)| self.read_entry(sequence, place))
            .collect()
    }

    /// Returns an entry that is not done, none where it is.
    ///
    /// # Errors
    /// As [`LogWriter::pending_after`].
    pub fn read(&mut self, sequence: Sequence) -> Result<Option<LogEntry>, LogError> {
        let before = sequence.0.saturating_sub(1);
        let found = self.pending.later_than(before).next();
        match found.filter(|(found, _)| *found == sequence.0) {
            Some((found, place)) => self.read_entry(found, place).map(Some),
            None => Ok(None),
        }
    }

    fn read_entry(&mut self, sequence: u64, place: Place) -> Result<LogEntry, LogError> {
        let payload = self.read_payload(place)?;
        let corrupt = |what| self.corrupt(place, what);
        LogEntry::read(Sequence(sequence), &payload).map_err(corrupt)
    }

    /// Reads the payload of a frame, and checks it.
    pub(super) fn read_payload(&mut self, place: Place) -> Result<Vec<u8>, LogError> {
        let name = segment_name(place.segment);
        let passed = self.files.failpoints.pass(Failpoint::EntryRead);
        passed.map_err(|error| self.files.unreadable(&name, error))?;
        let mut file = match self.reader.take() {
            Some((segment, file)) if segment == place.segment => file,
            _ => self.files.open(&name)?,
        };
        let len = usize::try_from(place.bytes).unwrap_or(usize::MAX);
        let mut framed = vec![0; len];
        let read = file
            .read_at(place.offset, &mut framed)
            .map_err(|error| self.files.unreadable(&name, error))?;
        self.reader = Some((place.segment, file));
        framed.truncate(read);
        let header = FrameHeader::read(self.seed, &framed)
            .filter(|header| header.segment == place.segment && is_entry_kind(header.kind));
        let payload = header.and_then(|header| header.payload(&framed));
        if payload.is_none_or(|payload| payload.len() + FRAME_BYTES != len) {
            return Err(self.corrupt(place, "the entry is not what was written"));
        }
        framed.drain(..FRAME_BYTES);
        Ok(framed)
    }

    fn corrupt(&self, place: Place, what: &'static str) -> LogError {
        let offset = usize::try_from(place.offset).unwrap_or(usize::MAX);
        self.files.corrupt(&segment_name(place.segment), offset, what)
    }
}
