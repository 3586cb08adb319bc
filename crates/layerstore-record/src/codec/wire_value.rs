//! Version 1 of a value: a tag, then what it holds. Tags are only appended.
//!
//! Written by hand instead of derived: a derived decoder recurses as deep as the input says, and asks for as much
//! memory as the input claims.

use bincode::de::read::{BorrowReader, Reader};
use bincode::de::{BorrowDecoder, Decode};
use bincode::enc::{Encode, Encoder};
use bincode::error::{DecodeError, EncodeError};

use super::budget::{Budget, malformed};
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
        Value::String(text) => (tag::STRING, text).encode(to),
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

/// Reads a value, at most as deep and as large as the budget has it.
pub(super) fn read<'de, D: BorrowDecoder<'de, Context = Budget>>(from: &mut D) -> Result<Value, DecodeError> {
    let [tag] = fixed(from)?;
    match tag {
        tag::NULL => Ok(Value::Null),
        tag::FALSE => Ok(Value::Bool(false)),
        tag::TRUE => Ok(Value::Bool(true)),
        tag::I64 => {
            let number = i64::decode(from)?;
            from.context().count(size_of_varint(zigzag(number)));
            Ok(Value::I64(number))
        }
        tag::U64 => read_varint(from).map(Value::U64),
        tag::F64 => fixed(from).map(|bytes| Value::F64(f64::from_le_bytes(bytes))),
        tag::STRING => read_text(from).map(Value::String),
        tag::BYTES => read_bytes(from).map(|bytes| Value::Bytes(bytes.into())),
        tag::ARRAY => read_array(from),
        tag::MAP => read_map(from),
        _ => Err(malformed(from, "its kind of value is not known")),
    }
}

/// Reads a length, which nothing has been checked against.
pub(super) fn read_len<'de, D: BorrowDecoder<'de, Context = Budget>>(
    from: &mut D,
) -> Result<usize, DecodeError> {
    let len = read_varint(from)?;
    usize::try_from(len).map_err(|_| malformed(from, "a length does not fit this machine"))
}

/// Pays for `len` things of `memory` bytes each, of which each takes at least `least` bytes of input.
pub(super) fn reserve<'de, D: BorrowDecoder<'de, Context = Budget>>(
    from: &mut D,
    len: usize,
    least: usize,
    memory: usize,
) -> Result<(), DecodeError> {
    from.context().spend(len, memory)?;
    if from.reader().peek_read(len.saturating_mul(least)).is_none() {
        return Err(malformed(from, "a length leads beyond the end"));
    }
    Ok(())
}

/// Reads bytes of a fixed number.
pub(super) fn fixed<'de, const N: usize, D: BorrowDecoder<'de, Context = Budget>>(
    from: &mut D,
) -> Result<[u8; N], DecodeError> {
    let mut bytes = [0; N];
    from.claim_bytes_read(N)?;
    from.reader().read(&mut bytes)?;
    from.context().count(N);
    Ok(bytes)
}

/// Returns how many bytes bincode takes for an unsigned integer.
pub(super) fn size_of_varint(number: u64) -> usize {
    match number {
        0..251 => 1,
        251..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// Maps a signed integer to the unsigned one that bincode writes for it.
pub(super) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn read_varint<'de, D: BorrowDecoder<'de, Context = Budget>>(from: &mut D) -> Result<u64, DecodeError> {
    let number = u64::decode(from)?;
    from.context().count(size_of_varint(number));
    Ok(number)
}

fn read_bytes<'de, D: BorrowDecoder<'de, Context = Budget>>(from: &mut D) -> Result<&'de [u8], DecodeError> {
    let len = read_len(from)?;
    reserve(from, len, 1, 1)?;
    from.claim_bytes_read(len)?;
    from.context().count(len);
    from.borrow_reader().take_bytes(len)
}

fn read_text<'de, D: BorrowDecoder<'de, Context = Budget>>(from: &mut D) -> Result<Box<str>, DecodeError> {
    let bytes = read_bytes(from)?;
    match str::from_utf8(bytes) {
        Ok(text) => Ok(text.into()),
        Err(_) => Err(malformed(from, "a text is not UTF-8")),
    }
}

fn read_array<'de, D: BorrowDecoder<'de, Context = Budget>>(from: &mut D) -> Result<Value, DecodeError> {
    from.context().enter()?;
    let len = read_len(from)?;
    reserve(from, len, 1, size_of::<Value>())?;
    let mut items = Vec::with_capacity(len);
    for _ in 0..len {
        items.push(read(from)?);
    }
    from.context().leave();
    Ok(Value::Array(items.into()))
}

fn read_map<'de, D: BorrowDecoder<'de, Context = Budget>>(from: &mut D) -> Result<Value, DecodeError> {
    from.context().enter()?;
    let len = read_len(from)?;
    // A field takes at least the length of its name and the tag of its value.
    reserve(from, len, 2, size_of::<(Box<str>, Value)>())?;
    let mut fields = Vec::with_capacity(len);
    for _ in 0..len {
        fields.push((read_text(from)?, read(from)?));
    }
    from.context().leave();
    match Fields::from_sorted(fields) {
        Some(fields) => Ok(Value::Map(fields)),
        None => Err(malformed(from, "the fields of a map are out of order")),
    }
}
