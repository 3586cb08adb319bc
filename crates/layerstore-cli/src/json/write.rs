use layerstore::{Fields, Value};

use super::number;
use super::shape::{self, BYTES, FLOAT};

/// Writes a value as one line of JSON.
pub(crate) fn text(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

/// Appends a value as JSON, fields in the byte order of their names.
fn write(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::I64(number) => out.push_str(&number.to_string()),
        Value::U64(number) => out.push_str(&number.to_string()),
        Value::F64(float) if float.is_finite() => out.push_str(&number::text(*float)),
        Value::F64(float) => reserved(out, FLOAT, shape::float_name(*float)),
        Value::String(text) => string(out, text),
        Value::Bytes(bytes) => reserved(out, BYTES, &shape::base64(bytes)),
        Value::Array(items) => array(out, items),
        Value::Map(fields) => object(out, fields),
    }
}

fn array(out: &mut String, items: &[Value]) {
    out.push('[');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

fn object(out: &mut String, fields: &Fields) {
    out.push('{');
    for (place, (name, value)) in fields.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        if fields.len() == 1 && shape::is_reserved(name) {
            string(out, &format!("${name}"));
        } else {
            string(out, name);
        }
        out.push(':');
        write(out, value);
    }
    out.push('}');
}

fn reserved(out: &mut String, name: &str, text: &str) {
    out.push('{');
    string(out, name);
    out.push(':');
    string(out, text);
    out.push('}');
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::read;
    use super::*;

    /// Any value that a JSON reader can give, and bytes; names crowd around the reserved ones.
    fn values() -> impl Strategy<Value = Value> {
        let plain = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(|float| Value::F64(if float.is_nan() { f64::NAN } else { float })),
            any::<String>().prop_map(Value::from),
            proptest::collection::vec(any::<u8>(), 0..9).prop_map(|bytes| Value::Bytes(bytes.into())),
            prop_oneof![Just("AP8="), Just("NaN"), Just("-Infinity")].prop_map(Value::from),
        ];
        plain.prop_recursive(4, 32, 4, |inner| {
            let name = prop_oneof!["[$]{0,3}(bytes|float)", any::<String>()];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(name, inner, 0..3).prop_map(|fields| {
                    let fields = fields
                        .into_iter()
                        .map(|(name, value)| (name.into(), value))
                        .collect();
                    Value::Map(Fields::new(fields).unwrap())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn c5_every_value_comes_back_from_its_json(value in values()) {
            let json = text(&value);
            prop_assert_eq!(read(&json), Ok(value));
            prop_assert!(!json.contains('\n'));
            prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
        }

        #[test]
        fn every_json_that_is_accepted_comes_back_as_it_was(value in values()) {
            // What is accepted once is written and read alike ever after: a file survives import and export.
            let json = text(&value);
            let again = text(&read(&json).unwrap());
            prop_assert_eq!(json, again);
        }
    }

    #[test]
    fn users_own_objects_of_the_reserved_shape_are_told_apart() {
        let own = |name: &str| Value::Map(Fields::new(vec![(name.into(), Value::from("AP8="))]).unwrap());
        assert_eq!(text(&own("$bytes")), r#"{"$$bytes":"AP8="}"#);
        assert_eq!(text(&own("$$bytes")), r#"{"$$$bytes":"AP8="}"#);
        assert_eq!(text(&own("bytes")), r#"{"bytes":"AP8="}"#);
        assert_eq!(text(&Value::from(&[0_u8, 255][..])), r#"{"$bytes":"AP8="}"#);
    }
}
