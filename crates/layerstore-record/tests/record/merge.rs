//! What merging promises, in any order and number of merges.

use std::sync::Arc;

use layerstore_record::{
    KindMismatch, Merged, OrEntries, Pruned, RecordKind, RecordValue, Tags, Timestamp, Value,
};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

use crate::samples::{at, properties};

/// Few enough that they collide: equal times with other values, tags that one side removed.
fn timestamp() -> impl Strategy<Value = Timestamp> {
    (1..4_u64, 0..2_u16, 0..2_u64).prop_map(|(millis, counter, node)| at(millis, counter, node))
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1..2_i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from),
    ]
}

fn lww() -> impl Strategy<Value = RecordValue> {
    prop_oneof![
        3 => (value(), timestamp()).prop_map(|(value, at)| RecordValue::lww(value, at)),
        1 => timestamp().prop_map(|timestamp| RecordValue::Tombstone { timestamp }),
    ]
}

fn or_map() -> impl Strategy<Value = RecordValue> {
    let entries = vec((timestamp(), value()), 0..5).prop_map(OrEntries::new);
    let tags = vec((timestamp(), timestamp()), 0..4).prop_map(Tags::new);
    (entries, tags).prop_map(|(entries, tags)| RecordValue::or_map(entries, tags))
}

fn three() -> impl Strategy<Value = [RecordValue; 3]> {
    prop_oneof![[lww(), lww(), lww()], [or_map(), or_map(), or_map()]]
}

fn merge(one: &RecordValue, other: &RecordValue) -> RecordValue {
    match one.merge(other).unwrap() {
        Merged::Unchanged => one.clone(),
        Merged::Changed(merged) => {
            assert_ne!(&merged, one, "a change that changes nothing");
            merged
        }
    }
}

proptest! {
    #![proptest_config(properties())]

    #[test]
    fn r_merge_is_commutative([one, two, _] in three()) {
        prop_assert_eq!(merge(&one, &two), merge(&two, &one));
    }

    #[test]
    fn r_merge_is_associative([one, two, three] in three()) {
        prop_assert_eq!(merge(&merge(&one, &two), &three), merge(&one, &merge(&two, &three)));
    }

    #[test]
    fn r_merge_is_idempotent([one, two, _] in three()) {
        prop_assert_eq!(one.merge(&one).unwrap(), Merged::Unchanged);
        let both = merge(&one, &two);
        prop_assert_eq!(both.merge(&one).unwrap(), Merged::Unchanged);
        prop_assert_eq!(both.merge(&two).unwrap(), Merged::Unchanged);
    }

    #[test]
    fn r_merge_keeps_the_later_of_two_values(one in lww(), two in lww()) {
        let merged = merge(&one, &two);
        prop_assert_eq!(merged.timestamp(), one.timestamp().max(two.timestamp()));
        if one.timestamp() != two.timestamp() {
            let later = if one.timestamp() > two.timestamp() { one } else { two };
            prop_assert_eq!(merged, later);
        }
    }

    #[test]
    fn r_merge_of_an_old_entry_does_not_bring_a_removed_one_back(old in or_map(), newer in or_map()) {
        let seen = merge(&old, &newer);
        let removed = seen.removed(at(9, 0, 0));
        let merged = merge(&removed, &old);
        assert!(merged.is_tombstone());
        prop_assert_eq!(&merged, &removed);
        prop_assert_eq!(merge(&old, &removed), merged);
    }

    #[test]
    fn r_merge_keeps_entries_that_a_removal_did_not_see(seen in or_map(), unseen in value()) {
        let new = OrEntries::new(vec![(at(50, 0, 9), unseen)]);
        let elsewhere = merge(&seen, &RecordValue::or_map(new.clone(), Tags::default()));
        let merged = merge(&seen.removed(at(60, 0, 0)), &elsewhere);
        assert!(matches!(&merged, RecordValue::OrMap { entries, .. } if **entries == new));
    }

    #[test]
    fn r_merge_pruning_forgets_removals_up_to_the_horizon_and_nothing_else(value in or_map(), horizon in timestamp()) {
        let (entries, tags) = parts(&value);
        let kept: Vec<_> = tags.removals().filter(|(_, removed)| *removed > horizon).collect();
        match value.prune(horizon) {
            Pruned::Unchanged => assert_eq!(kept.len(), tags.len()),
            Pruned::Gone => assert!(kept.is_empty() && entries.is_empty()),
            Pruned::Changed(pruned) => {
                let (still, tags) = parts(&pruned);
                assert_eq!(still, entries);
                assert_eq!(tags.removals().collect::<Vec<_>>(), kept);
            }
        }
    }
}

fn parts(value: &RecordValue) -> (OrEntries, Tags) {
    match value {
        RecordValue::OrMap { entries, tombstones } => (OrEntries::clone(entries), tombstones.clone()),
        RecordValue::OrTombstones { tags } => (OrEntries::default(), tags.clone()),
        _ => (OrEntries::default(), Tags::default()),
    }
}

#[test]
fn r_merge_at_the_same_time_a_removal_wins_and_else_the_greater_value() {
    let now = at(5, 0, 1);
    let gone = RecordValue::Tombstone { timestamp: now };
    let (one, two) = (RecordValue::lww("a", now), RecordValue::lww("b", now));
    assert_eq!(merge(&one, &two), two);
    assert_eq!(merge(&two, &one), two);
    assert_eq!(merge(&two, &gone), gone);
    assert_eq!(merge(&gone, &two), gone);
    let quiet_nan = RecordValue::lww(f64::NAN, now);
    assert_eq!(quiet_nan.merge(&quiet_nan).unwrap(), Merged::Unchanged);
}

#[test]
fn r_merge_of_two_kinds_is_refused() {
    let (plain, or_map) = (
        RecordValue::lww(1, at(1, 0, 0)),
        RecordValue::or_map(OrEntries::default(), Tags::default()),
    );
    let mismatch = KindMismatch {
        held: RecordKind::Lww,
        brought: RecordKind::OrMap,
    };
    assert_eq!(plain.merge(&or_map), Err(mismatch));
    assert!(or_map.merge(&plain).is_err());
}

#[test]
fn merging_copies_no_value() {
    let (old, new) = (
        RecordValue::lww("old", at(1, 0, 0)),
        RecordValue::lww("new", at(2, 0, 0)),
    );
    let merged = merge(&old, &new);
    assert!(Arc::ptr_eq(merged.value().unwrap(), new.value().unwrap()));
}

#[test]
fn r_merge_a_fresh_removal_of_an_old_entry_outlives_the_horizon_of_the_entry() {
    let (added, removed, horizon) = (at(1, 0, 0), at(1_000, 0, 0), at(500, 0, 0));
    let old = RecordValue::or_map(OrEntries::new(vec![(added, "x".into())]), Tags::default());
    let gone = old.removed(removed);
    assert_eq!(gone.timestamp(), removed);
    assert_eq!(gone.prune(horizon), Pruned::Unchanged);
    assert!(merge(&gone, &old).is_tombstone());
    assert_eq!(gone.prune(removed), Pruned::Gone);
    let gone = RecordValue::lww(1, added).removed(removed);
    assert_eq!(gone.prune(horizon), Pruned::Unchanged);
    assert_eq!(gone.prune(removed), Pruned::Gone);
    assert_eq!(
        RecordValue::lww(1, added).prune(Timestamp::MAX),
        Pruned::Unchanged
    );
}
