//! R6: a segment that ends at any byte gives the groups that are whole, or is refused.

use std::sync::Arc;

use layerstore_testkit::disk::{Restart, SimulatedDisk};
use layerstore_testkit::proof;
use layerstore_write_behind::{DiskStorage, LogError, LogOptions, SyncPolicy};

use crate::support::{contents, encoded, is_of, open, open_over};

const SEGMENT: &str = "00000000000000000001.segment";
const HEADER_BYTES: usize = 56;

/// A segment of 64 KiB with groups of one to four entries.
pub(crate) struct Full {
    pub(crate) disk: SimulatedDisk,
    /// After each group: the length of the segment, and how many entries there are.
    pub(crate) groups: Vec<(usize, usize)>,
    /// The size of each entry's value.
    pub(crate) sizes: Vec<usize>,
}

pub(crate) fn large() -> LogOptions {
    LogOptions::default()
        .segment_bytes(1 << 20)
        .max_bytes(8 << 20)
        .identity(42)
}

impl Full {
    pub(crate) fn of_64_kib(sync: SyncPolicy) -> Self {
        Self::of(sync, 64 << 10)
    }

    pub(crate) fn of(sync: SyncPolicy, bytes: usize) -> Self {
        let disk = SimulatedDisk::new();
        let (mut log, _) = open(&disk, large().sync(sync)).unwrap();
        let mut full = Self {
            disk,
            groups: vec![(HEADER_BYTES, 0)],
            sizes: Vec::new(),
        };
        let mut rng = fastrand::Rng::with_seed(6);
        while full.len() < bytes {
            let group: Vec<usize> = (0..rng.usize(1..=4)).map(|_| rng.usize(0..2000)).collect();
            let first = full.sizes.len();
            let entries: Vec<_> = (first..)
                .zip(&group)
                .map(|(n, size)| encoded(n as u64, *size))
                .collect();
            log.append(&entries, crate::support::NOW).unwrap();
            full.sizes.extend(group);
            full.groups.push((full.len(), full.sizes.len()));
        }
        full
    }

    pub(crate) fn len(&self) -> usize {
        self.disk.contents(SEGMENT).unwrap().len()
    }

    pub(crate) fn segment(&self) -> Vec<u8> {
        self.disk.contents(SEGMENT).unwrap()
    }

    /// Opens a disk that was made of this one; says how many entries it gives, and how many bytes it cut.
    pub(crate) fn read(&self, disk: &SimulatedDisk) -> Result<(usize, u64), LogError> {
        let (mut log, recovered) = open(disk, large())?;
        let entries = contents(&mut log);
        for (number, (entry, size)) in entries.iter().zip(&self.sizes).enumerate() {
            assert!(is_of(entry, number as u64, *size), "entry {number} is another");
            assert_eq!(entry.sequence.0, number as u64 + 1);
        }
        assert!(entries.len() <= self.sizes.len(), "entries were invented");
        Ok((entries.len(), recovered.tail_cut.map_or(0, |cut| cut.bytes)))
    }

    /// What a segment of this length holds: the entries of whole groups, and how many bytes follow them.
    fn whole_at(&self, len: usize) -> (usize, u64) {
        let (end, entries) = self.groups.iter().rev().find(|(end, _)| *end <= len).unwrap();
        (*entries, (len - end) as u64)
    }
}

#[test]
fn r6_a_segment_cut_at_any_byte_gives_the_acknowledged_prefix_or_is_refused() {
    let full = Full::of_64_kib(SyncPolicy::Always);
    let segment = full.segment();
    // After a power cut the sidecar is the one that was synced when the segment was begun; after a kill it is the newest.
    let power = full.disk.after(Restart::Drop, 0);
    let kill = full.disk.after(Restart::Keep, 0);
    for len in 0..=segment.len() {
        let cut = segment[..len].to_vec();
        let disk = power.fork();
        disk.damage(SEGMENT, cut.clone());
        match full.read(&disk) {
            Ok(found) => assert_eq!(
                (len >= HEADER_BYTES).then_some(found),
                Some(full.whole_at(len)),
                "{len}"
            ),
            Err(LogError::Corrupt { segment: 1, .. }) => assert!(len < HEADER_BYTES, "{len}"),
            Err(error) => panic!("cut at {len}: {error}"),
        }
        let disk = kill.fork();
        disk.damage(SEGMENT, cut);
        match full.read(&disk) {
            Ok(found) => assert_eq!((len, found), (segment.len(), (full.sizes.len(), 0))),
            Err(LogError::Corrupt {
                segment: 1, offset, ..
            }) => assert!(offset as usize <= len),
            Err(error) => panic!("cut at {len}: {error}"),
        }
    }
    let cuts = 2 * (segment.len() as u64 + 1);
    proof::report("R6", &[("cuts", cuts), ("seed", 6), ("violations", 0)]);
}

#[test]
fn r6_on_a_real_disk_too() {
    let full = Full::of(SyncPolicy::Always, 8 << 10);
    let power = full.disk.after(Restart::Drop, 0);
    let segment = full.segment();
    let ends = full.groups.iter().flat_map(|(end, _)| [end - 1, *end, end + 1]);
    let cuts: Vec<usize> = (HEADER_BYTES..segment.len()).step_by(509).chain(ends).collect();
    for len in &cuts {
        let dir = tempfile::tempdir().unwrap();
        for name in power.names() {
            std::fs::write(dir.path().join(&name), power.contents(&name).unwrap()).unwrap();
        }
        std::fs::write(dir.path().join(SEGMENT), &segment[..*len.min(&segment.len())]).unwrap();
        let opened = open_over(Arc::new(DiskStorage::open(dir.path()).unwrap()), large());
        if *len < HEADER_BYTES {
            assert!(matches!(opened, Err(LogError::Corrupt { .. })), "{len}");
            continue;
        }
        let (mut log, recovered) = opened.unwrap();
        let (entries, cut) = full.whole_at(*len.min(&segment.len()));
        assert_eq!(contents(&mut log).len(), entries, "{len}");
        assert_eq!(recovered.tail_cut.map_or(0, |cut| cut.bytes), cut, "{len}");
    }
    proof::report("R6", &[("on_disk", cuts.len() as u64), ("violations", 0)]);
}
