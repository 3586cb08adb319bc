use std::fmt::Display;

use serde::ser::{Impossible, Serialize, Serializer};

use super::super::ValueError;
use super::super::error::ValueErrorReason;
use crate::text::Text;

/// Makes a field's name of a map's key: of what has one text that it can be read back from.
pub(super) struct FieldNameWriter;

type Name = Result<Text, ValueError>;
type Never = Impossible<Text, ValueError>;

fn text(key: impl Display) -> Name {
    Ok(key.to_string().into())
}

fn unfit<T>(what: &'static str) -> Result<T, ValueError> {
    Err(ValueError::new(ValueErrorReason::UnfitKey(what)))
}

impl Serializer for FieldNameWriter {
    type Ok = Text;
    type Error = ValueError;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    fn serialize_bool(self, key: bool) -> Name {
        text(key)
    }

    fn serialize_i8(self, key: i8) -> Name {
        text(key)
    }

    fn serialize_i16(self, key: i16) -> Name {
        text(key)
    }

    fn serialize_i32(self, key: i32) -> Name {
        text(key)
    }

    fn serialize_i64(self, key: i64) -> Name {
        text(key)
    }

    fn serialize_i128(self, key: i128) -> Name {
        text(key)
    }

    fn serialize_u8(self, key: u8) -> Name {
        text(key)
    }

    fn serialize_u16(self, key: u16) -> Name {
        text(key)
    }

    fn serialize_u32(self, key: u32) -> Name {
        text(key)
    }

    fn serialize_u64(self, key: u64) -> Name {
        text(key)
    }

    fn serialize_u128(self, key: u128) -> Name {
        text(key)
    }

    fn serialize_f32(self, _: f32) -> Name {
        unfit("a float")
    }

    fn serialize_f64(self, _: f64) -> Name {
        unfit("a float")
    }

    fn serialize_char(self, key: char) -> Name {
        text(key)
    }

    fn serialize_str(self, key: &str) -> Name {
        Ok(key.into())
    }

    fn serialize_bytes(self, _: &[u8]) -> Name {
        unfit("a key of bytes")
    }

    fn serialize_none(self) -> Name {
        unfit("a missing key")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, key: &T) -> Name {
        key.serialize(self)
    }

    fn serialize_unit(self) -> Name {
        unfit("a unit")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Name {
        unfit("a unit")
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Name {
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, key: &T) -> Name {
        key.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Name {
        unfit("a variant with content")
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Never, ValueError> {
        unfit("an array")
    }

    fn serialize_tuple(self, _: usize) -> Result<Never, ValueError> {
        unfit("a tuple")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Never, ValueError> {
        unfit("a tuple")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Never, ValueError> {
        unfit("a variant with content")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Never, ValueError> {
        unfit("a map")
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Never, ValueError> {
        unfit("a struct")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Never, ValueError> {
        unfit("a variant with content")
    }
}
