//! From Rust values to `Value`, and back.

use std::collections::{BTreeMap, HashMap};

use layerstore_record::{Value, ValueErrorReason, from_value, to_value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::samples::{fields, nested};

#[derive(Serialize, Deserialize, Debug, PartialEq, Eq, Hash, Clone, Copy, PartialOrd, Ord)]
enum Color {
    Red,
    Blue,
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
enum Shape {
    Nothing,
    Named(String),
    Size(u32, u32),
    Full { at: (i8, i8), color: Color },
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Meters(f64);

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Marker;

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Pair(u8, String);

#[derive(Serialize, Deserialize, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Id(u64);

fn there_and_back<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(given: T, expected: Value) {
    let value = to_value(&given).unwrap();
    assert_eq!(value, expected);
    assert_eq!(from_value::<T>(&value).unwrap(), given);
}

#[test]
fn numbers_are_kept_to_the_last_digit() {
    there_and_back(i8::MIN, Value::I64(-128));
    there_and_back(5_i32, Value::U64(5));
    there_and_back(i64::MIN, Value::I64(i64::MIN));
    there_and_back(u64::MAX, Value::U64(u64::MAX));
    there_and_back(i128::from(i64::MIN), Value::I64(i64::MIN));
    there_and_back(i128::from(u64::MAX), Value::U64(u64::MAX));
    there_and_back(7_u128, Value::U64(7));
    there_and_back(0.1_f32, Value::F64(0.1_f32.into()));
    there_and_back(-0.0_f64, Value::F64(-0.0));
    there_and_back(f64::INFINITY, Value::F64(f64::INFINITY));
    let nan = f64::from_bits(0x7ff8_0000_0000_0042);
    assert_eq!(
        from_value::<f64>(&to_value(&nan).unwrap()).unwrap().to_bits(),
        nan.to_bits()
    );
}

#[test]
fn texts_bytes_and_nothing_come_back() {
    there_and_back('é', "é".into());
    there_and_back(String::from("a\0b"), "a\0b".into());
    there_and_back(Some(3_u8), Value::U64(3));
    there_and_back(None::<u8>, Value::Null);
    there_and_back((), Value::Null);
    there_and_back(Marker, Value::Null);
    let bytes = Value::Bytes([1, 2].into());
    assert_eq!(from_value::<Value>(&to_value(&bytes).unwrap()).unwrap(), bytes);
}

#[test]
fn structs_and_sequences_come_back() {
    there_and_back(Meters(1.5), Value::F64(1.5));
    there_and_back(Pair(1, "x".into()), vec![1_u8.into(), "x".into()].into());
    there_and_back((1_u8, true), vec![1_u8.into(), true.into()].into());
    there_and_back(vec![1_i16, -1], vec![1_u8.into(), (-1).into()].into());
    there_and_back(Vec::<u8>::new(), Vec::new().into());
}

#[test]
fn enums_are_tagged_from_outside() {
    there_and_back(Shape::Nothing, "Nothing".into());
    there_and_back(Shape::Named("n".into()), fields([("Named", "n".into())]));
    let size = vec![1_u8.into(), 2_u8.into()].into();
    there_and_back(Shape::Size(1, 2), fields([("Size", size)]));
    let full = fields([
        ("at", vec![1_u8.into(), (-1).into()].into()),
        ("color", "Blue".into()),
    ]);
    let shape = Shape::Full {
        at: (1, -1),
        color: Color::Blue,
    };
    there_and_back(shape, fields([("Full", full)]));
    let unit = fields([("Nothing", Value::Null)]);
    assert_eq!(from_value::<Shape>(&unit).unwrap(), Shape::Nothing);
}

#[test]
fn keys_with_one_text_become_strings_and_come_back() {
    there_and_back(
        BTreeMap::from([(-7_i64, 1_u8), (3, 2)]),
        fields([("-7", 1.into()), ("3", 2.into())]),
    );
    there_and_back(
        BTreeMap::from([(u128::MAX, 1_u8)]),
        fields([(&u128::MAX.to_string(), 1.into())]),
    );
    there_and_back(HashMap::from([(true, 1_u8)]), fields([("true", 1.into())]));
    there_and_back(HashMap::from([('x', 1_u8)]), fields([("x", 1.into())]));
    there_and_back(HashMap::from([(Color::Red, 1_u8)]), fields([("Red", 1.into())]));
    there_and_back(BTreeMap::from([(Id(9), 1_u8)]), fields([("9", 1.into())]));
    there_and_back(BTreeMap::from([(Some(9_u8), 1_u8)]), fields([("9", 1.into())]));
}

#[test]
fn keys_without_one_text_are_refused_by_name_and_path() {
    let refused = |error: layerstore_record::ValueError, what: &'static str| {
        assert_eq!(error.reason(), &ValueErrorReason::UnfitKey(what));
        assert_eq!(error.path(), "prices");
        assert!(error.to_string().starts_with("at prices: "), "{error}");
    };
    let of = |map: BTreeMap<Vec<u8>, u8>| to_value(&BTreeMap::from([("prices", map)])).unwrap_err();
    refused(of(BTreeMap::from([(vec![1], 1)])), "an array");
    let unit = BTreeMap::from([("prices", BTreeMap::from([((), 1)]))]);
    refused(to_value(&unit).unwrap_err(), "a unit");
    let tuple = BTreeMap::from([("prices", BTreeMap::from([((1, 2), 1)]))]);
    refused(to_value(&tuple).unwrap_err(), "a tuple");
    let none = BTreeMap::from([("prices", BTreeMap::from([(None::<u8>, 1)]))]);
    refused(to_value(&none).unwrap_err(), "a missing key");
}

#[test]
fn keys_that_read_alike_never_become_one() {
    for name in ["+7", "07", "7 ", "", "0x7"] {
        let error = from_value::<BTreeMap<u8, u8>>(&fields([(name, 1.into())])).unwrap_err();
        assert_eq!(error.path(), name);
    }
}

/// A map that gives the same key twice, as no std map does.
struct Twice;

impl Serialize for Twice {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("a", 1), ("b", 2), ("a", 3)])
    }
}

#[test]
fn what_no_value_holds_is_refused_with_its_path() {
    let error = |result: Result<Value, layerstore_record::ValueError>| {
        let error = result.unwrap_err();
        (error.path().to_owned(), error.reason().clone())
    };
    let large = BTreeMap::from([("orders", vec![(1_u8, u128::MAX)])]);
    assert_eq!(
        error(to_value(&large)),
        ("orders[0][1]".into(), ValueErrorReason::OutOfRange)
    );
    let small = [Some(i128::from(i64::MIN) - 1)];
    assert_eq!(
        error(to_value(&small)),
        ("[0]".into(), ValueErrorReason::OutOfRange)
    );
    let twice = ("[1]".into(), ValueErrorReason::DuplicateField("a".into()));
    assert_eq!(error(to_value(&(1, Twice))), twice);
}

#[test]
fn a_value_has_64_levels_at_most() {
    assert_eq!(to_value(&nested(64)).unwrap(), nested(64));
    assert_eq!(from_value::<Value>(&nested(64)).unwrap(), nested(64));
    let error = to_value(&nested(65)).unwrap_err();
    assert!(error.to_string().contains("deeper than 64"), "{error}");
    assert!(nested(64).check_depth().is_ok());
    let error = nested(65).check_depth().unwrap_err();
    assert_eq!(error.reason(), &ValueErrorReason::TooDeep);
    let error = from_value::<Value>(&nested(65)).unwrap_err();
    assert_eq!(error.reason(), &ValueErrorReason::TooDeep);
    // The way in from a type of the user's that nests without end stops at the same depth.
    let deep = (0..65).fold(List(None), |list, _| List(Some(vec![list])));
    let error = to_value(&deep).unwrap_err();
    assert_eq!(error.reason(), &ValueErrorReason::TooDeep);
    assert!(error.path().starts_with("[0][0]"), "{}", error.path());
}

#[derive(Serialize)]
struct List(Option<Vec<List>>);

#[test]
fn what_has_another_shape_is_refused_without_its_value() {
    #[derive(Deserialize, Debug)]
    #[expect(dead_code, reason = "only its refusals matter")]
    struct Account {
        owner: u32,
        color: Option<Color>,
    }
    let account = |owner: Value, color: Value| {
        let accounts = vec![fields([("owner", owner), ("color", color)])];
        from_value::<Vec<Account>>(&accounts.into()).unwrap_err()
    };
    let error = account("secret".into(), Value::Null);
    assert_eq!(error.to_string(), "at [0].owner: a string is here, not u32");
    let error = account(4_987_654_321_u64.into(), Value::Null);
    assert_eq!(
        error.to_string(),
        "at [0].owner: an integer is here that is not u32"
    );
    let error = account(1.into(), "secret".into());
    assert_eq!(
        error.to_string(),
        "at [0].color: the variant is none of Red, Blue"
    );
    let error = from_value::<(u8, u8)>(&vec![1.into(), 2.into(), 3.into()].into()).unwrap_err();
    assert_eq!(error.to_string(), "1 items too many are here");
    let two = fields([("Named", "x".into()), ("Size", 1.into())]);
    assert!(from_value::<Shape>(&two).is_err());
}

#[test]
fn a_long_path_is_cut() {
    let name = "é".repeat(100);
    let error = to_value(&BTreeMap::from([(&name, BTreeMap::from([(&name, u128::MAX)]))])).unwrap_err();
    assert!(error.path().len() < 300 && error.path().ends_with('…'));
}
