use super::MAX_VALUE_BYTES;
use super::error::CodecError;
use crate::text::Text;
use crate::timestamp::Timestamp;
use crate::value::MAX_DEPTH;

const ENDS_EARLY: CodecError = CodecError::malformed("it ends too early");
const BEYOND: CodecError = CodecError::malformed("a length leads beyond the end");

/// Reads what bincode wrote, and takes only its shortest form.
///
/// By hand, not through bincode's traits: so that it takes few instructions and no padded number; and
/// since bincode's own limit counts bytes that were read, not memory: 16 MiB of nulls would become 400 MiB. So every claim of a
/// length is paid here, in bytes of memory, before that memory is asked for.
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    /// Bytes of memory that may still be asked for.
    memory: usize,
    /// How many levels deeper a value may go.
    levels: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            memory: MAX_VALUE_BYTES,
            levels: MAX_DEPTH,
        }
    }

    /// Accepts the end, and nothing else.
    pub(super) fn end(&self) -> Result<(), CodecError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(CodecError::malformed("bytes follow the end"))
    }

    /// Reads bytes of a fixed number.
    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(ENDS_EARLY)?;
        self.rest = rest;
        Ok(*bytes)
    }

    /// Reads an unsigned integer: a byte up to 250, else a byte that tells the size of what follows.
    pub(super) fn varint(&mut self) -> Result<u64, CodecError> {
        let (number, least) = match self.fixed()? {
            [small @ 0..=250] => return Ok(small.into()),
            [251] => (u16::from_le_bytes(self.fixed()?).into(), 251),
            [252] => (u32::from_le_bytes(self.fixed()?).into(), 1 << 16),
            [253] => (u64::from_le_bytes(self.fixed()?), 1 << 32),
            _ => return Err(CodecError::malformed("a number is longer than 64 bits")),
        };
        if number < least {
            return Err(CodecError::malformed("a number is longer than it has to be"));
        }
        Ok(number)
    }

    /// Reads a signed integer, which alternates: 0, -1, 1, -2, …
    pub(super) fn signed(&mut self) -> Result<i64, CodecError> {
        let number = self.varint()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// Reads what stands behind a byte that tells whether it is there.
    pub(super) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Option<T>, CodecError> {
        match self.fixed()? {
            [0] => Ok(None),
            [1] => read(self).map(Some),
            _ => Err(CodecError::malformed("a byte is neither yes nor no")),
        }
    }

    /// Reads a length, which nothing has been checked against.
    pub(super) fn len(&mut self) -> Result<usize, CodecError> {
        let too_long = |_| CodecError::malformed("a length does not fit this machine");
        usize::try_from(self.varint()?).map_err(too_long)
    }

    /// Reads how many things follow, and pays for them: `memory` bytes each, of which each takes at least `least` bytes here.
    pub(super) fn count(&mut self, least: usize, memory: usize) -> Result<usize, CodecError> {
        let count = self.len()?;
        self.pay(count.saturating_mul(memory))?;
        if count.saturating_mul(least) > self.rest.len() {
            return Err(BEYOND);
        }
        Ok(count)
    }

    /// Reads bytes behind their length.
    pub(super) fn bytes(&mut self) -> Result<Box<[u8]>, CodecError> {
        let len = self.len()?;
        self.pay(len)?;
        self.take(len).map(Box::from)
    }

    /// Reads text behind its length.
    pub(super) fn text(&mut self) -> Result<Text, CodecError> {
        let len = self.len()?;
        self.pay(Text::heap_bytes_of(len))?;
        match str::from_utf8(self.take(len)?) {
            Ok(text) => Ok(Text::new(text)),
            Err(_) => Err(CodecError::malformed("a text is not UTF-8")),
        }
    }

    pub(super) fn timestamp(&mut self) -> Result<Timestamp, CodecError> {
        self.fixed().map(Timestamp::from_bytes)
    }

    /// Pays for so many bytes of memory.
    fn pay(&mut self, bytes: usize) -> Result<(), CodecError> {
        self.memory = self.memory.checked_sub(bytes).ok_or(CodecError::TooLarge {
            bytes: (MAX_VALUE_BYTES - self.memory).saturating_add(bytes),
            limit: MAX_VALUE_BYTES,
        })?;
        Ok(())
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], CodecError> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(BEYOND)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Reads what stands a level deeper.
    pub(super) fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, CodecError>,
    ) -> Result<T, CodecError> {
        let too_deep = CodecError::TooDeep { limit: MAX_DEPTH };
        self.levels = self.levels.checked_sub(1).ok_or(too_deep)?;
        let read = read(self)?;
        self.levels += 1;
        Ok(read)
    }
}
