//! From a value to any format that serde knows, and from any `Serialize` to a value.

mod collect;
mod field_name;
mod writer;

use serde::ser::{Error, Serialize, SerializeMap, SerializeSeq, Serializer};

use super::{MAX_DEPTH, Value, ValueError};
use writer::ValueWriter;

/// Turns anything serializable into a value.
///
/// Follows serde's external tagging of enums: `Unit` becomes `"Unit"`, `New(1)` becomes `{"New": 1}`. Keys of maps
/// that are integers, bools, chars or unit variants become strings. A missing `Option` and `()` become null, so
/// `Some(None)` comes back as `None`. `serialize_bytes` gives bytes; a `Vec<u8>` is an array unless it says otherwise
/// (as `serde_bytes` does). Formats that ask are told that a value is human-readable.
///
/// ```
/// #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
/// struct User {
///     name: String,
///     visits: u32,
/// }
///
/// let user = User { name: "Ada".into(), visits: 3 };
/// let value = layerstore_record::to_value(&user)?;
/// assert_eq!(value.at(["visits"]), Some(&3_u64.into()));
/// assert_eq!(layerstore_record::from_value::<User>(&value)?, user);
/// # Ok::<(), layerstore_record::ValueError>(())
/// ```
///
/// # Errors
/// [`ValueError`], with the path, for an integer outside of -2^63 to 2^64 - 1, a key that cannot name a field,
/// two keys of one name, nesting deeper than [`MAX_DEPTH`], and whatever `T` itself refuses.
pub fn to_value<T: Serialize + ?Sized>(from: &T) -> Result<Value, ValueError> {
    from.serialize(ValueWriter::new())
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Leveled {
            value: self,
            levels: MAX_DEPTH,
        }
        .serialize(serializer)
    }
}

/// A value and how many levels it may still have.
struct Leveled<'a> {
    value: &'a Value,
    levels: usize,
}

impl Leveled<'_> {
    fn below<E: Error>(&self) -> Result<usize, E> {
        let too_deep = || E::custom(super::ValueErrorReason::TooDeep);
        self.levels.checked_sub(1).ok_or_else(too_deep)
    }
}

impl Serialize for Leveled<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::I64(value) => serializer.serialize_i64(*value),
            Value::U64(value) => serializer.serialize_u64(*value),
            Value::F64(value) => serializer.serialize_f64(*value),
            Value::String(value) => serializer.serialize_str(value),
            Value::Bytes(value) => serializer.serialize_bytes(value),
            Value::Array(items) => {
                let levels = self.below()?;
                let mut array = serializer.serialize_seq(Some(items.len()))?;
                for value in items {
                    array.serialize_element(&Leveled { value, levels })?;
                }
                array.end()
            }
            Value::Map(fields) => {
                let levels = self.below()?;
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields.iter() {
                    map.serialize_entry(name, &Leveled { value, levels })?;
                }
                map.end()
            }
        }
    }
}
