//! What opening finds, refuses and leaves alone.

use std::sync::Arc;

use layerstore_record::codec::{FrameFormat, frame};
use layerstore_testkit::disk::{Restart, SimulatedDisk};
use layerstore_testkit::log::Log;
use layerstore_write_behind::{DiskStorage, LogError, LogOptions, Sequence, StorageError, SyncPolicy};

use crate::support::{NOW, contents, encoded, open, open_over, options};

const SEGMENT: &str = "00000000000000000001.segment";

fn three() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let (mut log, _) = open(&disk, options(SyncPolicy::Always)).unwrap();
    for number in 1..=3 {
        log.append(&[encoded(number, 100)], NOW).unwrap();
    }
    disk
}

#[test]
fn l1_what_an_append_returned_under_always_is_synced() {
    let disk = three();
    let (mut log, recovered) = open(&disk.after(Restart::Drop, 0), options(SyncPolicy::Always)).unwrap();
    assert_eq!((contents(&mut log).len(), recovered.last), (3, Sequence(3)));
    // Under the others it is with the operating system: the end of the process takes nothing.
    for policy in [SyncPolicy::Os, "1h".parse().unwrap()] {
        let disk = SimulatedDisk::new();
        let (mut log, _) = open(&disk, options(policy)).unwrap();
        log.append(&[encoded(1, 100)], NOW).unwrap();
        assert!(log.is_dirty());
        let (mut log, _) = open(&disk.after(Restart::Keep, 0), options(policy)).unwrap();
        assert_eq!(contents(&mut log).len(), 1);
    }
}

#[test]
fn l1_an_interval_bounds_what_a_power_cut_takes() {
    let disk = SimulatedDisk::new();
    let (mut log, _) = open(&disk, options("10ms".parse().unwrap())).unwrap();
    let later = |millis| NOW.plus(millis);
    log.append(&[encoded(1, 9)], later(5)).unwrap();
    log.tick(later(9)).unwrap();
    assert!(log.is_dirty());
    log.tick(later(10)).unwrap();
    assert!(!log.is_dirty());
    log.append(&[encoded(2, 9)], later(15)).unwrap();
    log.append(&[encoded(3, 9)], later(20)).unwrap();
    assert!(
        !log.is_dirty(),
        "an append that comes when a sync is due brings it"
    );
    // A clock that was set back brings it at once.
    log.append(&[encoded(4, 9)], NOW).unwrap();
    assert!(!log.is_dirty());
}

#[test]
fn l2_part_of_an_append_is_never_given_back() {
    let disk = SimulatedDisk::new();
    let (mut log, _) = open(&disk, options(SyncPolicy::Os)).unwrap();
    let group: Vec<_> = (1..=3).map(|number| encoded(number, 100)).collect();
    log.append(&group, NOW).unwrap();
    let whole = disk.contents(SEGMENT).unwrap();
    for len in 56..whole.len() {
        let cut = disk.after(Restart::Drop, 0);
        cut.damage(SEGMENT, whole[..len].to_vec());
        let (mut log, recovered) = open(&cut, options(SyncPolicy::Os)).unwrap();
        assert!(contents(&mut log).is_empty(), "{len}");
        assert_eq!(recovered.tail_cut.map_or(0, |cut| cut.bytes), len as u64 - 56);
    }
}

#[test]
fn l3_damage_below_what_was_synced_is_refused_with_its_place_and_nothing_is_changed() {
    let disk = three().after(Restart::Drop, 0);
    let mut bytes = disk.contents(SEGMENT).unwrap();
    bytes[56 + 60] ^= 1;
    disk.damage(SEGMENT, bytes);
    let steps = disk.steps();
    let refused = open(&disk, options(SyncPolicy::Always)).map(drop).unwrap_err();
    let LogError::Corrupt {
        segment: 1,
        offset: 56,
        file,
        ..
    } = &refused
    else {
        panic!("{refused}")
    };
    assert_eq!(file, &format!("simulated disk/{SEGMENT}"));
    assert!(refused.to_string().contains("salvage"), "{refused}");
    assert_eq!(disk.steps(), steps);
}

#[test]
fn l3_a_torn_end_is_cut_logged_and_returned() {
    let said = Log::events("layerstore_write_behind");
    let _guard = tracing::subscriber::set_default(said.clone());
    let disk = three().after(Restart::Drop, 0);
    let mut bytes = disk.contents(SEGMENT).unwrap();
    let len = bytes.len() as u64;
    bytes.extend_from_slice(&[7; 100]);
    disk.damage(SEGMENT, bytes);
    let (mut log, recovered) = open(&disk, options(SyncPolicy::Always)).unwrap();
    let cut = recovered.tail_cut.unwrap();
    assert_eq!((cut.segment, cut.offset, cut.bytes), (1, len, 100));
    assert!(said.text().contains("bytes=100"), "{}", said.text());
    assert_eq!(contents(&mut log).len(), 3);
    log.append(&[encoded(4, 100)], NOW).unwrap();
    // It is said once.
    let (mut log, recovered) = open(&disk, options(SyncPolicy::Always)).unwrap();
    assert_eq!((contents(&mut log).len(), recovered.tail_cut), (4, None));
}

#[test]
fn l3_a_segment_that_is_gone_is_missed() {
    let disk = SimulatedDisk::new();
    let (mut log, _) = open(&disk, options(SyncPolicy::Always)).unwrap();
    while log.segments().1 < 4 {
        log.append(&[encoded(1, 900)], NOW).unwrap();
    }
    for segment in 1..=4 {
        let name = format!("{segment:020}.segment");
        let disk = disk.after(Restart::Drop, 0);
        disk.lose(&name);
        let refused = open(&disk, options(SyncPolicy::Always)).map(drop);
        assert!(
            matches!(&refused, Err(LogError::Corrupt { segment: found, .. }) if *found == segment),
            "{refused:?}"
        );
    }
    let disk = disk.after(Restart::Drop, 0);
    disk.lose("sidecar");
    let refused = open(&disk, options(SyncPolicy::Always)).map(drop);
    assert!(
        matches!(refused, Err(LogError::Corrupt { segment: 0, .. })),
        "{refused:?}"
    );
}

#[test]
fn l7_a_later_format_is_refused_by_name_with_nothing_changed() {
    let segment = frame(FrameFormat::new(32, 2), &[0; 64]).unwrap();
    let slot = frame(FrameFormat::new(33, 3), &[0; 80]).unwrap();
    for (name, bytes, version) in [(SEGMENT, segment, 2), ("sidecar", slot, 3)] {
        let disk = three().after(Restart::Drop, 0);
        disk.damage(name, bytes);
        let (steps, names) = (disk.steps(), disk.names());
        let refused = open(&disk, options(SyncPolicy::Always)).map(drop).unwrap_err();
        let LogError::UnknownFormat {
            file,
            found,
            newest: 1,
        } = &refused
        else {
            panic!("{refused}")
        };
        assert_eq!((file, *found), (&format!("simulated disk/{name}"), version));
        assert_eq!((disk.steps(), disk.names()), (steps, names));
    }
}

#[test]
fn l7_wrong_settings_are_fatal_before_anything_is_made() {
    let disk = SimulatedDisk::new();
    let wrong = LogOptions::default().max_bytes(1);
    assert!(matches!(open(&disk, wrong), Err(LogError::Setting(_))));
    assert_eq!(disk.steps(), 0);
}

#[test]
fn l7_a_log_has_one_opener() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Arc::new(DiskStorage::open(dir.path()).unwrap());
    let (mut log, _) = open_over(storage, LogOptions::default()).unwrap();
    let Err(error) = DiskStorage::open(dir.path()) else {
        panic!("two openers")
    };
    assert!(matches!(error, StorageError::AlreadyOpen { .. }));
    let error = LogError::from(error);
    assert!(
        error
            .to_string()
            .contains(&format!("process {}", std::process::id())),
        "{error}"
    );
    log.append(&[encoded(1, 100)], NOW).unwrap();
    log.close(NOW).unwrap();
    let storage = Arc::new(DiskStorage::open(dir.path()).unwrap());
    let (mut log, recovered) = open_over(storage, LogOptions::default()).unwrap();
    assert!(recovered.was_closed);
    assert_eq!(contents(&mut log).len(), 1);
}

#[test]
fn l8_a_closed_log_opens_as_it_was_and_any_change_since_is_found() {
    let disk = SimulatedDisk::new();
    let (mut log, _) = open(&disk, options(SyncPolicy::Os)).unwrap();
    for number in 1..=3 {
        log.append(&[encoded(number, 100)], NOW).unwrap();
    }
    log.close(NOW).unwrap();
    let disk = disk.after(Restart::Drop, 0);
    let whole = disk.contents(SEGMENT).unwrap();
    for len in 0..=whole.len() + 1 {
        let changed = disk.fork();
        let mut bytes = whole.clone();
        bytes.resize(len, 0);
        changed.damage(SEGMENT, bytes);
        match open(&changed, options(SyncPolicy::Os)) {
            Ok((mut log, recovered)) => {
                assert_eq!((len, contents(&mut log).len()), (whole.len(), 3));
                assert!(recovered.was_closed && recovered.tail_cut.is_none());
            }
            Err(error) => {
                assert!(matches!(error, LogError::Corrupt { segment: 1, .. }) && len != whole.len());
            }
        }
    }
}

#[test]
fn a_log_that_is_opened_again_and_again_stays_small() {
    let disk = SimulatedDisk::new();
    for _ in 0..20 {
        let (log, _) = open(&disk, options(SyncPolicy::Always)).unwrap();
        assert_eq!(log.segments().0, log.segments().1);
    }
    assert_eq!(disk.names().len(), 2);
}
