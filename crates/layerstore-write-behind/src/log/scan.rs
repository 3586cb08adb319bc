//! Walks a segment's bytes from frame to frame, and says how far they are what was written.

use super::entry::is_entry;
use super::frame::{Commit, FrameHeader, FrameKind, Seed};
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader};

/// An entry or a copy in a whole group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) kind: FrameKind,
    pub(crate) sequence: u64,
    pub(crate) offset: usize,
    /// The frame, header included.
    pub(crate) bytes: usize,
}

/// A group that is whole: its frames and their commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    /// Where it ends, in the file.
    pub(crate) end: usize,
    /// How many of the entries that were found stand before its end.
    pub(crate) entries: usize,
    /// The number of the frame after it.
    pub(crate) next_number: u64,
    /// The highest sequence up to its end.
    pub(crate) last_sequence: u64,
    pub(crate) commit: Commit,
}

/// The first place that is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) offset: usize,
    pub(crate) what: &'static str,
}

/// What a segment holds.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    pub(crate) header: SegmentHeader,
    pub(crate) groups: Vec<Group>,
    /// Entries of whole groups, in order.
    pub(crate) entries: Vec<Found>,
    pub(crate) flaw: Option<Flaw>,
    /// The position below which frames say that all was synced; frames beyond a flaw are asked too.
    pub(crate) vouched: u64,
}

impl Scan {
    /// Walks `bytes`, which begin with the segment's header and end where the segment does.
    pub(crate) fn of(bytes: &[u8], header: SegmentHeader, seed: Seed) -> Self {
        let mut walk = Walk::new(bytes, header, seed);
        let flaw = walk.run();
        let mut scan = walk.scan;
        // An entry counts with its commit only.
        scan.entries
            .truncate(scan.groups.last().map_or(0, |group| group.entries));
        if let Some(flaw) = flaw {
            scan.vouched = scan
                .vouched
                .max(vouched_after(bytes, flaw.offset, header.segment, seed));
            scan.flaw = Some(flaw);
        }
        scan
    }

    /// Returns where the last whole group ends, in the file.
    pub(crate) fn end(&self) -> usize {
        self.groups.last().map_or(SEGMENT_HEADER_BYTES, |group| group.end)
    }

    /// Returns the number of the frame after the last whole group.
    pub(crate) fn next_number(&self) -> u64 {
        self.groups
            .last()
            .map_or(self.header.first_number, |group| group.next_number)
    }

    /// Returns the highest sequence up to the end of the last whole group.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.groups
            .last()
            .map_or(self.header.last_sequence, |group| group.last_sequence)
    }
}

struct Walk<'a> {
    bytes: &'a [u8],
    seed: Seed,
    at: usize,
    number: u64,
    last_sequence: u64,
    /// Where the group under way begins, and how many frames it has so far.
    start: usize,
    frames: u32,
    scan: Scan,
}

impl<'a> Walk<'a> {
    fn new(bytes: &'a [u8], header: SegmentHeader, seed: Seed) -> Self {
        Self {
            bytes,
            seed,
            at: SEGMENT_HEADER_BYTES,
            number: header.first_number,
            last_sequence: header.last_sequence,
            start: SEGMENT_HEADER_BYTES,
            frames: 0,
            scan: Scan {
                header,
                groups: Vec::new(),
                entries: Vec::new(),
                flaw: None,
                vouched: header.base,
            },
        }
    }

    fn run(&mut self) -> Option<Flaw> {
        while self.at < self.bytes.len() {
            if let Err(what) = self.step() {
                return Some(Flaw {
                    offset: self.at,
                    what,
                });
            }
        }
        (self.frames > 0).then_some(Flaw {
            offset: self.at,
            what: "a group has no end",
        })
    }

    fn step(&mut self) -> Result<(), &'static str> {
        let bytes = self.bytes.get(self.at..).unwrap_or_default();
        let header = FrameHeader::read(self.seed, bytes).ok_or("there is no whole frame header")?;
        if header.segment != self.scan.header.segment {
            return Err("the frame belongs to another segment");
        }
        self.scan.vouched = self.scan.vouched.max(header.durable);
        if header.number != self.number {
            return Err("a frame is missing, doubled or out of place");
        }
        let payload = header
            .payload(bytes)
            .ok_or("the payload is not what was written")?;
        let frame = super::frame::FRAME_BYTES + payload.len();
        match header.kind {
            FrameKind::Entry | FrameKind::Copy => self.entry(&header, payload, frame)?,
            FrameKind::Commit => self.commit(payload, frame)?,
        }
        self.at += frame;
        self.number += 1;
        Ok(())
    }

    fn entry(&mut self, header: &FrameHeader, payload: &[u8], bytes: usize) -> Result<(), &'static str> {
        if !is_entry(payload) {
            return Err("the entry is not as we write it");
        }
        if header.kind == FrameKind::Entry && header.sequence <= self.last_sequence {
            return Err("the sequence does not rise");
        }
        self.last_sequence = self.last_sequence.max(header.sequence);
        self.frames += 1;
        self.scan.entries.push(Found {
            kind: header.kind,
            sequence: header.sequence,
            offset: self.at,
            bytes,
        });
        Ok(())
    }

    fn commit(&mut self, payload: &[u8], bytes: usize) -> Result<(), &'static str> {
        let commit = Commit::read(payload).ok_or("the commit is not as we write it")?;
        let start = self.scan.header.base.checked_add(self.start as u64);
        if Some(commit.start) != start || commit.frames != self.frames {
            return Err("the commit is of another group");
        }
        let end = self.at + bytes;
        self.scan.groups.push(Group {
            end,
            entries: self.scan.entries.len(),
            next_number: self.number + 1,
            last_sequence: self.last_sequence,
            commit,
        });
        (self.start, self.frames) = (end, 0);
        Ok(())
    }
}

/// Looks for frames beyond a flaw: a frame that was written after a later sync vouches for what lies before that.
fn vouched_after(bytes: &[u8], flaw: usize, segment: u64, seed: Seed) -> u64 {
    let mut vouched = 0;
    let mut from = flaw;
    while let Some(at) = FrameHeader::find(bytes, from) {
        let header = FrameHeader::read(seed, bytes.get(at..).unwrap_or_default());
        if let Some(header) = header.filter(|header| header.segment == segment) {
            vouched = vouched.max(header.durable);
        }
        from = at + 1;
    }
    vouched
}
