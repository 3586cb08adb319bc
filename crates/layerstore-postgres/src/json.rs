//! A value as the text of a `jsonb`, where that comes back as the very same value.
//!
//! `jsonb` keeps numbers as decimals with their scale, forgets the order of fields (which values do not have), and
//! refuses NUL in text. So integers, fractions and `1.0` come back as they were; `-0.0` would come back as `0.0`.

use std::io;

use layerstore_record::Value;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// Returns the text of a value, `None` where JSON does not hold it exactly.
pub(crate) fn text(value: &Value) -> Option<String> {
    if !fits(value) {
        return None;
    }
    let mut text = Vec::new();
    value
        .serialize(&mut Serializer::with_formatter(&mut text, Decimals))
        .ok()?;
    String::from_utf8(text).ok()
}

/// Reads the text that the database gives back.
pub(crate) fn value(text: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(text)
}

fn fits(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::U64(_) => true,
        // Comes back as the other kind of integer.
        Value::I64(number) => *number < 0,
        Value::F64(number) => number.is_finite() && !(*number == 0.0 && number.is_sign_negative()),
        Value::String(text) => !text.contains('\0'),
        Value::Bytes(_) => false,
        Value::Array(items) => items.iter().all(fits),
        Value::Map(fields) => fields
            .iter()
            .all(|(name, value)| !name.contains('\0') && fits(value)),
    }
}

/// Writes floats so that they keep their point: without one, a whole number would come back as an integer.
struct Decimals;

impl Formatter for Decimals {
    fn write_f64<W: io::Write + ?Sized>(&mut self, writer: &mut W, number: f64) -> io::Result<()> {
        if number.fract() == 0.0 {
            write!(writer, "{number:.1}")
        } else {
            write!(writer, "{number}")
        }
    }
}

#[cfg(test)]
mod tests {
    use layerstore_record::Fields;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_json_does_not_hold_has_no_text() {
        let nul_name = Fields::new(vec![("a\0".into(), Value::Null)]).unwrap();
        let refused = [
            Value::I64(0),
            Value::F64(-0.0),
            Value::F64(f64::NAN),
            Value::F64(f64::INFINITY),
            Value::String("a\0b".into()),
            Value::Bytes([1_u8].into()),
            Value::Array([Value::Bytes([].into())].into()),
            Value::Map(nul_name),
        ];
        for value in refused {
            assert_eq!(text(&value), None, "{value:?}");
        }
    }

    #[test]
    fn whole_floats_keep_their_point() {
        for (number, shown) in [
            (3.0, "3.0"),
            (1e20, "100000000000000000000.0"),
            (-2.5, "-2.5"),
            (0.0, "0.0"),
        ] {
            assert_eq!(text(&Value::F64(number)).as_deref(), Some(shown));
        }
    }

    proptest! {
        #[test]
        fn floats_come_back_to_the_last_bit(number in any::<f64>()) {
            if let Some(text) = text(&Value::F64(number)) {
                prop_assert!(text.contains('.'), "{text}");
                prop_assert_eq!(value(text.as_bytes()).unwrap(), Value::F64(number));
            }
        }

        #[test]
        fn text_and_integers_come_back(string in "\\PC*", positive: u64, negative in i64::MIN..0) {
            for one in [Value::from(string.clone()), Value::U64(positive), Value::I64(negative)] {
                let text = text(&one).unwrap();
                prop_assert_eq!(value(text.as_bytes()).unwrap(), one);
            }
        }
    }
}
