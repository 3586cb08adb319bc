use serde::ser::{Serialize, Serializer};

use super::super::error::ValueErrorReason;
use super::super::{Fields, MAX_DEPTH, Value, ValueError};
use super::collect::{ArrayCollector, MapCollector};

/// Makes a value of what it is given, at most so many levels deep.
#[derive(Clone, Copy)]
pub(super) struct ValueWriter {
    levels: usize,
}

impl ValueWriter {
    pub(super) fn new() -> Self {
        Self { levels: MAX_DEPTH }
    }

    fn below(self) -> Result<Self, ValueError> {
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Self { levels }),
            None => Err(ValueError::new(ValueErrorReason::TooDeep)),
        }
    }
}

/// The map that stands for a variant with content.
pub(super) fn tagged(variant: &'static str, content: Value) -> Value {
    // One field is always in order.
    Value::Map(Fields::from_sorted(vec![(variant.into(), content)]).unwrap_or_default())
}

impl Serializer for ValueWriter {
    type Ok = Value;
    type Error = ValueError;
    type SerializeSeq = ArrayCollector;
    type SerializeTuple = ArrayCollector;
    type SerializeTupleStruct = ArrayCollector;
    type SerializeTupleVariant = ArrayCollector;
    type SerializeMap = MapCollector;
    type SerializeStruct = MapCollector;
    type SerializeStructVariant = MapCollector;

    fn serialize_bool(self, value: bool) -> Result<Value, ValueError> {
        Ok(value.into())
    }

    fn serialize_i8(self, value: i8) -> Result<Value, ValueError> {
        Ok(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<Value, ValueError> {
        Ok(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<Value, ValueError> {
        Ok(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<Value, ValueError> {
        Ok(value.into())
    }

    fn serialize_i128(self, value: i128) -> Result<Value, ValueError> {
        let unsigned = u64::try_from(value).map(Value::from);
        let signed = || i64::try_from(value).map(Value::from);
        unsigned
            .or_else(|_| signed())
            .map_err(|_| ValueError::new(ValueErrorReason::OutOfRange))
    }

    fn serialize_u8(self, value: u8) -> Result<Value, ValueError> {
        Ok(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<Value, ValueError> {
        Ok(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<Value, ValueError> {
        Ok(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<Value, ValueError> {
        Ok(value.into())
    }

    fn serialize_u128(self, value: u128) -> Result<Value, ValueError> {
        let fits = u64::try_from(value).map(Value::from);
        fits.map_err(|_| ValueError::new(ValueErrorReason::OutOfRange))
    }

    fn serialize_f32(self, value: f32) -> Result<Value, ValueError> {
        Ok(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<Value, ValueError> {
        Ok(value.into())
    }

    fn serialize_char(self, value: char) -> Result<Value, ValueError> {
        Ok(String::from(value).into())
    }

    fn serialize_str(self, value: &str) -> Result<Value, ValueError> {
        Ok(value.into())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Value, ValueError> {
        Ok(value.into())
    }

    fn serialize_none(self) -> Result<Value, ValueError> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, ValueError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, ValueError> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, ValueError> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Value, ValueError> {
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value, ValueError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, ValueError> {
        let content = value.serialize(self.below()?);
        content
            .map(|content| tagged(variant, content))
            .map_err(|error| error.in_field(variant))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<ArrayCollector, ValueError> {
        Ok(ArrayCollector::new(self.below()?, len, None))
    }

    fn serialize_tuple(self, len: usize) -> Result<ArrayCollector, ValueError> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<ArrayCollector, ValueError> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<ArrayCollector, ValueError> {
        let below = self.below()?.below()?;
        Ok(ArrayCollector::new(below, Some(len), Some(variant)))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<MapCollector, ValueError> {
        Ok(MapCollector::new(self.below()?, len, None))
    }

    fn serialize_struct(self, _: &'static str, len: usize) -> Result<MapCollector, ValueError> {
        self.serialize_map(Some(len))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<MapCollector, ValueError> {
        let below = self.below()?.below()?;
        Ok(MapCollector::new(below, Some(len), Some(variant)))
    }
}
