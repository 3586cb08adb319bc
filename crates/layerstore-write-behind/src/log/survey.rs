//! Looks at every segment there is, damaged or not: for whoever inspects a log, or saves what is left of one.

use std::ops::Range;

use super::LogError;
use super::entry::is_entry;
use super::files::Files;
use super::frame::{FRAME_BYTES, FrameHeader, FrameKind, Seed};
use super::scan::{Found, Scan};
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_name};
use super::sidecar::{self, Mark, SIDECAR_FILE, Sidecar};

/// What the files hold, as far as they can be read.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) mark: Option<Mark>,
    pub(crate) segments: Vec<Surveyed>,
    pub(crate) leftovers: Vec<String>,
    /// The highest watermark that anything names.
    pub(crate) watermark: u64,
    /// The first segment that is needed, as far as anything says so.
    pub(crate) first_segment: u64,
}

/// A segment.
#[derive(Debug)]
pub(crate) struct Surveyed {
    pub(crate) segment: u64,
    pub(crate) bytes: u64,
    pub(crate) groups: usize,
    pub(crate) flaw: Option<(u64, &'static str)>,
    /// Entries of whole groups; of a segment with a flaw, every entry that is whole by itself.
    pub(crate) entries: Vec<Found>,
    /// What of it is no whole frame.
    pub(crate) lost: Vec<Range<u64>>,
}

impl Survey {
    pub(crate) fn of(files: &Files) -> Result<Self, LogError> {
        let listing = files.list()?;
        let mark = match listing.has_sidecar {
            true => sidecar::read(&files.read(SIDECAR_FILE, Sidecar::file_bytes())?).ok(),
            false => None,
        };
        let mark = mark.map(|reading| reading.mark);
        let mut headers = Vec::new();
        for segment in listing.segments {
            let bytes = files.read(&segment_name(segment), SEGMENT_HEADER_BYTES)?;
            let header = SegmentHeader::read(&bytes).ok();
            headers.push((segment, header.filter(|header| header.segment == segment)));
        }
        let known = headers.iter().find_map(|(_, header)| *header);
        let identity = mark
            .map(|mark| mark.identity)
            .or(known.map(|header| header.identity));
        let mut survey = Self {
            mark,
            segments: Vec::new(),
            leftovers: listing.unfinished,
            watermark: mark.map_or(0, |mark| mark.watermark),
            first_segment: mark.map_or(0, |mark| mark.first_segment),
        };
        let nexts = headers.iter().skip(1).map(|(_, header)| *header).chain([None]);
        for ((segment, header), next) in headers.iter().zip(nexts) {
            survey.add(files, *segment, *header, next, identity)?;
        }
        let first = survey.first_segment;
        let (old, needed) = survey
            .segments
            .into_iter()
            .partition(|found: &Surveyed| found.segment < first);
        survey.segments = needed;
        survey
            .leftovers
            .extend(old.iter().map(|found| segment_name(found.segment)));
        Ok(survey)
    }

    fn add(
        &mut self,
        files: &Files,
        segment: u64,
        header: Option<SegmentHeader>,
        next: Option<SegmentHeader>,
        identity: Option<u64>,
    ) -> Result<(), LogError> {
        let mut bytes = files.read(&segment_name(segment), usize::MAX)?;
        let on_disk = bytes.len() as u64;
        let mut found = Surveyed {
            segment,
            bytes: on_disk,
            groups: 0,
            flaw: None,
            entries: Vec::new(),
            lost: Vec::new(),
        };
        let seed = identity.map(Seed::of);
        let (Some(header), Some(seed)) = (header, seed) else {
            found.flaw = Some((0, "the header is not what was written"));
            if let Some(seed) = seed {
                found.pick(&bytes, 0, seed);
            }
            self.segments.push(found);
            return Ok(());
        };
        let end = next.and_then(|next| usize::try_from(next.base.checked_sub(header.base)?).ok());
        // What lies behind the base of the next segment was cut off before.
        bytes.truncate(end.unwrap_or(usize::MAX));
        let scan = Scan::of(&bytes, header, seed);
        for group in &scan.groups {
            self.watermark = self.watermark.max(group.commit.watermark);
            self.first_segment = self.first_segment.max(group.commit.first_segment);
        }
        found.groups = scan.groups.len();
        match scan.flaw {
            Some(flaw) => {
                found.flaw = Some((flaw.offset as u64, flaw.what));
                found.pick(&bytes, SEGMENT_HEADER_BYTES, seed);
            }
            None => {
                let is_short = end.is_some_and(|end| bytes.len() < end);
                found.flaw = is_short.then_some((scan.end() as u64, "its end is missing"));
                found.entries = scan.entries;
            }
        }
        self.segments.push(found);
        Ok(())
    }

    /// The segments that are needed and not there.
    pub(crate) fn missing(&self) -> Vec<u64> {
        let last = self.segments.last().map_or(0, |found| found.segment);
        let last = self.mark.map_or(last, |mark| mark.last_segment.max(last));
        let first = self.segments.first().map_or(1, |found| found.segment);
        let first = if self.first_segment > 0 {
            self.first_segment
        } else {
            first
        };
        let is_there = |segment: &u64| self.segments.iter().any(|found| found.segment == *segment);
        // A number that nobody can have reached comes from damage.
        let last = last.min(first.saturating_add(self.segments.len() as u64 + 1_000));
        (first..=last).filter(|segment| !is_there(segment)).collect()
    }
}

impl Surveyed {
    /// Takes every frame that is whole by itself, and notes what lies between them.
    fn pick(&mut self, bytes: &[u8], from: usize, seed: Seed) {
        let (mut from, mut whole_to) = (from, from);
        while let Some(at) = FrameHeader::find(bytes, from) {
            let rest = bytes.get(at..).unwrap_or_default();
            let header = FrameHeader::read(seed, rest).filter(|header| header.segment == self.segment);
            let Some((header, payload)) = header.and_then(|header| Some((header, header.payload(rest)?)))
            else {
                from = at + 1;
                continue;
            };
            let bytes = FRAME_BYTES + payload.len();
            if header.kind != FrameKind::Commit && is_entry(payload) {
                self.entries.push(Found {
                    kind: header.kind,
                    sequence: header.sequence,
                    offset: at,
                    bytes,
                });
            }
            self.lose(whole_to, at);
            (from, whole_to) = (at + bytes, at + bytes);
        }
        self.lose(whole_to, bytes.len());
    }

    fn lose(&mut self, from: usize, to: usize) {
        if from < to {
            self.lost.push(from as u64..to as u64);
        }
    }
}
