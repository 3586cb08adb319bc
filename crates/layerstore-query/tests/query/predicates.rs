//! What predicates mean.

use std::ops::Bound;

use layerstore_query::{Predicate, field};
use layerstore_record::{Fields, Record, RecordValue, Timestamp, Value, Version};

use crate::scene::fields;

fn record(value: impl Into<Value>) -> Record {
    Record::builder(RecordValue::lww(value, Timestamp::ZERO), Version::ZERO).build()
}

fn holds(predicate: &Predicate, value: impl Into<Value>) -> bool {
    predicate.holds(&record(value))
}

#[test]
fn a_path_goes_into_maps_and_into_every_item_of_an_array() {
    let city = |name: &str| fields([("city", name.into())]);
    let oslo = field("address.city").equals("Oslo");
    assert!(holds(&oslo, fields([("address", city("Oslo"))])));
    assert!(holds(
        &oslo,
        fields([("address", vec![city("Bergen"), city("Oslo")].into())])
    ));
    assert!(!holds(&oslo, fields([("address", "Oslo".into())])));
    assert!(!holds(&oslo, fields([("address.city", "Oslo".into())])));
    let nested = Value::from(vec![1.into(), vec![2.into(), 3.into()].into()]);
    assert!(holds(&field("").equals(3), nested.clone()) && !holds(&field("").equals(4), nested));
}

#[test]
fn a_record_without_the_path_passes_no_test_and_the_negation_of_each() {
    for test in [
        field("a").equals(Value::Null),
        field("a").exists(),
        field("a").range(..5),
        field("a").starts_with(""),
    ] {
        assert!(!holds(&test, fields([("b", 1.into())])), "{test}");
        assert!(holds(&!test, fields([("b", 1.into())])));
    }
    assert!(holds(
        &field("a").equals(Value::Null),
        fields([("a", Value::Null)])
    ));
    assert!(!holds(
        &field("a").exists(),
        fields([("a", Vec::<Value>::new().into())])
    ));
}

#[test]
fn a_range_holds_values_of_its_kind_alone() {
    let adult = field("").range(18..);
    assert!(holds(&adult, 18) && holds(&adult, 18.5) && holds(&adult, f64::NAN));
    assert!(!holds(&adult, 17.9) && !holds(&adult, "99") && !holds(&adult, true));
    let early = field("").range(.."m");
    assert!(holds(&early, "") && !holds(&early, "m") && !holds(&early, 0));
}

#[test]
fn bounds_that_cross_or_differ_in_kind_hold_nothing() {
    let crossed = field("").range((Bound::Included(5), Bound::Excluded(3)));
    let mixed = field("").range((Bound::Included(Value::from(1)), Bound::Included(Value::from("z"))));
    for value in [1.into(), 3.into(), 4.into(), 5.into(), Value::from("a")] {
        assert!(
            !holds(&crossed, value.clone()) && !holds(&mixed, value.clone()),
            "{value:?}"
        );
    }
}

#[test]
fn equality_is_by_worth_and_a_prefix_is_of_texts() {
    assert!(holds(&field("").equals(5), 5.0));
    assert!(!holds(&field("").is_in(Vec::<i32>::new()), 5));
    let prefix = field("").starts_with("Os");
    assert!(holds(&prefix, "Oslo") && !holds(&prefix, "oslo") && !holds(&prefix, &b"Oslo"[..]));
}

#[test]
fn predicates_are_joined_and_shown() {
    let two = field("a").range(1..=2).and(!field("b").is_in(["x", "y"]));
    let joined = two.or(Predicate::everything());
    assert_eq!(
        joined.to_string(),
        "(a >= 1 and a <= 2 and not (b in [\"x\", \"y\"])) or everything"
    );
    assert!(holds(&joined, 0));
    let removed = Record::builder(
        RecordValue::Tombstone {
            timestamp: Timestamp::ZERO,
        },
        Version::ZERO,
    )
    .build();
    assert!(!joined.holds(&removed) && !(!joined).holds(&removed));
    assert!(!holds(
        &field("a").exists().and(field("b").exists()),
        Fields::default()
    ));
}
