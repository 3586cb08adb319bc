//! Messages to bytes.

use std::ops::Bound;

use layerstore_observer::KeyRange;
use layerstore_record::codec::{CodecError, encode_record};
use layerstore_record::{Key, MapName, Record, Version};

use crate::message::{Answer, CompareAnswer, ExchangeAnswer, Piece, ReplicaRecord, Request, Response};

type Written = Result<(), CodecError>;

pub(super) fn request(request: &Request, out: &mut Vec<u8>) -> Written {
    match request {
        Request::Compare {
            map,
            partition,
            cutoff,
            ranges,
        } => {
            out.push(0);
            place(map, *partition, out)?;
            out.extend_from_slice(&cutoff.to_bytes());
            list(ranges, out, |compared, out| {
                range(&compared.range, out)?;
                out.extend_from_slice(&compared.digest.to_bytes());
                Ok(())
            })
        }
        Request::Exchange {
            map,
            partition,
            records,
            wanted,
        } => {
            out.push(1);
            place(map, *partition, out)?;
            list(records, out, record)?;
            list(wanted, out, key)
        }
    }
}

pub(super) fn response(response: &Response, out: &mut Vec<u8>) -> Written {
    match response {
        Response::Compared(CompareAnswer { cutoff, answers }) => {
            out.push(0);
            out.extend_from_slice(&cutoff.to_bytes());
            list(answers, out, answer)
        }
        Response::Exchanged(ExchangeAnswer {
            records,
            left,
            merged,
            refused,
            failed,
        }) => {
            out.push(1);
            list(records, out, record)?;
            list(left, out, key)?;
            for count in [merged, refused, failed] {
                out.extend_from_slice(&count.to_le_bytes());
            }
            Ok(())
        }
        Response::Incomplete => tag(2, out),
        Response::OtherMap => tag(3, out),
        Response::CutoffAhead => tag(4, out),
    }
}

fn answer(answer: &Answer, out: &mut Vec<u8>) -> Written {
    match answer {
        Answer::Same => tag(0, out),
        Answer::Pieces(pieces) => {
            out.push(1);
            list(pieces, out, |Piece { until, digest }, out| {
                optional(until.as_ref(), out)?;
                out.extend_from_slice(&digest.to_bytes());
                Ok(())
            })
        }
        Answer::Leaves { leaves, until } => {
            out.push(2);
            list(leaves, out, |(leaf_key, leaf), out| {
                key(leaf_key, out)?;
                out.extend_from_slice(&leaf.to_bytes());
                Ok(())
            })?;
            optional(until.as_ref(), out)
        }
    }
}

fn tag(tag: u8, out: &mut Vec<u8>) -> Written {
    out.push(tag);
    Ok(())
}

fn place(map: &MapName, partition: u32, out: &mut Vec<u8>) -> Written {
    text(map.as_str(), out)?;
    out.extend_from_slice(&partition.to_le_bytes());
    Ok(())
}

fn list<T>(items: &[T], out: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>) -> Written) -> Written {
    let count = u32::try_from(items.len()).map_err(|_| too_many(items.len()))?;
    out.extend_from_slice(&count.to_le_bytes());
    items.iter().try_for_each(|item| write(item, out))
}

fn optional(optional: Option<&Key>, out: &mut Vec<u8>) -> Written {
    match optional {
        None => tag(0, out),
        Some(held) => {
            out.push(1);
            key(held, out)
        }
    }
}

fn range(range: &KeyRange, out: &mut Vec<u8>) -> Written {
    bound(&range.start, out)?;
    bound(&range.end, out)
}

fn bound(bound: &Bound<Key>, out: &mut Vec<u8>) -> Written {
    match bound {
        Bound::Unbounded => tag(0, out),
        Bound::Included(held) => {
            out.push(1);
            key(held, out)
        }
        Bound::Excluded(held) => {
            out.push(2);
            key(held, out)
        }
    }
}

/// A record without a version of its own: its value's timestamp stands there.
fn record(sent: &ReplicaRecord, out: &mut Vec<u8>) -> Written {
    key(&sent.key, out)?;
    let version = Version::new(sent.value.timestamp());
    let record = Record::builder(sent.value.clone(), version)
        .expiry(sent.expiry)
        .build();
    let bytes = encode_record(&record)?;
    let len = u32::try_from(bytes.len()).map_err(|_| too_many(bytes.len()))?;
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&bytes);
    Ok(())
}

fn key(key: &Key, out: &mut Vec<u8>) -> Written {
    text(key.as_str(), out)
}

fn text(text: &str, out: &mut Vec<u8>) -> Written {
    let len = u16::try_from(text.len()).map_err(|_| too_many(text.len()))?;
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn too_many(bytes: usize) -> CodecError {
    let limit = super::MAX_MESSAGE_BYTES;
    CodecError::TooLarge { bytes, limit }
}
