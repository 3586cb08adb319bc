//! The watermark, the bound, and the entries that stay pending for long.

use layerstore_testkit::disk::{Restart, SimulatedDisk};
use layerstore_write_behind::{LogError, NewEntry, Sequence, SyncPolicy};

use crate::support::{NOW, contents, encoded, entry, open, options, record};

#[test]
fn l6_one_stuck_key_does_not_fill_the_log() {
    let disk = SimulatedDisk::new();
    let options = options(SyncPolicy::Always);
    let (mut log, _) = open(&disk, options.clone()).unwrap();
    let stuck = log.append(&[encoded(1, 50)], NOW).unwrap().first;
    for number in 2..2_000 {
        let appended = log.append(&[encoded(number, 100)], NOW).unwrap();
        log.done(&[appended.first]).unwrap();
        assert_eq!(log.watermark(), Sequence(0));
        assert!(log.bytes() <= options.max_bytes, "{} bytes", log.bytes());
    }
    assert!(log.segments().0 > 20, "{:?}", log.segments());
    drop(log);
    let (mut log, recovered) = open(&disk.after(Restart::Drop, 0), options).unwrap();
    let found = contents(&mut log);
    assert_eq!((found[0].sequence, recovered.watermark), (stuck, Sequence(0)));
    assert_eq!(found[0].record, record(1, 50));
    // Once it is done, so is everything.
    let all: Vec<Sequence> = found.iter().map(|entry| entry.sequence).collect();
    log.done(&all).unwrap();
    assert_eq!((log.pending(), log.watermark()), (0, recovered.last));
    assert_eq!(log.segments().0, log.segments().1);
}

#[test]
fn l6_segments_go_when_what_they_hold_is_done_and_not_before() {
    let disk = SimulatedDisk::new();
    let (mut log, _) = open(&disk, options(SyncPolicy::Os)).unwrap();
    let mut firsts = Vec::new();
    while log.segments().1 < 5 {
        let number = log.stats().last.0 + 1;
        firsts.push((log.segments().1, number));
        log.append(&[encoded(number, 300)], NOW).unwrap();
    }
    // All but the first entry: nothing goes.
    let last = log.stats().last.0;
    log.done(&(2..=last).map(Sequence).collect::<Vec<_>>()).unwrap();
    assert_eq!(log.segments(), (1, 5));
    log.done(&[Sequence(1)]).unwrap();
    assert_eq!(log.segments(), (5, 5));
    assert_eq!(disk.names().len(), 2, "{:?}", disk.names());
    // The power goes: what is gone is not missed.
    for restart in Restart::POWER_CUTS {
        let (log, recovered) = open(&disk.after(restart, 3), options(SyncPolicy::Os)).unwrap();
        assert_eq!((log.pending(), recovered.last.0), (0, last), "{restart:?}");
    }
}

#[test]
fn l6_an_older_entry_that_was_copied_forward_is_given_before_the_newer_one() {
    let disk = SimulatedDisk::new();
    let (mut log, _) = open(&disk, options(SyncPolicy::Always)).unwrap();
    // Both of one key, in different segments; the older one is copied behind the newer one.
    log.append(&[encoded(5, 50)], NOW).unwrap();
    while log.segments().1 < 3 {
        let appended = log.append(&[encoded(1_001, 700)], NOW).unwrap();
        log.done(&[appended.first]).unwrap();
    }
    let newer = log.append(&[encoded(10, 50)], NOW).unwrap().first;
    while log.segments().0 == 1 {
        let appended = log.append(&[encoded(1_001, 700)], NOW).unwrap();
        log.done(&[appended.first]).unwrap();
    }
    for disk in [disk.after(Restart::Keep, 0), disk.after(Restart::Drop, 0)] {
        let (mut log, _) = open(&disk, options(SyncPolicy::Always)).unwrap();
        let found = contents(&mut log);
        let of_key: Vec<_> = found
            .iter()
            .filter(|entry| entry.key.as_str() == "key:0")
            .collect();
        assert_eq!(of_key.len(), 2);
        assert_eq!((of_key[0].sequence, of_key[1].sequence), (Sequence(1), newer));
        assert!(of_key[0].version() < of_key[1].version());
    }
}

#[test]
fn l5_a_log_full_of_pending_entries_says_so_and_goes_on_when_some_are_done() {
    let disk = SimulatedDisk::new();
    let options = options(SyncPolicy::Always);
    let (mut log, _) = open(&disk, options.clone()).unwrap();
    let refused = loop {
        let number = log.stats().last.0 + 1;
        match log.append(&[encoded(number, 200)], NOW) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    let LogError::Full {
        pending,
        limit,
        needed,
    } = refused
    else {
        panic!("{refused}")
    };
    assert!(pending + needed > limit && pending == log.stats().pending_bytes);
    assert!(log.bytes() <= options.max_bytes);
    let last = log.stats().last.0;
    assert_eq!(contents(&mut log).len() as u64, last);
    // Every second one: the rest is copied forward, turn by turn, and the bound is kept.
    log.done(&(1..=last).step_by(2).map(Sequence).collect::<Vec<_>>())
        .unwrap();
    for number in last + 1..last + 200 {
        let appended = log.append(&[encoded(number, 200)], NOW).unwrap();
        log.done(&[appended.first]).unwrap();
        assert!(log.bytes() <= options.max_bytes, "{}", log.bytes());
    }
    let found: Vec<u64> = contents(&mut log).iter().map(|entry| entry.sequence.0).collect();
    assert_eq!(found, (1..=last).filter(|n| n % 2 == 0).collect::<Vec<_>>());
}

#[test]
fn l6_what_is_done_above_the_watermark_is_not_given_again_once_it_is_forgotten() {
    let disk = SimulatedDisk::new();
    let options = options(SyncPolicy::Always);
    let (mut log, _) = open(&disk, options.clone()).unwrap();
    let mut last = 0;
    while let Ok(appended) = log.append(&[encoded(last + 1, 200)], NOW) {
        last = appended.last.0;
    }
    log.done(&(2..=last).step_by(2).map(Sequence).collect::<Vec<_>>())
        .unwrap();
    let given = |disk: &SimulatedDisk| {
        let (mut log, _) = open(&disk.after(Restart::Drop, 0), options.clone()).unwrap();
        contents(&mut log).len() as u64
    };
    assert_eq!(given(&disk), last, "memory alone knows what is done");
    log.forget_done(NOW).unwrap();
    assert_eq!(given(&disk), last.div_ceil(2));
    assert!(log.bytes() <= options.max_bytes);
    log.done(&(1..=last).step_by(2).map(Sequence).collect::<Vec<_>>())
        .unwrap();
    log.forget_done(NOW).unwrap();
    assert_eq!(given(&disk), 0);
}

#[test]
fn an_append_larger_than_a_segment_is_refused_and_harms_nothing() {
    let disk = SimulatedDisk::new();
    let (mut log, _) = open(&disk, options(SyncPolicy::Always)).unwrap();
    let refused = log.append(&[encoded(1, 4096)], NOW);
    assert!(
        matches!(refused, Err(LogError::TooLarge { limit: 4040, .. })),
        "{refused:?}"
    );
    assert_eq!(log.append(&[], NOW).unwrap().last, Sequence(0));
    assert_eq!(log.append(&[encoded(1, 3000)], NOW).unwrap().last, Sequence(1));
}

#[test]
fn entries_are_read_in_pages_and_one_by_one() {
    let disk = SimulatedDisk::new();
    let (mut log, _) = open(&disk, options(SyncPolicy::Always)).unwrap();
    for number in 1..=30 {
        log.append(&[encoded(number, 200)], NOW).unwrap();
    }
    let dead = NewEntry::dead_letter(
        crate::support::map(),
        layerstore_testkit::records::key(1),
        record(31, 5),
        "refused",
    );
    log.append(&[dead.encode().unwrap(), entry(32, 5).encode().unwrap()], NOW)
        .unwrap();
    log.done(&[Sequence(7)]).unwrap();
    let (mut seen, mut after) = (Vec::new(), Sequence(0));
    loop {
        let page = log.pending_after(after, 1000).unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 12);
        after = last.sequence;
        seen.extend(page.iter().map(|entry| entry.sequence.0));
    }
    assert_eq!(
        seen,
        (1..=32).filter(|sequence| *sequence != 7).collect::<Vec<_>>()
    );
    assert_eq!(log.pending_after(Sequence(3), 1).unwrap().len(), 1);
    assert_eq!(
        log.read(Sequence(31)).unwrap().unwrap().dead.as_deref(),
        Some("refused")
    );
    assert_eq!(log.read(Sequence(7)).unwrap(), None);
    assert_eq!(log.read(Sequence(0)).unwrap().map(|entry| entry.sequence), None);
}
