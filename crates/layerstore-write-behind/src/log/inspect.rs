use std::collections::BTreeMap;
use std::sync::Arc;

use super::LogError;
use super::entry::Sequence;
use super::files::Files;
use super::frame::FrameKind;
use super::recover::read_image;
use super::survey::Survey;
use crate::failpoints::Failpoints;
use crate::storage::Storage;

/// What the files of a log say, damaged or not.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Inspection {
    /// Why the log would not be opened, none where it would.
    pub refusal: Option<LogError>,
    /// Whether it was closed, and nothing was written since; none where the sidecar cannot be read.
    pub is_closed: Option<bool>,
    /// Entries up to it are done.
    pub watermark: Sequence,
    /// The highest sequence that was found.
    pub last: Sequence,
    /// Entries above the watermark that can be read. Some may be done: a log learns of the oldest first.
    pub pending: usize,
    /// Bytes of them.
    pub pending_bytes: u64,
    /// The oldest of them.
    pub oldest: Option<Sequence>,
    /// The segments, in order.
    pub segments: Vec<SegmentInfo>,
    /// Segments that should be there and are not.
    pub missing: Vec<u64>,
    /// Files that nothing needs; opening removes them.
    pub leftovers: Vec<String>,
}

/// What a segment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentInfo {
    /// Its number.
    pub segment: u64,
    /// Its bytes on disk.
    pub bytes: u64,
    /// Groups that are whole.
    pub groups: usize,
    /// Entries that can be read.
    pub entries: usize,
    /// Copies of entries that can be read.
    pub copies: usize,
    /// The first place that is not what was written. In the last segment of a log that was not closed it may be a torn write.
    pub damage: Option<Damage>,
}

/// A place that is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// Where in the file, in bytes.
    pub offset: u64,
    /// What is wrong there.
    pub what: &'static str,
}

/// Looks at a log without changing anything, also while it is open elsewhere (then what is being written may look torn).
///
/// # Errors
/// [`LogError::Unreadable`] when the disk refuses. Damage is no error here.
pub fn inspect(storage: Arc<dyn Storage>) -> Result<Inspection, LogError> {
    let files = Files {
        storage,
        failpoints: Failpoints::none(),
    };
    let survey = Survey::of(&files)?;
    let mut pending = BTreeMap::new();
    let mut last = survey.mark.map_or(0, |mark| mark.sequence);
    for found in survey.segments.iter().flat_map(|segment| &segment.entries) {
        last = last.max(found.sequence);
        if found.sequence > survey.watermark {
            pending.insert(found.sequence, found.bytes as u64);
        }
    }
    let segments = survey.segments.iter().map(|found| {
        let copies = found
            .entries
            .iter()
            .filter(|entry| entry.kind == FrameKind::Copy)
            .count();
        SegmentInfo {
            segment: found.segment,
            bytes: found.bytes,
            groups: found.groups,
            entries: found.entries.len() - copies,
            copies,
            damage: found.flaw.map(|(offset, what)| Damage { offset, what }),
        }
    });
    Ok(Inspection {
        refusal: read_image(&files).err(),
        is_closed: survey.mark.map(|mark| mark.is_closed),
        watermark: Sequence(survey.watermark),
        last: Sequence(last),
        pending: pending.len(),
        pending_bytes: pending.values().sum(),
        oldest: pending.keys().next().copied().map(Sequence),
        segments: segments.collect(),
        missing: survey.missing(),
        leftovers: survey.leftovers,
    })
}
