//! R10: a full disk is said, loses nothing, and needs no restart.

use fastrand::Rng;
use layerstore_testkit::disk::{Restart, SimulatedDisk};
use layerstore_testkit::proof;
use layerstore_write_behind::{LogError, LogWriter, Sequence, SyncPolicy};

use crate::script::POLICIES;
use crate::support::{NOW, contents, encoded, is_of, open, options};

#[test]
fn r10_a_full_disk_is_an_error_that_goes_away_with_room() {
    let seed = proof::seed();
    let runs = proof::scaled(100).max(20);
    let (mut refused, mut rotations) = (0, 0);
    for run in 0..runs {
        let mut rng = Rng::with_seed(seed.wrapping_add(run));
        let policy = POLICIES[usize::try_from(run % 3).unwrap()];
        let disk = SimulatedDisk::new();
        let (mut log, _) = open(&disk, options(policy)).unwrap();
        let mut acknowledged = Vec::new();
        for _ in 0..4 {
            disk.set_capacity(Some(disk.used() + rng.u64(0..6000)));
            refused += fill(&mut log, &mut acknowledged, &mut rng);
            // Reads go on, and so does what needs no space.
            assert_eq!(contents(&mut log).len(), acknowledged.len());
            let before = log.segments().1;
            disk.set_capacity(None);
            append(&mut log, &mut acknowledged, &mut rng).unwrap();
            rotations += u64::from(log.segments().1 > before);
        }
        check(&mut log, &acknowledged);
        log.sync(NOW).unwrap();
        drop(log);
        for restart in Restart::POWER_CUTS {
            let (mut log, _) = open(&disk.after(restart, run), options(policy)).unwrap();
            check(&mut log, &acknowledged);
        }
    }
    assert!(refused > runs && rotations > 0);
    proof::report(
        "R10",
        &[
            ("runs", runs),
            ("refused", refused),
            ("rotations", rotations),
            ("seed", seed),
            ("violations", 0),
        ],
    );
}

/// Appends until the disk is full, and three times more.
fn fill(log: &mut LogWriter, acknowledged: &mut Vec<usize>, rng: &mut Rng) -> u64 {
    let mut refused = 0;
    while refused < 3 {
        match append(log, acknowledged, rng) {
            Ok(()) => {}
            Err(LogError::DiskFull { file }) => {
                assert!(file.contains("simulated disk/"), "{file}");
                refused += 1;
            }
            // The log is small too: make room as a store does that gets its writes.
            Err(LogError::Full { .. }) => panic!("the bound came first"),
            Err(error) => panic!("{error}"),
        }
    }
    refused
}

fn append(log: &mut LogWriter, acknowledged: &mut Vec<usize>, rng: &mut Rng) -> Result<(), LogError> {
    let size = rng.usize(0..900);
    let number = acknowledged.len() as u64 + 1;
    let appended = log.append(&[encoded(number, size)], NOW)?;
    assert_eq!(appended.last, Sequence(number));
    acknowledged.push(size);
    Ok(())
}

fn check(log: &mut LogWriter, acknowledged: &[usize]) {
    let found = contents(log);
    assert_eq!(found.len(), acknowledged.len());
    for ((entry, size), number) in found.iter().zip(acknowledged).zip(1..) {
        assert!(is_of(entry, number, *size));
    }
}

#[test]
fn l5_a_full_disk_at_rotation_leaves_the_log_as_it_was() {
    let disk = SimulatedDisk::new();
    let (mut log, _) = open(&disk, options(SyncPolicy::Always)).unwrap();
    while log.stats().bytes < 3500 {
        let number = log.stats().last.0 + 1;
        log.append(&[encoded(number, 100)], NOW).unwrap();
    }
    let last = log.stats().last;
    disk.set_capacity(Some(disk.used()));
    for _ in 0..3 {
        let refused = log.append(&[encoded(last.0 + 1, 900)], NOW);
        assert!(matches!(refused, Err(LogError::DiskFull { .. })), "{refused:?}");
    }
    assert!(
        disk.names().iter().all(|name| !name.ends_with(".new")),
        "{:?}",
        disk.names()
    );
    disk.set_capacity(None);
    assert_eq!(
        log.append(&[encoded(last.0 + 1, 900)], NOW).unwrap().last.0,
        last.0 + 1
    );
}
