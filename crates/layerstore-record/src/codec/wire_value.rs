//! Version 1 of a value: a tag, then what it holds. Tags are only appended.
//!
//! Written by hand instead of derived: a derived decoder recurses as deep as the input says, and asks for as much
//! memory as the input claims.

use bincode::enc::{Encode, Encoder};
use bincode::error::EncodeError;

use super::cursor::Cursor;
use super::error::CodecError;
use crate::text::Text;
use crate::value::{Fields, Value};

mod tag {
    pub(super) const NULL: u8 = 0;
    pub(super) const FALSE: u8 = 1;
    pub(super) const TRUE: u8 = 2;
    pub(super) const I64: u8 = 3;
    pub(super) const U64: u8 = 4;
    pub(super) const F64: u8 = 5;
    pub(super) const STRING: u8 = 6;
    pub(super) const BYTES: u8 = 7;
    pub(super) const ARRAY: u8 = 8;
    pub(super) const MAP: u8 = 9;
}

/// Writes a value whose depth was checked.
pub(super) fn write<E: Encoder>(value: &Value, to: &mut E) -> Result<(), EncodeError> {
    match value {
        Value::Null => tag::NULL.encode(to),
        Value::Bool(false) => tag::FALSE.encode(to),
        Value::Bool(true) => tag::TRUE.encode(to),
        Value::I64(number) => (tag::I64, number).encode(to),
        Value::U64(number) => (tag::U64, number).encode(to),
        Value::F64(number) => (tag::F64, number).encode(to),
        Value::String(text) => (tag::STRING, text.as_str()).encode(to),
        Value::Bytes(bytes) => (tag::BYTES, bytes).encode(to),
        Value::Array(items) => {
            tag::ARRAY.encode(to)?;
            write_len(items.len(), to)?;
            items.iter().try_for_each(|item| write(item, to))
        }
        Value::Map(fields) => {
            tag::MAP.encode(to)?;
            write_len(fields.len(), to)?;
            fields.iter().try_for_each(|(name, value)| {
                name.encode(to)?;
                write(value, to)
            })
        }
    }
}

pub(super) fn write_len<E: Encoder>(len: usize, to: &mut E) -> Result<(), EncodeError> {
    u64::try_from(len)
        .map_err(|_| EncodeError::Other("longer than 64 bits"))?
        .encode(to)
}

/// Reads a value, at most as deep and as large as the cursor has it.
pub(super) fn read(from: &mut Cursor<'_>) -> Result<Value, CodecError> {
    match from.fixed()? {
        [tag::NULL] => Ok(Value::Null),
        [tag::FALSE] => Ok(Value::Bool(false)),
        [tag::TRUE] => Ok(Value::Bool(true)),
        [tag::I64] => from.signed().map(Value::I64),
        [tag::U64] => from.varint().map(Value::U64),
        [tag::F64] => from.fixed().map(|bytes| Value::F64(f64::from_le_bytes(bytes))),
        [tag::STRING] => from.text().map(Value::String),
        [tag::BYTES] => from.bytes().map(Value::Bytes),
        [tag::ARRAY] => from.deeper(read_array),
        [tag::MAP] => from.deeper(read_map),
        _ => Err(CodecError::malformed("its kind of value is not known")),
    }
}

fn read_array(from: &mut Cursor<'_>) -> Result<Value, CodecError> {
    let len = from.count(1, size_of::<Value>())?;
    let mut items = Vec::with_capacity(len);
    for _ in 0..len {
        items.push(read(from)?);
    }
    Ok(Value::Array(items.into()))
}

fn read_map(from: &mut Cursor<'_>) -> Result<Value, CodecError> {
    // A field takes at least the length of its name and the tag of its value.
    let len = from.count(2, size_of::<(Text, Value)>())?;
    let mut fields = Vec::with_capacity(len);
    for _ in 0..len {
        fields.push((from.text()?, read(from)?));
    }
    let out_of_order = CodecError::malformed("the fields of a map are out of order");
    Fields::from_sorted(fields).map(Value::Map).ok_or(out_of_order)
}
