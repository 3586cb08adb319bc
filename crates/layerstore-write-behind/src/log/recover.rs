//! What the files say when a log is opened: what is pending, where the log goes on, and whether all that was synced is there.

use std::collections::BTreeMap;

use super::LogError;
use super::files::{Files, Listing};
use super::frame::{FRAME_BYTES, FrameHeader, FrameKind, Seed};
use super::opening::TailCut;
use super::pending::{Pending, Place};
use super::scan::Scan;
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_name};
use super::sidecar::{self, Mark, Reading, SIDECAR_FILE, Sidecar};

/// A log as its files have it.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) sidecar: Reading,
    /// The bytes on disk of each segment that is needed.
    pub(crate) segments: BTreeMap<u64, u64>,
    pub(crate) pending: Pending,
    /// Where the next segment begins.
    pub(crate) next: SegmentHeader,
    /// What is whole but was not synced for sure: it is written anew into the next segment, because a sync that failed before
    /// may have left it in memory alone.
    pub(crate) tail: Vec<TailFrame>,
    pub(crate) cut: Option<TailCut>,
    /// Files that nothing needs.
    pub(crate) leftovers: Vec<String>,
}

/// An entry of the tail.
#[derive(Debug)]
pub(crate) struct TailFrame {
    pub(crate) sequence: u64,
    pub(crate) crc: u32,
    pub(crate) payload: Vec<u8>,
}

/// Reads the files of a log; none where there is no log.
pub(crate) fn read_image(files: &Files) -> Result<Option<Image>, LogError> {
    let listing = files.list()?;
    if !listing.has_sidecar {
        return match listing.segments.first() {
            None => Ok(None),
            Some(_) => Err(files.corrupt(SIDECAR_FILE, 0, "it is missing, and there are segments")),
        };
    }
    let bytes = files.read(SIDECAR_FILE, Sidecar::file_bytes())?;
    let reading = sidecar::read(&bytes).map_err(|error| files.refused(SIDECAR_FILE, error))?;
    Recovery::new(files, reading, listing)?.run().map(Some)
}

struct Recovery<'a> {
    files: &'a Files,
    reading: Reading,
    mark: Mark,
    seed: Seed,
    headers: Vec<SegmentHeader>,
    leftovers: Vec<String>,
    /// The position below which all was synced, as far as anything says so.
    vouched: u64,
    watermark: u64,
    segments: BTreeMap<u64, u64>,
    pending: Pending,
}

impl<'a> Recovery<'a> {
    fn new(files: &'a Files, reading: Reading, listing: Listing) -> Result<Self, LogError> {
        let mark = reading.mark;
        let (old, needed): (Vec<u64>, Vec<u64>) = listing
            .segments
            .iter()
            .partition(|segment| **segment < mark.first_segment);
        let mut leftovers = listing.unfinished;
        leftovers.extend(old.into_iter().map(segment_name));
        check_complete(files, &mark, &needed)?;
        let headers: Vec<SegmentHeader> = needed
            .into_iter()
            .map(|segment| read_header(files, segment, mark.identity))
            .collect::<Result<_, _>>()?;
        let begun = headers
            .last()
            .map_or(0, |last| last.base + SEGMENT_HEADER_BYTES as u64);
        Ok(Self {
            files,
            reading,
            mark,
            seed: Seed::of(mark.identity),
            headers,
            leftovers,
            vouched: mark.durable.max(begun),
            watermark: mark.watermark,
            segments: BTreeMap::new(),
            pending: Pending::after(mark.sequence.max(mark.watermark)),
        })
    }

    fn run(mut self) -> Result<Image, LogError> {
        let Some((last, closed)) = self.headers.split_last() else {
            // The crash was between the sidecar and the first segment.
            let next = SegmentHeader {
                identity: self.mark.identity,
                segment: 1,
                base: 0,
                first_number: 1,
                last_sequence: 0,
            };
            return Ok(self.into_image(next, Vec::new(), None));
        };
        let (last, closed) = (*last, closed.to_vec());
        let nexts: Vec<SegmentHeader> = self.headers.iter().skip(1).copied().collect();
        for (header, next) in closed.iter().zip(&nexts) {
            self.read_closed(header, next)?;
        }
        self.read_last(&last)
    }

    /// A segment that another follows: all of it was synced, up to where the next one begins.
    fn read_closed(&mut self, header: &SegmentHeader, next: &SegmentHeader) -> Result<(), LogError> {
        let name = segment_name(header.segment);
        let mut bytes = self.files.read(&name, usize::MAX)?;
        let on_disk = bytes.len();
        let corrupt = |offset, what| Err(self.files.corrupt(&name, offset, what));
        let Some(len) = next
            .base
            .checked_sub(header.base)
            .and_then(|len| usize::try_from(len).ok())
        else {
            return corrupt(0, "the next segment begins before it");
        };
        bytes.truncate(len);
        let scan = Scan::of(&bytes, *header, self.seed);
        if let Some(flaw) = scan.flaw {
            return corrupt(flaw.offset, flaw.what);
        }
        if scan.end() != len {
            return corrupt(scan.end(), "its end is missing");
        }
        if scan.next_number() != next.first_number || scan.last_sequence() != next.last_sequence {
            return corrupt(len, "the next segment does not continue it");
        }
        self.take(&scan, on_disk);
        Ok(())
    }

    fn read_last(mut self, header: &SegmentHeader) -> Result<Image, LogError> {
        let name = segment_name(header.segment);
        let bytes = self.files.read(&name, usize::MAX)?;
        let scan = Scan::of(&bytes, *header, self.seed);
        self.vouched = self.vouched.max(scan.vouched);
        let flaw = scan.flaw.map_or((scan.end(), "its end is missing"), |flaw| {
            (flaw.offset, flaw.what)
        });
        let corrupt = |(offset, what)| Err(self.files.corrupt(&name, offset, what));
        let synced = self
            .vouched
            .checked_sub(header.base)
            .and_then(|len| usize::try_from(len).ok());
        let Some(synced) = synced.filter(|synced| *synced <= scan.end()) else {
            return corrupt(flaw);
        };
        if self.mark.is_closed && (synced != scan.end() || scan.end() != bytes.len()) {
            return corrupt((scan.end(), "the log was closed, and more was written"));
        }
        let kept = scan.groups.iter().take_while(|group| group.end <= synced).last();
        if kept.map_or(SEGMENT_HEADER_BYTES, |group| group.end) != synced {
            return corrupt((synced, "what was synced ends within a group"));
        }
        let next = SegmentHeader {
            identity: self.mark.identity,
            segment: header.segment + 1,
            base: self.vouched,
            first_number: kept.map_or(header.first_number, |group| group.next_number),
            last_sequence: kept.map_or(header.last_sequence, |group| group.last_sequence),
        };
        let cut = (bytes.len() - scan.end()) as u64;
        let cut = (cut > 0).then_some(TailCut {
            segment: header.segment,
            offset: scan.end() as u64,
            bytes: cut,
        });
        self.take(&scan, bytes.len());
        let tail = self.tail(&scan, &bytes, synced);
        Ok(self.into_image(next, tail, cut))
    }

    /// Notes what a segment holds that is pending.
    fn take(&mut self, scan: &Scan, on_disk: usize) {
        let segment = scan.header.segment;
        self.segments.insert(segment, on_disk as u64);
        for group in &scan.groups {
            self.watermark = self.watermark.max(group.commit.watermark);
        }
        for found in &scan.entries {
            if found.sequence > self.mark.watermark {
                let place = Place {
                    segment,
                    offset: found.offset as u64,
                    bytes: found.bytes as u64,
                };
                self.pending.put(found.sequence, place);
            }
        }
    }

    fn tail(&self, scan: &Scan, bytes: &[u8], synced: usize) -> Vec<TailFrame> {
        let unsynced = scan.entries.iter().filter(|found| found.offset >= synced);
        let needed = unsynced.filter(|found| found.sequence > self.watermark);
        let frames = needed.filter_map(|found| {
            let framed = bytes.get(found.offset..found.offset + found.bytes)?;
            let header = FrameHeader::read(self.seed, framed)?;
            Some(TailFrame {
                sequence: found.sequence,
                crc: header.payload_crc,
                payload: framed.get(FRAME_BYTES..)?.to_vec(),
            })
        });
        frames.collect()
    }

    fn into_image(mut self, next: SegmentHeader, tail: Vec<TailFrame>, cut: Option<TailCut>) -> Image {
        let done: Vec<u64> = self
            .pending
            .later_than(0)
            .map(|(sequence, _)| sequence)
            .take_while(|sequence| *sequence <= self.watermark)
            .collect();
        for sequence in done {
            self.pending.done(sequence);
        }
        Image {
            sidecar: self.reading,
            segments: self.segments,
            pending: self.pending,
            next,
            tail,
            cut,
            leftovers: self.leftovers,
        }
    }
}

/// Every segment from the first that is needed to the last that was begun must be there.
fn check_complete(files: &Files, mark: &Mark, found: &[u64]) -> Result<(), LogError> {
    let last = found.last().copied().unwrap_or(0).max(mark.last_segment);
    if last == 0 {
        return Ok(());
    }
    let mut expected = mark.first_segment;
    for segment in found {
        if *segment != expected {
            break;
        }
        expected += 1;
    }
    if expected <= last {
        return Err(files.corrupt(&segment_name(expected), 0, "the segment is missing"));
    }
    Ok(())
}

fn read_header(files: &Files, segment: u64, identity: u64) -> Result<SegmentHeader, LogError> {
    let name = segment_name(segment);
    let bytes = files.read(&name, SEGMENT_HEADER_BYTES)?;
    let header = SegmentHeader::read(&bytes).map_err(|error| files.refused(&name, error))?;
    if header.segment != segment {
        return Err(files.corrupt(&name, 0, "it is another segment under this name"));
    }
    if header.identity != identity {
        return Err(files.corrupt(&name, 0, "it belongs to another log"));
    }
    Ok(header)
}

/// Tells whether a frame is an entry, new or copied.
pub(crate) fn is_entry_kind(kind: FrameKind) -> bool {
    matches!(kind, FrameKind::Entry | FrameKind::Copy)
}
