//! Looking at a log, and saving what is left of one.

use std::sync::Arc;

use layerstore_testkit::disk::{Restart, SimulatedDisk};
use layerstore_write_behind::{LogError, Sequence, SyncPolicy, inspect, salvage};

use crate::support::{NOW, contents, encoded, is_of, open, options};

const SIZE: usize = 300;

/// Thirty entries in several segments, the first ten done.
fn filled() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let (mut log, _) = open(&disk, options(SyncPolicy::Always)).unwrap();
    for number in 1..=30 {
        log.append(&[encoded(number, SIZE)], NOW).unwrap();
    }
    log.done(&(1..=10).map(Sequence).collect::<Vec<_>>()).unwrap();
    log.append(&[encoded(31, SIZE)], NOW).unwrap();
    disk.after(Restart::Keep, 0)
}

fn saved(disk: &SimulatedDisk) -> (layerstore_write_behind::SalvageReport, Vec<u64>) {
    let to = SimulatedDisk::new();
    let report = salvage(
        Arc::new(disk.clone()),
        Arc::new(to.clone()),
        options(SyncPolicy::Always),
        NOW,
    )
    .unwrap();
    let (mut log, recovered) = open(&to, options(SyncPolicy::Always).max_bytes(1 << 20)).unwrap();
    assert!(recovered.was_closed);
    let found = contents(&mut log);
    assert_eq!(found.len(), report.saved);
    let numbers = found
        .iter()
        .map(|entry| entry.version().millis().0)
        .collect::<Vec<_>>();
    for (entry, number) in found.iter().zip(&numbers) {
        assert!(is_of(entry, *number, SIZE));
    }
    (report, numbers)
}

#[test]
fn a_whole_log_is_shown_and_salvaged_whole_and_nothing_is_changed() {
    let disk = filled();
    let steps = disk.steps();
    let seen = inspect(Arc::new(disk.clone())).unwrap();
    assert!(seen.refusal.is_none() && seen.missing.is_empty() && seen.leftovers.is_empty());
    assert_eq!(
        (seen.watermark, seen.last, seen.pending),
        (Sequence(10), Sequence(31), 21)
    );
    assert_eq!((seen.oldest, seen.is_closed), (Some(Sequence(11)), Some(false)));
    let bytes: u64 = seen.segments.iter().map(|segment| segment.bytes).sum();
    assert!(bytes > seen.pending_bytes && seen.segments.iter().all(|segment| segment.damage.is_none()));
    let (report, numbers) = saved(&disk);
    assert!(report.is_complete());
    assert_eq!(numbers, (11..=31).collect::<Vec<_>>());
    assert_eq!(disk.steps(), steps);
}

#[test]
fn of_a_damaged_log_everything_else_is_saved_and_what_is_lost_is_named() {
    let disk = filled();
    let segments: Vec<String> = disk
        .names()
        .into_iter()
        .filter(|name| name.ends_with(".segment"))
        .collect();
    for name in &segments {
        let disk = disk.fork();
        let mut bytes = disk.contents(name).unwrap();
        bytes[56 + 100] ^= 1;
        disk.damage(name, bytes);
        let seen = inspect(Arc::new(disk.clone())).unwrap();
        assert!(
            matches!(seen.refusal, Some(LogError::Corrupt { offset: 56, .. })),
            "{:?}",
            seen.refusal
        );
        let damaged: Vec<_> = seen
            .segments
            .iter()
            .filter(|segment| segment.damage.is_some())
            .collect();
        assert_eq!(damaged.len(), 1);
        assert_eq!(damaged[0].damage.unwrap().offset, 56);
        let (report, numbers) = saved(&disk);
        assert_eq!((report.lost.len(), report.lost[0].offset), (1, 56));
        // One entry is lost, or none that is pending.
        assert!(numbers.len() >= 20, "{numbers:?}");
        assert!(!report.is_complete());
    }
}

#[test]
fn a_log_without_sidecar_header_or_segment_is_saved_as_far_as_it_goes() {
    let disk = filled();
    let segments: Vec<String> = disk
        .names()
        .into_iter()
        .filter(|name| name.ends_with(".segment"))
        .collect();
    let without = disk.fork();
    without.lose("sidecar");
    let (report, numbers) = saved(&without);
    assert!(report.is_complete() && numbers.ends_with(&(11..=31).collect::<Vec<_>>()));
    let without = disk.fork();
    without.lose(&segments[1]);
    let (report, numbers) = saved(&without);
    assert_eq!(report.missing.len(), 1);
    assert!(!numbers.is_empty() && numbers.len() < 21);
    let headless = disk.fork();
    let mut bytes = headless.contents(&segments[1]).unwrap();
    bytes[20] ^= 1;
    headless.damage(&segments[1], bytes);
    let (report, numbers) = saved(&headless);
    assert!(report.missing.is_empty());
    assert_eq!(numbers, (11..=31).collect::<Vec<_>>());
}

#[test]
fn salvage_does_not_write_into_a_log() {
    let (from, to) = (filled(), filled());
    let steps = to.steps();
    let refused = salvage(
        Arc::new(from),
        Arc::new(to.clone()),
        options(SyncPolicy::Always),
        NOW,
    );
    assert!(matches!(refused, Err(LogError::Setting(_))));
    assert_eq!(to.steps(), steps);
}
