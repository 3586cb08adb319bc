//! From and to other formats, with JSON for all of them.

use layerstore_record::{Value, from_value, to_value};
use layerstore_testkit::proof;

use crate::samples::{any_value, fields, nested};

fn parse(json: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(json)
}

#[test]
fn json_comes_in_with_every_number_as_it_is() {
    let parsed = parse(r#"{"b": [1, -1, 18446744073709551615, 0.1], "a": null, "": "é"}"#).unwrap();
    let numbers = vec![1.into(), (-1).into(), u64::MAX.into(), 0.1.into()];
    let expected = fields([("a", Value::Null), ("b", numbers.into()), ("", "é".into())]);
    assert_eq!(parsed, expected);
    assert!(matches!(parse("-0").unwrap(), Value::F64(zero) if zero.is_sign_negative()));
    assert_eq!(parse("5").unwrap(), Value::U64(5));
}

#[test]
fn json_with_a_field_twice_is_refused() {
    let error = parse(r#"{"a": 1, "b": {"x": 1, "x": 1}}"#).unwrap_err();
    assert!(
        error.to_string().contains(r#"the field "x" comes twice"#),
        "{error}"
    );
}

#[test]
fn json_is_64_levels_deep_at_most() {
    let json = |levels: usize| parse(&format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
    assert!(json(64).is_ok());
    let error = json(65).unwrap_err();
    assert!(error.to_string().contains("deeper than 64 levels"), "{error}");
}

#[test]
fn json_goes_out_as_it_came() {
    let json = r#"{"":[],"a":{"x":[1,-1,0.1,1e+300,true,null]},"b":"\u0000é"}"#;
    assert_eq!(serde_json::to_string(&parse(json).unwrap()).unwrap(), json);
    assert!(serde_json::to_string(&nested(64)).is_ok());
    assert!(serde_json::to_string(&nested(65)).is_err());
}

#[test]
fn any_value_comes_back_through_itself() {
    let mut rng = fastrand::Rng::with_seed(proof::seed());
    for _ in 0..proof::scaled(100_000) {
        let value = any_value(&mut rng, 5);
        assert_eq!(to_value(&value).unwrap(), value);
        assert_eq!(from_value::<Value>(&value).unwrap(), value);
    }
}

#[test]
fn any_value_without_bytes_and_odd_floats_comes_back_through_json() {
    let mut rng = fastrand::Rng::with_seed(proof::seed());
    let mut compared = 0;
    for _ in 0..proof::scaled(100_000) {
        let value = any_value(&mut rng, 4);
        if is_plain(&value) {
            let json = serde_json::to_string(&value).unwrap();
            assert_eq!(parse(&json).unwrap(), value, "{json}");
            compared += 1;
        }
    }
    assert!(compared > 100, "only {compared} values could be compared");
}

fn is_plain(value: &Value) -> bool {
    match value {
        Value::Bytes(_) => false,
        Value::F64(number) => number.is_finite(),
        Value::Array(items) => items.iter().all(is_plain),
        Value::Map(fields) => fields.iter().all(|(_, value)| is_plain(value)),
        _ => true,
    }
}
