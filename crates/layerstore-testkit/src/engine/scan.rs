//! E-scan: a scan misses no key that is there from its start to its end.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use layerstore_engine::{Cursor, StorageEngine};
use layerstore_record::Key;

use super::EngineSubject;
use super::subject::{check_size, scan_from};
use crate::proof;
use crate::records::{key, record};

const WRITERS: u64 = 8;

/// A quiet engine of any size is returned whole, in pages of any size.
pub fn e_scan_returns_everything_in_pages_of_any_size(subject: &EngineSubject) {
    for size in [0, 1, 2, 65, 1_000, 5_000, 90_000] {
        let engine = filled(subject, size);
        // Single records only from small engines: an engine may take a search for each page.
        let smallest = if size > 5_000 { 100 } else { 0 };
        for n in [0, 1, 7, 256, 1_000, usize::MAX]
            .into_iter()
            .filter(|&n| n >= smallest)
        {
            let seen: HashSet<_> = keys(&*engine, Cursor::start(), n);
            assert_eq!(seen.len() as u64, size, "pages of {n}");
        }
    }
    assert!(filled(subject, 0).fetch(&Cursor::start(), 5).next.is_none());
}

/// Between pages some of the other records are removed, put or replaced: the stable ones are all seen.
pub fn e_scan_misses_nothing_when_others_are_removed_between_pages(subject: &EngineSubject) {
    let mut rng = fastrand::Rng::with_seed(proof::seed());
    // One of so many stays throughout. Of three most are there at any time; of eight so few that an engine gives memory back.
    for one_in in [3, 8] {
        for size in [40, 400, 4_000] {
            for _ in 0..proof::scaled(200) {
                misses_nothing_amid_removals(subject, &mut rng, (size, one_in));
            }
        }
    }
}

fn misses_nothing_amid_removals(
    subject: &EngineSubject,
    rng: &mut fastrand::Rng,
    (size, one_in): (u64, u64),
) {
    let engine = filled(subject, size);
    let stable: HashSet<_> = (0..size).filter(|number| number % one_in == 0).map(key).collect();
    let page = rng.usize(1..=1 + size as usize / 10);
    let seen = scan_with(&*engine, page, &mut |engine| {
        for _ in 0..rng.u64(0..=size / 10) {
            let number = rng.u64(..size);
            match number % one_in {
                0 => drop(engine.put(key(number), record(number + 1))),
                1 => drop(engine.put(key(number), record(number))),
                _ => drop(engine.remove(&key(number))),
            }
        }
    });
    assert_eq!(
        stable.difference(&seen).next(),
        None,
        "of {size}, one in {one_in}, in pages of {page}"
    );
}

/// A scan that began in a small engine ends in a large one and still sees all that was there at first.
pub fn e_scan_misses_nothing_when_the_engine_grows_between_pages(subject: &EngineSubject) {
    for (size, page) in [(10, 1), (60, 7), (60, 59), (1_000, 90), (3_000, 1_000)] {
        let engine = filled(subject, size);
        let mut next = size;
        let seen = scan_with(&*engine, page, &mut |engine| {
            for number in next..(next * 2).min(9_000) {
                engine.put(key(number), record(number));
            }
            next = (next * 2).min(9_000);
        });
        let stable: HashSet<_> = (0..size).map(key).collect();
        assert_eq!(
            stable.difference(&seen).next(),
            None,
            "of {size}, in pages of {page}"
        );
    }
}

/// Eight threads put and remove other records, and let the engine grow, while the stable ones are scanned.
pub fn e_scan_misses_nothing_under_churn(subject: &EngineSubject) {
    let seed = proof::seed();
    for round in 0..proof::scaled(100) {
        let mut rng = fastrand::Rng::with_seed(seed ^ round);
        let size = rng.u64(1..500);
        let engine = filled(subject, size);
        let stable: HashSet<_> = (0..size).map(key).collect();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (engine, done, mut rng) = (&*engine, &done, fastrand::Rng::with_seed(rng.u64(..)));
                scope.spawn(move || {
                    while !done.load(Ordering::Acquire) {
                        let number = size + writer + WRITERS * rng.u64(..600);
                        if rng.u8(..3) == 0 {
                            engine.remove(&key(number));
                        } else {
                            engine.put(key(number), record(number));
                        }
                    }
                });
            }
            for _ in 0..3 {
                let page = rng.usize(30..300);
                let seen = scan_with(&*engine, page, &mut |_| thread::yield_now());
                // Before the assertion: a failure must not leave the writers running.
                let missed: Vec<_> = stable.difference(&seen).cloned().collect();
                if !missed.is_empty() {
                    done.store(true, Ordering::Release);
                }
                assert!(missed.is_empty(), "{missed:?} of {size}, in pages of {page}");
            }
            done.store(true, Ordering::Release);
        });
    }
}

/// The cursor of another engine, of the same kind or another, means nothing: the scan starts again.
pub fn e_scan_starts_again_with_a_foreign_cursor(subject: &EngineSubject) {
    let engine = filled(subject, 500);
    let twin = filled(subject, 500);
    let cursors = [
        twin.fetch(&Cursor::start(), 200).next,
        Some(Cursor::from_bytes(b"another engine's".to_vec())),
    ];
    for cursor in cursors.into_iter().flatten() {
        assert_eq!(keys(&*engine, cursor, 100).len(), 500);
    }
}

/// Bytes of any length, and cursors with a changed byte, neither panic nor keep a scan from ending.
pub fn e_scan_survives_any_bytes_as_cursor(subject: &EngineSubject) {
    let mut rng = fastrand::Rng::with_seed(proof::seed());
    let engine = filled(subject, 500);
    let own = engine.fetch(&Cursor::start(), 200).next.expect("more to come");
    for _ in 0..2_000 {
        let mut bytes = own.as_bytes().to_vec();
        if rng.bool() {
            bytes.resize(rng.usize(0..64), 0);
            rng.fill(&mut bytes);
        } else {
            let at = rng.usize(..bytes.len());
            bytes[at] = [0, 0xFF, rng.u8(..)][rng.usize(..3)];
        }
        keys(&*engine, Cursor::from_bytes(bytes), 300);
    }
}

fn filled(subject: &EngineSubject, size: u64) -> std::sync::Arc<dyn StorageEngine> {
    let engine = subject.make();
    (0..size).for_each(|number| drop(engine.put(key(number), record(number))));
    engine
}

fn keys(engine: &dyn StorageEngine, cursor: Cursor, n: usize) -> HashSet<Key> {
    scan_from(engine, cursor, n)
        .into_iter()
        .map(|(key, _)| key)
        .collect()
}

/// Scans in pages of `n`, with something happening between them.
fn scan_with(
    engine: &dyn StorageEngine,
    n: usize,
    between: &mut dyn FnMut(&dyn StorageEngine),
) -> HashSet<Key> {
    let (mut seen, mut cursor) = (HashSet::new(), Some(Cursor::start()));
    while let Some(at) = cursor {
        let page = engine.fetch(&at, n);
        check_size(&page, n);
        seen.extend(page.slots.into_iter().map(|(key, _)| key));
        cursor = page.next;
        between(engine);
    }
    seen
}
