//! Trees are equal if and only if the records are, and what differs is found.

use layerstore_observer::{KeyRange, LEVELS, MerkleObserver, MutationEvent, PreviousValue, RemoveReason};
use layerstore_record::{Key, RecordValue};
use layerstore_testkit::proof;

use crate::samples::{Held, any_key, any_record_value, at, key, observer, observer_of, tell, tell_of};

fn any_records(rng: &mut fastrand::Rng) -> Held {
    let most = [3, 40, 400][rng.usize(..3)];
    let wanted = rng.usize(..most);
    (0..wanted)
        .map(|_| (any_key(rng), any_record_value(rng)))
        .collect()
}

/// The same records with none, one, or several changed, added or taken out.
fn changed(rng: &mut fastrand::Rng, held: &Held) -> Held {
    let mut other = held.clone();
    let changes = [0, 1, 1, rng.usize(1..20)][rng.usize(..4)];
    for _ in 0..changes {
        let known = rng.choice(held.keys().collect::<Vec<_>>()).cloned();
        match known {
            Some(key) if rng.bool() => drop(other.remove(&key)),
            Some(key) if rng.bool() => drop(other.insert(key, any_record_value(rng))),
            _ => drop(other.insert(any_key(rng), any_record_value(rng))),
        }
    }
    other
}

/// Tells of the same records on a long way: in another order, under other versions, with other values and removals before.
fn observer_of_a_history(rng: &mut fastrand::Rng, held: &Held) -> MerkleObserver {
    let observer = observer();
    let mut keys: Vec<&Key> = held.keys().collect();
    for _ in 0..rng.usize(..2 * keys.len() + 2) {
        // What is there for a while: a removal without a tombstone takes it out again.
        let (key, value) = (any_key(rng), any_record_value(rng));
        tell_of(&observer, &key, &value, rng.u64(..100));
        if !held.contains_key(&key) {
            gone(&observer, &key);
        }
    }
    rng.shuffle(&mut keys);
    for key in keys {
        tell_of(&observer, key, &held[key], rng.u64(..100));
    }
    observer
}

fn gone(observer: &MerkleObserver, key: &Key) {
    let (previous, reason) = (PreviousValue::Unknown, RemoveReason::Expired);
    let tombstone = None;
    tell(
        observer,
        MutationEvent::Remove {
            key,
            tombstone,
            previous,
            reason,
        },
    );
}

/// The keys that hold something else in the other, or are in one alone.
fn differing(one: &Held, other: &Held) -> Vec<Key> {
    let is_same = |key: &Key| one.get(key) == other.get(key);
    let keys = one
        .keys()
        .chain(other.keys().filter(|key| !one.contains_key(*key)));
    let mut keys: Vec<Key> = keys.filter(|key| !is_same(key)).cloned().collect();
    keys.sort();
    keys
}

/// The keys of either that lie in the difference of the trees, which must be ranges in order.
fn found(one: &MerkleObserver, other: &MerkleObserver, known: [&Held; 2]) -> Vec<Key> {
    let ranges = one
        .read(|one| other.read(|other| one.difference(other)))
        .flatten()
        .unwrap();
    let mut all: Vec<&Key> = known.into_iter().flat_map(|held| held.keys()).collect();
    all.sort();
    all.dedup();
    for pair in ranges.windows(2) {
        let [before, after] = pair else { continue };
        assert!(
            all.iter()
                .filter(|key| before.contains(key))
                .all(|key| !after.contains(key))
        );
    }
    let within = |key: &&&Key| ranges.iter().any(|range| range.contains(key));
    all.iter().filter(within).map(|key| (*key).clone()).collect()
}

#[test]
fn m8_trees_are_equal_if_and_only_if_the_records_are() {
    let (pairs, seed) = (proof::scaled(10_000), proof::seed());
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut equal, mut by_one) = (0, 0);
    for pair in 0..pairs {
        let one = any_records(&mut rng);
        let other = changed(&mut rng, &one);
        let (tree, others) = (observer_of(&one), observer_of_a_history(&mut rng, &other));
        let differing = differing(&one, &other);
        assert_eq!(tree.root() == others.root(), differing.is_empty(), "pair {pair}");
        assert_eq!(found(&tree, &others, [&one, &other]), differing, "pair {pair}");
        equal += u64::from(differing.is_empty());
        by_one += u64::from(differing.len() == 1);
    }
    assert!(
        equal > pairs / 10 && by_one > pairs / 10,
        "{equal} equal, {by_one} by one record"
    );
    let counts = [
        ("pairs", pairs),
        ("by_one_record", by_one),
        ("seed", seed),
        ("violations", 0),
    ];
    proof::report("M8", &counts);
}

#[test]
fn t1_the_same_records_give_the_same_buckets_at_every_level_whatever_came_before() {
    let mut rng = fastrand::Rng::with_seed(proof::seed());
    let held: Held = (0..3_000)
        .map(|_| (any_key(&mut rng), any_record_value(&mut rng)))
        .collect();
    let (one, other) = (observer_of(&held), observer_of_a_history(&mut rng, &held));
    for level in 0..=LEVELS {
        let buckets =
            |observer: &MerkleObserver| observer.read(|tree| tree.buckets(level, &KeyRange::ALL)).unwrap();
        let (one, other) = (buckets(&one), buckets(&other));
        assert_eq!(one, other, "level {level}");
        assert!(
            level > 1 || one.len() > 20,
            "level {level} has {} buckets",
            one.len()
        );
    }
}

#[test]
fn t5_few_records_among_many_are_found_alone_and_neighbours_together() {
    let name = |number: u64| key(&format!("user:{number:05}"));
    let held: Held = (0..20_000).map(|number| (name(number), lww(number))).collect();
    let (one, other) = (observer_of(&held), observer_of(&held));
    for number in [0, 12_345, 12_346, 19_999] {
        tell_of(&other, &name(number), &lww(number + 1), 2);
    }
    let ranges = one
        .read(|one| other.read(|other| one.difference(other)))
        .flatten()
        .unwrap();
    let run = |first, last| KeyRange::of_run(name(first), name(last));
    assert_eq!(ranges, [run(0, 0), run(12_345, 12_346), run(19_999, 19_999)]);
}

fn lww(number: u64) -> RecordValue {
    RecordValue::lww(number, at(number + 1))
}
