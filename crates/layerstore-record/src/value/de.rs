//! From a value to any `Deserialize`, and from any self-describing format to a value.

mod field_name;
mod parts;
mod reader;
mod visitor;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer};

use super::{Value, ValueError};
use reader::ValueReader;
use visitor::ValueSeed;

/// Turns a value into anything deserializable: the way back from [`to_value`](super::to_value).
///
/// ```
/// use std::collections::BTreeMap;
/// use layerstore_record::{from_value, to_value};
///
/// let stock = BTreeMap::from([(7, "bolts"), (12, "nuts")]);
/// let value = to_value(&stock)?;
/// assert_eq!(value.at(["12"]), Some(&"nuts".into()));
/// let back: BTreeMap<u32, String> = from_value(&value)?;
/// assert_eq!(back[&12], "nuts");
///
/// let error = from_value::<BTreeMap<String, u32>>(&value).unwrap_err();
/// assert_eq!(error.path(), "12");
/// # Ok::<(), layerstore_record::ValueError>(())
/// ```
///
/// # Errors
/// [`ValueError`], with the path, where the value has another shape than `T`, or more fields or items than `T` takes,
/// and whatever `T` itself refuses.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, ValueError> {
    T::deserialize(ValueReader::new(value))
}

/// Reads a value from any self-describing format.
///
/// Integers from zero up become [`Value::U64`]. A field that comes twice, an integer outside of -2^63 to 2^64 - 1, and
/// nesting deeper than [`MAX_DEPTH`](super::MAX_DEPTH) are errors.
impl<'de> serde::Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ValueSeed::new().deserialize(deserializer)
    }
}
