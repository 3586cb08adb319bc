use bincode::de::Decoder;
use bincode::error::DecodeError;

use super::MAX_VALUE_BYTES;
use super::error::CodecError;
use crate::value::MAX_DEPTH;

/// What a decoder may still spend, and why it had to stop.
///
/// bincode's own limit counts bytes that were read, not memory: 16 MiB of nulls would become 400 MiB. So every
/// claim of a length is paid here, in bytes of memory, before that memory is asked for.
pub(super) struct Budget {
    memory: usize,
    levels: usize,
    /// How many bytes the shortest form of what was read so far has.
    shortest: usize,
    fault: Option<CodecError>,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self {
            memory: MAX_VALUE_BYTES,
            levels: MAX_DEPTH,
            shortest: 0,
            fault: None,
        }
    }

    /// Pays for `count` things of `size` bytes each.
    pub(super) fn spend(&mut self, count: usize, size: usize) -> Result<(), DecodeError> {
        let bytes = count.saturating_mul(size);
        match self.memory.checked_sub(bytes) {
            Some(left) => {
                self.memory = left;
                Ok(())
            }
            None => Err(self.stop(CodecError::TooLarge {
                bytes: (MAX_VALUE_BYTES - self.memory).saturating_add(bytes),
                limit: MAX_VALUE_BYTES,
            })),
        }
    }

    /// Goes one level down.
    pub(super) fn enter(&mut self) -> Result<(), DecodeError> {
        match self.levels.checked_sub(1) {
            Some(left) => {
                self.levels = left;
                Ok(())
            }
            None => Err(self.stop(CodecError::TooDeep { limit: MAX_DEPTH })),
        }
    }

    /// Comes up again.
    pub(super) fn leave(&mut self) {
        self.levels += 1;
    }

    /// Counts bytes that the shortest form has, too.
    pub(super) fn count(&mut self, bytes: usize) {
        self.shortest += bytes;
    }

    pub(super) fn shortest(&self) -> usize {
        self.shortest
    }

    /// Notes why decoding stops. bincode's error only carries it out.
    pub(super) fn stop(&mut self, fault: CodecError) -> DecodeError {
        self.fault.get_or_insert(fault);
        DecodeError::Other("see the budget")
    }

    /// Says why decoding stopped, given what bincode says.
    pub(super) fn explain(&self, error: &DecodeError) -> CodecError {
        let what = match error {
            DecodeError::UnexpectedEnd { .. } => "it ends too early",
            DecodeError::UnexpectedVariant { .. } => "it names a variant that is not known",
            _ => "it cannot be decoded",
        };
        self.fault.unwrap_or(CodecError::malformed(what))
    }
}

/// Stops decoding because the content is not what we write.
pub(super) fn malformed<D: Decoder<Context = Budget>>(decoder: &mut D, what: &'static str) -> DecodeError {
    decoder.context().stop(CodecError::malformed(what))
}
