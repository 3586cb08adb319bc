//! The order of values, which predicates, indexes and results share.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use layerstore_query::Term;
use layerstore_record::{Fields, Value};

fn in_order() -> Vec<Term> {
    let map = |value: Value| Value::Map(Fields::new(vec![("a".into(), value)]).unwrap());
    let mut terms: Vec<Term> = vec![Value::Null.into(), false.into(), true.into()];
    let floats = [f64::NEG_INFINITY, -1e300, -36_893_488_147_419_103_232.0];
    terms.extend(floats.map(Term::from));
    terms.extend([i64::MIN, i64::MIN + 1].map(Term::from));
    terms.extend([-1.5, -0.5].map(Term::from));
    terms.extend([0, 1].map(Term::from));
    terms.push(1.5.into());
    terms.extend([(1_u64 << 53) + 1, u64::MAX - 1, u64::MAX].map(Term::from));
    terms.extend([18_446_744_073_709_551_616.0, f64::INFINITY, f64::NAN].map(Term::from));
    terms.extend(["", "1", "a", "é"].map(Term::from));
    terms.extend([&b""[..], &b"\xff"[..]].map(Term::from));
    terms.extend([vec![], vec![1.into()], vec![1.into(), 0.into()]].map(Term::from));
    terms.extend([Value::Map(Fields::default()), map(1.into()), map(2.into())].map(Term::from));
    terms
}

#[test]
fn the_order_is_total_and_what_is_equal_has_one_hash() {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let terms = in_order();
    for (at, one) in terms.iter().enumerate() {
        for (place, other) in terms.iter().enumerate() {
            assert_eq!(one.cmp(other), at.cmp(&place), "{one:?} and {other:?}");
            assert_eq!(one == other, hasher.hash_one(one) == hasher.hash_one(other));
        }
    }
}

#[test]
fn numbers_are_what_they_are_worth() {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let same = [
        (Term::from(5), Term::from(5.0)),
        (Term::from(-3), Term::from(-3.0)),
        (Term::from(0.0), Term::from(-0.0)),
        (Term::from(Value::I64(7)), Term::from(Value::U64(7))),
        (Term::from(f64::NAN), Term::from(-f64::NAN)),
    ];
    for (one, other) in same {
        assert_eq!(one, other);
        assert_eq!(hasher.hash_one(&one), hasher.hash_one(&other));
    }
    // As floats these two would be one number.
    assert!(Term::from((1_u64 << 53) + 1) > Term::from(9_007_199_254_740_992.0));
}
