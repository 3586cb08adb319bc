//! What a stream of bytes is cut into before moments are looked for.

/// Cuts one direction of a connection into pieces, which pass whole and in order.
pub trait Pieces: Send + 'static {
    /// Takes what was read.
    fn push(&mut self, bytes: &[u8]);

    /// Returns the next whole piece, or nothing until more is read.
    fn next(&mut self) -> Option<Vec<u8>>;

    /// Returns what is left when the sender has closed.
    fn rest(&mut self) -> Vec<u8>;
}

/// A piece is what one read gave, as the network cut it.
#[derive(Debug, Default)]
pub struct AsRead(Vec<u8>);

/// Cuts nothing: a piece is what one read gave.
#[must_use]
pub fn as_read() -> (AsRead, AsRead) {
    (AsRead::default(), AsRead::default())
}

impl Pieces for AsRead {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        (!self.0.is_empty()).then(|| std::mem::take(&mut self.0))
    }

    fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}
