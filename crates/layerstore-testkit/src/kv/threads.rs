//! K3, K4 and K10 under threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use layerstore_kv::{Batch, Direction, Durability, KeyRange, KvBackend, KvErrorKind, KvRead};

use super::KvSubject;
use super::subject::{commit, get, rows};
use crate::proof::scaled;

const THREADS: usize = 4;

/// One writer moves two keyspaces on together; readers must find them equal, by snapshot and by order of reads.
pub fn k3_readers_never_see_half_a_batch(subject: &KvSubject) {
    let kv = subject.open_with(&[b"x", b"y"]);
    let write = |round: u64| {
        commit(&*kv, |batch| {
            (0..64_u8).for_each(|n| batch.put(b"x", [n], round.to_be_bytes()));
            (0..64_u8).for_each(|n| batch.put(b"y", [n], round.to_be_bytes()));
        });
    };
    write(0);
    let rounds = scaled(20_000);
    let done = AtomicBool::new(false);
    let reads = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    let snapshot = kv.snapshot().unwrap();
                    let first = get(&*snapshot, b"x", &[0]).expect("always there");
                    assert_all(&*snapshot, b"x", &first);
                    assert_all(&*snapshot, b"y", &first);
                    // Two reads one after the other may see two batches, never the older one second.
                    let earlier = get(&*kv, b"y", &[63]).expect("always there");
                    let later = get(&*kv, b"x", &[0]).expect("always there");
                    assert!(earlier <= later, "{earlier:?} was read before {later:?}");
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        (1..=rounds).for_each(write);
        done.store(true, Ordering::Release);
    });
    assert!(reads.into_inner() > 0, "no reader got its turn");
}

fn assert_all(state: &(impl KvRead + ?Sized), keyspace: &[u8], expected: &[u8]) {
    let found = rows(state, keyspace, KeyRange::all(), Direction::Forward);
    assert_eq!(found.len(), 64);
    assert!(
        found.iter().all(|(_, value)| value == expected),
        "half a batch in {keyspace:?}"
    );
}

/// Of writers that require the same absence, exactly one wins each round.
pub fn k4_one_of_many_racing_writers_wins(subject: &KvSubject) {
    let kv = subject.open_with(&[b"k"]);
    let rounds = scaled(4_000);
    let wins = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for writer in 0..THREADS {
            let (kv, wins) = (&kv, &wins);
            scope.spawn(move || {
                for round in 0..rounds {
                    let mut batch = Batch::new();
                    batch.require(b"k", round.to_be_bytes(), None);
                    batch.put(b"k", round.to_be_bytes(), writer.to_be_bytes());
                    match kv.commit(&batch, Durability::Buffered) {
                        Ok(_) => {
                            wins.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => assert_eq!(error.kind(), &KvErrorKind::PreconditionFailed { index: 0 }),
                    }
                }
            });
        }
    });
    assert_eq!(wins.into_inner() as u64, rounds, "one winner a round");
}

/// A counter raised by many threads with preconditions ends at the number of raises.
pub fn k10_no_commit_of_many_threads_is_lost(subject: &KvSubject) {
    let kv = subject.open_with(&[b"k", b"log"]);
    commit(&*kv, |batch| batch.put(b"k", b"counter", 0_u64.to_be_bytes()));
    let raises = usize::try_from(scaled(10_000)).expect("a count");
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let kv = &kv;
            scope.spawn(move || (0..raises).for_each(|raise| raise_counter(&**kv, thread, raise)));
        }
    });
    let kv = subject.reopen(kv);
    let total = (THREADS * raises) as u64;
    assert_eq!(get(&*kv, b"k", b"counter"), Some(total.to_be_bytes().to_vec()));
    let log = rows(&*kv, b"log", KeyRange::all(), Direction::Forward);
    let expected: Vec<_> = (1..=total).map(|count| count.to_be_bytes().to_vec()).collect();
    assert_eq!(
        log.into_iter().map(|(count, _)| count).collect::<Vec<_>>(),
        expected,
        "each raise left its row"
    );
}

fn raise_counter(kv: &dyn KvBackend, thread: usize, raise: usize) {
    loop {
        let before = get(kv, b"k", b"counter").expect("always there");
        let count = u64::from_be_bytes(before.as_slice().try_into().expect("8 bytes")) + 1;
        let mut batch = Batch::new();
        batch.require(b"k", b"counter", Some(&before));
        batch.put(b"k", b"counter", count.to_be_bytes());
        batch.put(
            b"log",
            count.to_be_bytes(),
            format!("{thread}/{raise}").into_bytes(),
        );
        match kv.commit(&batch, Durability::Buffered) {
            Ok(_) => return,
            Err(error) => assert_eq!(error.kind(), &KvErrorKind::PreconditionFailed { index: 0 }),
        }
    }
}
