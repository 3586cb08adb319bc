use std::fmt;

use layerstore::{Fields, MAX_DEPTH, Text, Value};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fault::{Fault, Path};
use super::number::exact;
use super::shape::{self, Single};

/// Reads one JSON text as a value.
///
/// Each object and array is taken apart into the raw texts of its parts, so that a number is judged by its own digits
/// and the depth is known before anything recurses.
///
/// # Errors
/// [`Fault`] for what is not JSON, and for what JSON allows and a value cannot hold.
pub(crate) fn read(text: &str) -> Result<Value, Fault> {
    part(parse(text)?, &Path::default())
}

/// The fields of an object in their order, each as its raw text; names that come twice stay.
struct RawFields<'a>(Vec<(String, &'a RawValue)>);

fn part(raw: &RawValue, at: &Path) -> Result<Value, Fault> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{') => object(text, at),
        Some(b'[') => array(text, at),
        Some(b'"') => Ok(Value::from(parse::<String>(text)?)),
        Some(b't') => Ok(Value::Bool(true)),
        Some(b'f') => Ok(Value::Bool(false)),
        Some(b'n') => Ok(Value::Null),
        _ => exact(text).ok_or_else(|| Fault::Inexact(at.clone())),
    }
}

fn array(text: &str, at: &Path) -> Result<Value, Fault> {
    not_deeper_than(MAX_DEPTH - 1, at)?;
    let items: Vec<&RawValue> = parse(text)?;
    let values = items
        .iter()
        .enumerate()
        .map(|(index, item)| part(item, &at.index(index)));
    values.collect::<Result<Vec<_>, _>>().map(Value::from)
}

fn object(text: &str, at: &Path) -> Result<Value, Fault> {
    // One level more than the limit: an object that stands for bytes is not a level of the value.
    not_deeper_than(MAX_DEPTH, at)?;
    let RawFields(raw) = parse(text)?;
    let mut fields = Vec::with_capacity(raw.len());
    for (name, value) in raw {
        let value = part(value, &at.field(&name))?;
        fields.push((Text::new(name), value));
    }
    if let [(name, value)] = fields.as_mut_slice() {
        match shape::judge(name, value) {
            Single::Plain => {}
            Single::Escaped(inner) => *name = inner,
            Single::Stands(value) => return Ok(value),
            Single::Invalid { name, stands_for } => {
                let at = at.clone();
                return Err(Fault::Shape { at, name, stands_for });
            }
        }
    }
    not_deeper_than(MAX_DEPTH - 1, at)?;
    let fields = Fields::new(fields).map_err(|twice| Fault::Twice(at.field(&twice)))?;
    Ok(Value::Map(fields))
}

/// Refuses an array or object that has more than `most` around it.
fn not_deeper_than(most: usize, at: &Path) -> Result<(), Fault> {
    if at.depth() <= most {
        Ok(())
    } else {
        Err(Fault::TooDeep(at.clone()))
    }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| Fault::Syntax {
        what: without_place(&error),
        column: error.column(),
    })
}

/// Says what is wrong without serde_json's " at line 1 column 7": lines are the caller's.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

impl<'de: 'a, 'a> Deserialize<'de> for RawFields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Fields).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn plain_json_is_read() {
        let value = read(r#" {"b": [1, -2, 2.5, "x\u00e9\n", true, false, null], "a": {}} "#).unwrap();
        assert_eq!(value.at(["a"]), Some(&Value::Map(Fields::default())));
        let Some(Value::Array(items)) = value.at(["b"]) else {
            panic!("not an array")
        };
        assert_eq!(items[3], Value::from("xé\n"));
    }

    #[test]
    fn a_refusal_names_the_field_and_never_its_value() {
        let text = fault(r#"{"user": {"balances": [1, 0.12345678901234567890123]}}"#);
        assert!(text.starts_with("field user.balances[1]:"), "{text}");
        assert!(!text.contains("1234567"), "{text}");
        let text = fault(r#"{"a": {"secret": "x1", "secret": "x2"}}"#);
        assert!(
            text.starts_with("field a.secret: the field comes twice"),
            "{text}"
        );
        assert!(!text.contains("x1"));
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_column() {
        assert!(fault(r#"{"a": 1,}"#).contains("at column 9"));
        assert!(fault("").starts_with("not JSON"));
        assert!(fault("{} {}").starts_with("not JSON"));
        assert!(fault("01").starts_with("not JSON"));
        assert!(fault("NaN").starts_with("not JSON"));
        assert!(fault(r#""\ud800""#).starts_with("not JSON"));
    }

    #[test]
    fn sixty_four_levels_are_read_and_the_sixty_fifth_is_refused() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(read(&nested(64)).unwrap().depth(), 64);
        assert!(matches!(read(&nested(65)), Err(Fault::TooDeep(_))));
        // Far deeper must not take the stack down.
        assert!(read(&nested(1_000_000)).is_err());
    }

    #[test]
    fn reserved_objects_must_hold_what_they_stand_for() {
        assert_eq!(read(r#"{"$bytes": "AP8="}"#), Ok(Value::from(&[0_u8, 255][..])));
        for refused in [
            r#"{"$bytes": 5}"#,
            r#"{"$bytes": "A"}"#,
            r#"{"$bytes": "AP9="}"#,
            r#"{"$float": "1"}"#,
        ] {
            assert!(matches!(read(refused), Err(Fault::Shape { .. })), "{refused}");
        }
        // With a second field it is an object like any other.
        assert!(matches!(read(r#"{"$bytes": 5, "a": 1}"#), Ok(Value::Map(_))));
    }
}
