//! R28: fixtures of every version of the format open and say what was written.

use std::path::{Path, PathBuf};

use layerstore_testkit::disk::SimulatedDisk;
use layerstore_testkit::proof;
use layerstore_testkit::records::key;
use layerstore_write_behind::{NewEntry, Sequence, SyncPolicy};

use crate::support::{NOW, contents, encoded, is_of, map, open, options, record};

/// The current version of the format. Where its fixture is missing, the test writes it, and fails once.
const CURRENT: &str = "v1";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Two segments; entries, a removal, a dead letter and a copy; some of it done; closed.
fn fixture() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let (mut log, _) = open(&disk, options(SyncPolicy::Os)).unwrap();
    for number in 1..=12 {
        log.append(&[encoded(number, 200)], NOW).unwrap();
    }
    drop(log);
    // Not closed: what was not synced is copied into the next segment.
    let (mut log, _) = open(&disk, options(SyncPolicy::Always)).unwrap();
    let dead = NewEntry::dead_letter(map(), key(1), record(13, 20), "refused: too large");
    log.append(&[dead.encode().unwrap(), encoded(14, 20)], NOW)
        .unwrap();
    log.done(&[1, 2, 4].map(Sequence)).unwrap();
    log.append(&[encoded(15, 0)], NOW).unwrap();
    log.close(NOW).unwrap();
    disk
}

#[test]
fn r28_every_version_of_the_log_opens() {
    let current = fixture();
    if !fixtures().join(CURRENT).exists() {
        std::fs::create_dir_all(fixtures().join(CURRENT)).unwrap();
        for name in current.names() {
            std::fs::write(
                fixtures().join(CURRENT).join(&name),
                current.contents(&name).unwrap(),
            )
            .unwrap();
        }
        panic!("wrote the fixture of {CURRENT}: look at it, commit it, and run again");
    }
    let mut versions = 0;
    for version in std::fs::read_dir(fixtures()).unwrap() {
        let version = version.unwrap();
        let disk = SimulatedDisk::new();
        for file in std::fs::read_dir(version.path()).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            disk.damage(&name, std::fs::read(file.path()).unwrap());
        }
        if version.file_name() == CURRENT {
            assert_eq!(disk.names(), current.names());
            for name in disk.names() {
                assert!(
                    disk.contents(&name) == current.contents(&name),
                    "{name} is written in other bytes"
                );
            }
        }
        let (mut log, recovered) = open(&disk, options(SyncPolicy::Always)).unwrap();
        assert!(recovered.was_closed && recovered.tail_cut.is_none());
        assert_eq!((recovered.watermark, recovered.last), (Sequence(2), Sequence(15)));
        let found = contents(&mut log);
        let sequences: Vec<u64> = found.iter().map(|entry| entry.sequence.0).collect();
        // The fourth was done above the watermark, which a log does not keep.
        assert_eq!(sequences, (3..=15).collect::<Vec<_>>());
        for entry in &found {
            match entry.sequence.0 {
                13 => assert_eq!(entry.dead.as_deref(), Some("refused: too large")),
                14 => assert!(is_of(entry, 14, 20)),
                15 => assert!(is_of(entry, 15, 0)),
                number => assert!(is_of(entry, number, 200)),
            }
        }
        log.append(&[encoded(16, 0)], NOW).unwrap();
        versions += 1;
    }
    proof::report("R28", &[("versions", versions), ("violations", 0)]);
}
