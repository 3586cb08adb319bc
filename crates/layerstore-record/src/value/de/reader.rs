use serde::de::{Deserializer, Error, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::super::error::ValueErrorReason;
use super::super::{Fields, MAX_DEPTH, Value, ValueError};
use super::parts::{FieldReader, ItemReader, VariantReader};

/// Hands out a value to whoever is deserialized from it, at most so many levels deep.
#[derive(Clone, Copy)]
pub(super) struct ValueReader<'de> {
    value: &'de Value,
    levels: usize,
}

impl<'de> ValueReader<'de> {
    pub(super) fn new(value: &'de Value) -> Self {
        Self {
            value,
            levels: MAX_DEPTH,
        }
    }

    /// Reads a part of this value, which stands `levels` from the deepest level.
    pub(super) fn part(value: &'de Value, levels: usize) -> Self {
        Self { value, levels }
    }

    pub(super) fn value(self) -> &'de Value {
        self.value
    }

    pub(super) fn below(self) -> Result<usize, ValueError> {
        let too_deep = || ValueError::new(ValueErrorReason::TooDeep);
        self.levels.checked_sub(1).ok_or_else(too_deep)
    }

    pub(super) fn visit_items<V: Visitor<'de>>(
        self,
        items: &'de [Value],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        let mut reader = ItemReader::new(items, self.below()?);
        let made = visitor.visit_seq(&mut reader)?;
        match reader.left() {
            0 => Ok(made),
            left => Err(ValueError::refused(format_args!(
                "{left} items too many are here"
            ))),
        }
    }

    pub(super) fn visit_fields<V: Visitor<'de>>(
        self,
        fields: &'de Fields,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        let mut reader = FieldReader::new(fields, self.below()?);
        let made = visitor.visit_map(&mut reader)?;
        match reader.left() {
            0 => Ok(made),
            left => Err(ValueError::refused(format_args!(
                "{left} fields too many are here"
            ))),
        }
    }
}

impl<'de> Deserializer<'de> for ValueReader<'de> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::I64(value) => visitor.visit_i64(*value),
            Value::U64(value) => visitor.visit_u64(*value),
            Value::F64(value) => visitor.visit_f64(*value),
            Value::String(value) => visitor.visit_borrowed_str(value),
            Value::Bytes(value) => visitor.visit_borrowed_bytes(value),
            Value::Array(items) => self.visit_items(items, visitor),
            Value::Map(fields) => self.visit_fields(fields, visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self.value {
            Value::String(variant) => visitor.visit_enum((**variant).into_deserializer()),
            Value::Map(fields) => {
                let mut both = fields.iter();
                match (both.next(), both.next()) {
                    (Some((variant, content)), None) => {
                        let content = Self::part(content, self.below()?);
                        visitor.visit_enum(VariantReader::new(variant, content))
                    }
                    _ => Err(Error::invalid_type(
                        Unexpected::Map,
                        &"a map with one field, the variant",
                    )),
                }
            }
            other => Err(Error::invalid_type(shape(other), &"a variant")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct identifier
    }
}

/// Names a value's shape to serde.
pub(super) fn shape(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::I64(value) => Unexpected::Signed(*value),
        Value::U64(value) => Unexpected::Unsigned(*value),
        Value::F64(value) => Unexpected::Float(*value),
        Value::String(value) => Unexpected::Str(value),
        Value::Bytes(value) => Unexpected::Bytes(value),
        Value::Array(_) => Unexpected::Seq,
        Value::Map(_) => Unexpected::Map,
    }
}
