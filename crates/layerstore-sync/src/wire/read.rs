//! Bytes to messages. Lists grow as their items are read, so that a claim costs nothing.

use std::ops::Bound;

use layerstore_observer::{Digest, KeyRange, LeafHash};
use layerstore_record::codec::{CodecError, decode_record};
use layerstore_record::{Key, MapName, Timestamp};

use crate::message::{
    Answer, CompareAnswer, ComparedRange, ExchangeAnswer, Piece, ReplicaRecord, Request, Response,
};

type Read<T> = Result<T, CodecError>;

pub(super) fn request(bytes: &[u8]) -> Read<Request> {
    let mut from = Reader(bytes);
    let request = match from.byte()? {
        0 => Request::Compare {
            map: from.map()?,
            partition: from.u32()?,
            cutoff: from.timestamp()?,
            ranges: from.list(Reader::compared)?,
        },
        1 => Request::Exchange {
            map: from.map()?,
            partition: from.u32()?,
            records: from.list(Reader::record)?,
            wanted: from.list(Reader::key)?,
        },
        _ => return Err(malformed("the request is not known")),
    };
    from.end().map(|()| request)
}

pub(super) fn response(bytes: &[u8]) -> Read<Response> {
    let mut from = Reader(bytes);
    let response = match from.byte()? {
        0 => Response::Compared(CompareAnswer {
            cutoff: from.timestamp()?,
            answers: from.list(Reader::answer)?,
        }),
        1 => Response::Exchanged(ExchangeAnswer {
            records: from.list(Reader::record)?,
            left: from.list(Reader::key)?,
            merged: from.u64()?,
            refused: from.u64()?,
            failed: from.u64()?,
        }),
        2 => Response::Incomplete,
        3 => Response::OtherMap,
        4 => Response::CutoffAhead,
        _ => return Err(malformed("the response is not known")),
    };
    from.end().map(|()| response)
}

/// What is left to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Read<&'a [u8]> {
        let (bytes, rest) = self
            .0
            .split_at_checked(len)
            .ok_or_else(|| malformed("it ends too early"))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn fixed<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (bytes, rest) = self
            .0
            .split_first_chunk()
            .ok_or_else(|| malformed("it ends too early"))?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn byte(&mut self) -> Read<u8> {
        let [byte] = self.fixed()?;
        Ok(byte)
    }

    fn u32(&mut self) -> Read<u32> {
        self.fixed().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Read<u64> {
        self.fixed().map(u64::from_le_bytes)
    }

    fn len(&mut self) -> Read<usize> {
        usize::try_from(self.u32()?).map_err(|_| malformed("a length does not fit this machine"))
    }

    fn timestamp(&mut self) -> Read<Timestamp> {
        self.fixed().map(Timestamp::from_bytes)
    }

    fn digest(&mut self) -> Read<Digest> {
        self.fixed().map(Digest::from_bytes)
    }

    fn text(&mut self) -> Read<&'a str> {
        let len = self.fixed().map(u16::from_le_bytes)?;
        let bytes = self.bytes(usize::from(len))?;
        str::from_utf8(bytes).map_err(|_| malformed("a text is not UTF-8"))
    }

    fn key(&mut self) -> Read<Key> {
        Key::new(self.text()?).map_err(|_| malformed("a key is empty or too long"))
    }

    fn map(&mut self) -> Read<MapName> {
        MapName::new(self.text()?).map_err(|_| malformed("a map's name is empty or too long"))
    }

    fn optional(&mut self) -> Read<Option<Key>> {
        match self.byte()? {
            0 => Ok(None),
            1 => self.key().map(Some),
            _ => Err(malformed("a key is neither there nor absent")),
        }
    }

    fn bound(&mut self) -> Read<Bound<Key>> {
        match self.byte()? {
            0 => Ok(Bound::Unbounded),
            1 => self.key().map(Bound::Included),
            2 => self.key().map(Bound::Excluded),
            _ => Err(malformed("the end of a range is of no known kind")),
        }
    }

    fn compared(&mut self) -> Read<ComparedRange> {
        let (start, end) = (self.bound()?, self.bound()?);
        Ok(ComparedRange {
            range: KeyRange { start, end },
            digest: self.digest()?,
        })
    }

    fn answer(&mut self) -> Read<Answer> {
        match self.byte()? {
            0 => Ok(Answer::Same),
            1 => self.list(Self::piece).map(Answer::Pieces),
            2 => Ok(Answer::Leaves {
                leaves: self.list(Self::leaf)?,
                until: self.optional()?,
            }),
            _ => Err(malformed("an answer is not known")),
        }
    }

    fn piece(&mut self) -> Read<Piece> {
        Ok(Piece {
            until: self.optional()?,
            digest: self.digest()?,
        })
    }

    fn leaf(&mut self) -> Read<(Key, LeafHash)> {
        Ok((self.key()?, LeafHash::from_bytes(self.fixed()?)))
    }

    fn record(&mut self) -> Read<ReplicaRecord> {
        let (key, len) = (self.key()?, self.len()?);
        let record = decode_record(self.bytes(len)?)?;
        Ok(ReplicaRecord::of(&key, &record))
    }

    fn list<T>(&mut self, read: impl Fn(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        (0..self.u32()?).map(|_| read(self)).collect()
    }

    fn end(self) -> Read<()> {
        self.0
            .is_empty()
            .then_some(())
            .ok_or_else(|| malformed("bytes follow the end"))
    }
}

const fn malformed(what: &'static str) -> CodecError {
    CodecError::Malformed { what }
}
