//! Random schedules of everything that can happen to the queue, against a plain account of what was accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use layerstore_data_store::{BackoffPolicy, ErrorKind, MapClaim, StoreError};
use layerstore_record::{Key, MapName, Millis, NodeId, RecordValue, Timestamp, Version};

use crate::queue::{Answer, Arrival, Batch, Bounds, Item, Judged, Kind, Place, Queue, Seen, Settled};

const KEYS: u64 = 5;

fn bounds() -> Bounds {
    Bounds {
        delay: Duration::from_secs(1),
        coalesces: true,
        max_records: 1_000,
        max_bytes: 1 << 20,
        spills: false,
        backoff: BackoffPolicy::default(),
    }
}

fn version(number: u64) -> Version {
    Version::new(Timestamp::new(Millis(number), 0, NodeId(1)))
}

fn key(number: u64) -> Key {
    Key::new(format!("key:{number}")).unwrap()
}

fn arrival(key: &Key, number: u64, sequence: Option<u64>) -> Arrival {
    let value = RecordValue::lww(number, version(number).timestamp());
    let record = layerstore_record::Record::builder(value, version(number)).build();
    Arrival::of(key, std::sync::Arc::new(record), sequence)
}

/// A queue with one map that is claimed.
fn queue(bounds: Bounds) -> (Queue, Place, MapName) {
    let mut queue = Queue::new(bounds);
    let map = MapName::new("map").unwrap();
    let place = queue.place(&map);
    queue.claimed(place, MapClaim::default(), true);
    (queue, place, map)
}

/// Takes a batch as the worker does: of the kind whose turn it is, or of the other.
fn take(queue: &mut Queue, now: Duration, most: usize) -> Option<Batch> {
    let turns = queue.turns().into_iter();
    turns
        .filter_map(|kind| queue.take(kind, now, most, 1 << 20))
        .next()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn rng() -> fastrand::Rng {
    fastrand::Rng::with_seed(7)
}

#[test]
fn a_newer_write_takes_the_place_and_the_due_time_of_one_that_waits() {
    let (mut queue, place, _) = queue(bounds());
    assert!(
        queue
            .accept(place, &key(1), arrival(&key(1), 1, Some(1)), seconds(0))
            .is_empty()
    );
    assert_eq!(
        queue.accept(
            place,
            &key(1),
            arrival(&key(1), 2, Some(2)),
            Duration::from_millis(900)
        ),
        [1]
    );
    assert!(take(&mut queue, Duration::from_millis(999), 10).is_none());
    let batch = take(&mut queue, seconds(1), 10).unwrap();
    assert_eq!(
        batch.items.iter().map(|item| item.version).collect::<Vec<_>>(),
        [version(2)]
    );
}

#[test]
fn w2_a_key_has_one_write_on_its_way() {
    let (mut queue, place, map) = queue(Bounds {
        coalesces: false,
        ..bounds()
    });
    for number in 1..=3 {
        queue.accept(place, &key(1), arrival(&key(1), number, None), seconds(0));
    }
    for number in 1..=3 {
        let batch = take(&mut queue, seconds(2), 10).unwrap();
        assert_eq!(batch.items.len(), 1);
        assert_eq!(batch.items[0].version, version(number));
        assert!(
            take(&mut queue, seconds(9), 10).is_none(),
            "the next waits for the answer"
        );
        assert!(
            matches!(queue.get(&map, &key(1), Millis(0)), Some(Seen::Record(record)) if record.version() == version(3))
        );
        queue.settle(&batch.items[0], Answer::Stored, seconds(2), &mut rng());
    }
    assert!(queue.get(&map, &key(1), Millis(0)).is_none() && queue.maps_in_use().is_empty());
}

#[test]
fn w5_what_failed_goes_apart_from_what_did_not_and_in_smaller_batches() {
    let (mut queue, place, _) = queue(Bounds {
        delay: Duration::ZERO,
        ..bounds()
    });
    for number in 1..=64 {
        queue.accept(
            place,
            &key(number),
            arrival(&key(number), number, None),
            seconds(0),
        );
    }
    let first = take(&mut queue, seconds(0), 64).unwrap();
    assert!(!first.is_retry && first.items.len() == 64);
    for item in &first.items {
        queue.settle(item, Answer::Later, seconds(0), &mut rng());
    }
    queue.accept(place, &key(99), arrival(&key(99), 99, None), seconds(30));
    let mut sizes = Vec::new();
    let mut fresh = 0;
    while let Some(batch) = take(&mut queue, seconds(30), 64) {
        if batch.is_retry {
            sizes.push(batch.items.len());
        } else {
            fresh += batch.items.len();
        }
    }
    assert_eq!((sizes, fresh), (vec![16; 4], 1));
}

#[test]
fn conditions_are_judged_over_what_is_pending_and_left_to_the_store_where_nothing_is() {
    use layerstore_data_store::{Expect, Verdict};
    let (mut queue, place, _) = queue(bounds());
    queue.knows(place, version(5));
    let ask = |queue: &Queue, number, expect| {
        queue.judge(place, &key(1), (version(number), expect), None, Millis(0))
    };
    assert_eq!(ask(&queue, 6, None), Judged::Accept);
    assert_eq!(ask(&queue, 5, None), Judged::Ask);
    assert_eq!(ask(&queue, 6, Some(Expect::Absent)), Judged::Ask);
    queue.accept(place, &key(1), arrival(&key(1), 6, None), seconds(0));
    let conflict = Verdict::Conflict {
        current: Some(version(6)),
    };
    assert_eq!(ask(&queue, 7, Some(Expect::Absent)), Judged::Answer(conflict));
    assert_eq!(ask(&queue, 7, Some(Expect::Version(version(6)))), Judged::Accept);
    assert_eq!(ask(&queue, 6, None), Judged::Answer(Verdict::Repeated));
    assert_eq!(
        ask(&queue, 4, None),
        Judged::Answer(Verdict::Stale { current: version(6) })
    );
}

#[test]
fn what_is_fenced_is_held_until_the_map_is_claimed_again() {
    let (mut queue, place, map) = queue(Bounds {
        delay: Duration::ZERO,
        ..bounds()
    });
    for number in 1..=3 {
        queue.accept(
            place,
            &key(number),
            arrival(&key(number), number, None),
            seconds(0),
        );
    }
    let order = queue.hurry();
    let batch = take(&mut queue, seconds(0), 2).unwrap();
    for item in &batch.items {
        let fenced = StoreError::new(ErrorKind::Fenced, "test", "apply", "");
        queue.settle(item, Answer::Fenced(fenced), seconds(0), &mut rng());
    }
    assert!(take(&mut queue, seconds(99), 10).is_none());
    assert!(queue.is_past(order) && queue.missing(order, None).len() == 3 && queue.fenced().is_some());
    assert!(queue.get(&map, &key(1), Millis(0)).is_some(), "reads see it on");
    let claim = queue.claimed(place, MapClaim::default(), true);
    assert_eq!(claim.high_water, version(3));
    assert!(!queue.is_past(order));
    assert_eq!(take(&mut queue, seconds(99), 10).unwrap().items.len(), 3);
}

#[test]
fn w6_a_flush_that_waits_for_an_older_write_waits_for_the_newer_one_that_takes_its_place() {
    let (mut queue, place, _) = queue(Bounds {
        delay: Duration::ZERO,
        ..bounds()
    });
    queue.accept(place, &key(1), arrival(&key(1), 1, None), seconds(0));
    let order = queue.hurry();
    let older = take(&mut queue, seconds(0), 10).unwrap();
    queue.accept(place, &key(1), arrival(&key(1), 2, None), seconds(0));
    queue.settle(&older.items[0], Answer::Later, seconds(0), &mut rng());
    assert!(!queue.is_past(order), "neither of the two is in the store");
    let newer = take(&mut queue, seconds(9), 10).unwrap();
    queue.settle(&newer.items[0], Answer::Stored, seconds(9), &mut rng());
    assert!(queue.is_past(order));
}

#[test]
fn what_is_left_of_a_key_after_a_clear_goes_on_also_without_a_log() {
    let (mut queue, place, _) = queue(Bounds {
        coalesces: false,
        ..bounds()
    });
    for number in 1..=2 {
        queue.accept(place, &key(1), arrival(&key(1), number, None), seconds(0));
    }
    queue.clear(place, version(1));
    let batch = take(&mut queue, seconds(9), 10).expect("the newer one is due");
    assert_eq!(batch.items[0].version, version(2));
}

/// What the queue was told, in plain words.
#[derive(Default)]
struct Account {
    /// The newest version that was accepted and not dropped, by key.
    newest: BTreeMap<Key, u64>,
    /// Sequences of the log that were given out and are not done.
    open: BTreeSet<u64>,
    /// The newest version that went to the store, by key.
    sent: BTreeMap<Key, Version>,
    on_their_way: Vec<Batch>,
    to_bury: Vec<Item>,
    next: u64,
}

impl Account {
    fn done(&mut self, sequences: Vec<u64>) {
        for sequence in sequences {
            assert!(
                self.open.remove(&sequence),
                "{sequence} was done before, or never given out"
            );
        }
    }

    fn take(&mut self, batch: Batch) {
        for item in &batch.items {
            assert!(
                self.on_their_way
                    .iter()
                    .flat_map(|batch| &batch.items)
                    .chain(&self.to_bury)
                    .all(|other| other.key != item.key),
                "two writes of a key on their way"
            );
            let sent = self.sent.entry(item.key.clone()).or_insert(Version::ZERO);
            assert!(item.version >= *sent, "an older write after a newer");
            *sent = item.version;
        }
        self.on_their_way.push(batch);
    }
}

fn step(
    queue: &mut Queue,
    (place, map): (Place, &MapName),
    account: &mut Account,
    rng: &mut fastrand::Rng,
    now: Duration,
) {
    let key = key(rng.u64(0..KEYS));
    match rng.u8(0..20) {
        0..8 => {
            account.next += 1;
            let number = account.next;
            account.open.insert(number);
            account.newest.insert(key.clone(), number);
            let needless = queue.accept(place, &key, arrival(&key, number, Some(number)), now);
            account.done(needless);
        }
        8..12 => {
            if let Some(batch) = take(queue, now, rng.usize(1..4)) {
                account.take(batch);
            }
        }
        12..15 => answer(queue, account, rng, now),
        15 => {
            if let Some(item) = account.to_bury.pop() {
                account.next += 1;
                account.open.insert(account.next);
                let done = queue.bury(&item, "refused".to_owned(), Some(account.next));
                account.done(done);
            }
        }
        16 => {
            queue.retry_dead(place, &key);
        }
        17 => {
            let dead = queue.dead_letters().any(|(_, dead, _)| *dead == key);
            let only = queue.get(map, &key, Millis(0)).is_some();
            if let Some(done) = queue.discard_dead(place, &key) {
                assert!(dead && only);
                account.done(done);
                account.newest.remove(&key);
            }
        }
        18 => {
            queue.hurry();
        }
        _ => rare(queue, (place, map), account, rng, &key),
    }
}

fn answer(queue: &mut Queue, account: &mut Account, rng: &mut fastrand::Rng, now: Duration) {
    if account.on_their_way.is_empty() {
        return;
    }
    let batch = account
        .on_their_way
        .swap_remove(rng.usize(0..account.on_their_way.len()));
    for item in batch.items {
        let answer = match rng.u8(0..8) {
            0..4 => Answer::Stored,
            4..6 => Answer::Later,
            6 => Answer::Unclaimed,
            _ => Answer::Never,
        };
        let was_stored = matches!(answer, Answer::Stored);
        match queue.settle(&item, answer, now, rng) {
            Settled::Done(done) => {
                account.done(done);
                if was_stored
                    && account
                        .newest
                        .get(&item.key)
                        .is_some_and(|newest| version(*newest) == item.version)
                {
                    account.newest.remove(&item.key);
                }
            }
            Settled::Again => {}
            Settled::Bury => account.to_bury.push(item),
        }
    }
}

fn rare(
    queue: &mut Queue,
    (place, _): (Place, &MapName),
    account: &mut Account,
    rng: &mut fastrand::Rng,
    key: &Key,
) {
    match rng.u8(0..8) {
        0 => {
            let (_, done) = queue.forget();
            account.done(done);
            account.newest.clear();
        }
        1..4 => {
            let up_to = rng.u64(0..=account.next);
            let done = queue.clear(place, version(up_to));
            account.done(done);
            account.newest.retain(|_, newest| *newest > up_to);
        }
        4 => {
            account.next += 1;
            let done = queue.overtaken(place, key, version(account.next));
            account.done(done);
            account.newest.remove(key);
        }
        5 => queue.fence(place, StoreError::new(ErrorKind::Fenced, "test", "apply", "")),
        _ => {
            queue.claimed(place, MapClaim::default(), true);
        }
    }
}

/// Ends whatever is under way, well.
fn drain(queue: &mut Queue, place: Place, account: &mut Account, rng: &mut fastrand::Rng) {
    queue.claimed(place, MapClaim::default(), true);
    while let Some(item) = account.to_bury.pop() {
        let done = queue.bury(&item, "refused".to_owned(), None);
        account.done(done);
    }
    for number in 0..KEYS {
        queue.retry_dead(place, &key(number));
    }
    let end = seconds(1_000_000);
    for batch in std::mem::take(&mut account.on_their_way) {
        for item in batch.items {
            if let Settled::Done(done) = queue.settle(&item, Answer::Stored, end, rng) {
                account.done(done);
            }
        }
    }
    while let Some(batch) = take(queue, end, 3) {
        let items = batch.items.clone();
        account.take(batch);
        account.on_their_way.clear();
        for item in items {
            if let Settled::Done(done) = queue.settle(&item, Answer::Stored, end, rng) {
                account.done(done);
            }
        }
    }
}

#[test]
fn whatever_happens_versions_rise_reads_see_the_newest_and_everything_is_accounted_for() {
    let seed = layerstore_testkit::proof::seed();
    for case in 0..layerstore_testkit::proof::scaled(40_000) {
        let mut rng = fastrand::Rng::with_seed(seed ^ case.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (mut queue, place, map) = queue(Bounds {
            coalesces: rng.bool(),
            delay: seconds(rng.u64(0..3)),
            max_records: if rng.bool() { 2 } else { 1_000 },
            ..bounds()
        });
        let (mut account, mut now) = (Account::default(), Duration::ZERO);
        for _ in 0..200 {
            now += Duration::from_millis(rng.u64(0..700));
            step(&mut queue, (place, &map), &mut account, &mut rng, now);
            for number in 0..KEYS {
                let seen = queue.get(&map, &key(number), Millis(0)).map(|seen| match seen {
                    Seen::Record(record) => record.version(),
                    Seen::Spilled(sequence) => version(sequence),
                    Seen::Ended | Seen::Unsure => Version::ZERO,
                });
                let newest = account.newest.get(&key(number)).copied();
                // What is spilled is named by its place in the log, which a dead letter gets anew.
                let is_fine = match (seen, newest) {
                    (Some(seen), Some(newest)) => seen >= version(newest),
                    (seen, newest) => seen.is_none() == newest.is_none(),
                };
                assert!(
                    is_fine,
                    "case {case} of {seed}: key {number} is {seen:?}, and should be {newest:?}"
                );
            }
        }
        drain(&mut queue, place, &mut account, &mut rng);
        let counts = queue.counts();
        assert_eq!(
            counts,
            crate::queue::Counts::default(),
            "case {case} of {seed}: something stays behind"
        );
        assert!(
            account.open.is_empty(),
            "case {case} of {seed}: the log keeps {:?} for ever",
            account.open
        );
        assert!(
            queue.is_past(u64::MAX) && queue.maps_in_use().is_empty(),
            "case {case} of {seed}"
        );
        assert_eq!(
            queue.next_due(Kind::Fresh).or(queue.next_due(Kind::Retry)),
            None,
            "case {case} of {seed}"
        );
    }
}
