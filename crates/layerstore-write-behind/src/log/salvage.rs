use std::collections::BTreeMap;
use std::sync::Arc;

use layerstore_record::Millis;
use tracing::warn;

use super::entry::{EncodedEntry, LogEntry, Sequence};
use super::files::Files;
use super::frame::FRAME_BYTES;
use super::group::group_bytes;
use super::segment::segment_name;
use super::survey::Survey;
use super::writer::LogWriter;
use super::{LogError, LogOptions};
use crate::storage::Storage;

/// What was saved of a log, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SalvageReport {
    /// Entries that are in the new log.
    pub saved: usize,
    /// Entries that were whole by their checksums and could not be understood.
    pub refused: usize,
    /// Bytes of segments that are no whole frame.
    pub lost: Vec<Loss>,
    /// Segments that should be there and are not.
    pub missing: Vec<u64>,
}

/// A part of a segment that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// The segment.
    pub segment: u64,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub bytes: u64,
}

impl SalvageReport {
    /// Tells whether everything was saved.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.refused == 0 && self.lost.is_empty() && self.missing.is_empty()
    }
}

/// Takes over what can be read of a damaged log into a new one, in order, and closes that. The old one is only read.
///
/// What is pending is saved; where the watermark cannot be read, more, which a store takes for repeated. Entries of an append that was never
/// acknowledged may be among them. The new log gives them new sequences.
///
/// # Errors
/// [`LogError::Setting`] where `to` holds a log already; [`LogError::Unreadable`] and [`LogError::Failed`] when a disk refuses.
pub fn salvage(
    from: Arc<dyn Storage>,
    to: Arc<dyn Storage>,
    options: LogOptions,
    now: Millis,
) -> Result<SalvageReport, LogError> {
    let (from, target) = (
        Files {
            storage: from,
            failpoints: options.failpoints.clone(),
        },
        Files {
            storage: Arc::clone(&to),
            failpoints: options.failpoints.clone(),
        },
    );
    let there = target.list()?;
    if there.has_sidecar || !there.segments.is_empty() {
        return Err(LogError::Setting(format!(
            "{} holds a log already: name an empty folder",
            to.place()
        )));
    }
    let survey = Survey::of(&from)?;
    let mut report = SalvageReport {
        missing: survey.missing(),
        ..SalvageReport::default()
    };
    let mut places = BTreeMap::new();
    let mut total = 0;
    for segment in &survey.segments {
        total += segment.bytes;
        report.lost.extend(segment.lost.iter().map(|lost| Loss {
            segment: segment.segment,
            offset: lost.start,
            bytes: lost.end - lost.start,
        }));
        let needed = segment
            .entries
            .iter()
            .filter(|found| found.sequence > survey.watermark);
        places.extend(needed.map(|found| (found.sequence, (segment.segment, *found))));
    }
    // All of it may be pending, and what is may fill only a part of a log.
    let segment_bytes = options.segment_bytes;
    let max_bytes = options.max_bytes.max(total.saturating_mul(2) + 8 * segment_bytes);
    let (mut log, _) = LogWriter::open(to, options.max_bytes(max_bytes), now)?;
    let mut group: Vec<EncodedEntry> = Vec::new();
    for (sequence, (segment, found)) in places {
        let name = segment_name(segment);
        let mut framed = vec![0; found.bytes];
        let read = from.open(&name)?.read_at(found.offset as u64, &mut framed);
        read.map_err(|error| from.unreadable(&name, error))?;
        let payload = framed.split_off(FRAME_BYTES.min(framed.len()));
        if LogEntry::read(Sequence(sequence), &payload).is_err() {
            report.refused += 1;
            continue;
        }
        let lens = group.iter().map(|entry| entry.payload.len());
        if group_bytes(lens.chain([payload.len()])) > segment_bytes / 2 && !group.is_empty() {
            log.append(&group, now)?;
            group.clear();
        }
        report.saved += 1;
        let crc = crc32c::crc32c(&payload);
        group.push(EncodedEntry { payload, crc });
    }
    log.append(&group, now)?;
    log.close(now)?;
    if !report.is_complete() {
        warn!(
            log = from.storage.place(),
            saved = report.saved,
            refused = report.refused,
            lost_bytes = report.lost.iter().map(|lost| lost.bytes).sum::<u64>(),
            missing_segments = report.missing.len(),
            "not all of the log could be saved"
        );
    }
    Ok(report)
}
