use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::super::error::ValueErrorReason;
use super::super::{Fields, MAX_DEPTH, Value};
use crate::text::Text;

/// A format may wrap a value without a level of its own (`Some`, a newtype); so often on one path it may.
const MAX_WRAPPERS: usize = MAX_DEPTH;

/// Memory for at most so many items is asked for on the word of a format.
const MAX_BELIEVED: usize = 1024;

/// Reads a value of at most so many levels.
#[derive(Clone, Copy)]
pub(super) struct ValueSeed {
    levels: usize,
    wrappers: usize,
}

impl ValueSeed {
    pub(super) fn new() -> Self {
        Self {
            levels: MAX_DEPTH,
            wrappers: MAX_WRAPPERS,
        }
    }

    fn below<E: Error>(self) -> Result<Self, E> {
        let levels = self.levels.checked_sub(1).ok_or_else(too_deep)?;
        Ok(Self { levels, ..self })
    }

    fn unwrapped<E: Error>(self) -> Result<Self, E> {
        let wrappers = self.wrappers.checked_sub(1).ok_or_else(too_deep)?;
        Ok(Self { wrappers, ..self })
    }
}

fn too_deep<E: Error>() -> E {
    E::custom(ValueErrorReason::TooDeep)
}

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, a bool, a number, a string, bytes, an array or a map")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Value, E> {
        super::super::to_value(&value).map_err(|error| E::custom(error.reason()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Value, E> {
        super::super::to_value(&value).map_err(|error| E::custom(error.reason()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_bytes<E: Error>(self, value: &[u8]) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_byte_buf<E: Error>(self, value: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(value.into()))
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.unwrapped()?.deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.unwrapped()?.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(MAX_BELIEVED));
        while let Some(item) = seq.next_element_seed(below)? {
            items.push(item);
        }
        Ok(Value::Array(items.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut fields = Vec::with_capacity(map.size_hint().unwrap_or(0).min(MAX_BELIEVED));
        while let Some(name) = map.next_key::<Text>()? {
            fields.push((name, map.next_value_seed(below)?));
        }
        let twice = |name| A::Error::custom(ValueErrorReason::DuplicateField(name));
        Fields::new(fields).map(Value::Map).map_err(twice)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let (name, content) = data.variant::<Text>()?;
        let content = content.newtype_variant_seed(below)?;
        let fields = Fields::from_sorted(vec![(name, content)]);
        Ok(Value::Map(fields.unwrap_or_default()))
    }
}
