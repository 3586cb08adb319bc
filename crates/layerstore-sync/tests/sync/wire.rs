//! Messages come back as they went, and nothing else is taken for one.

use std::ops::Bound;

use layerstore_observer::{Digest, KeyRange, LeafHash};
use layerstore_record::{Expiry, Key, Millis, NodeId, OrEntries, RecordValue, Tags, Timestamp, Value};
use layerstore_sync::{
    Answer, CompareAnswer, ComparedRange, ExchangeAnswer, Piece, ReplicaRecord, Request, Response,
    decode_request, decode_response, encode_request, encode_response,
};
use layerstore_testkit::proof;

use crate::node::{key, map};

fn some<T>(rng: &mut fastrand::Rng, make: impl Fn(&mut fastrand::Rng) -> T) -> Vec<T> {
    (0..rng.usize(..5)).map(|_| make(rng)).collect()
}

fn any_key(rng: &mut fastrand::Rng) -> Key {
    key(&["é", "k"][rng.usize(..2)].repeat(rng.usize(1..=512)))
}

fn at(rng: &mut fastrand::Rng) -> Timestamp {
    Timestamp::new(Millis(rng.u64(..1 << 48)), rng.u16(..), NodeId(rng.u64(..)))
}

fn any_digest(rng: &mut fastrand::Rng) -> Digest {
    let hashes = some(rng, |rng| LeafHash::from_bytes(rng.u128(..).to_le_bytes()));
    hashes.into_iter().map(Digest::of).sum()
}

fn any_bound(rng: &mut fastrand::Rng) -> Bound<Key> {
    match rng.u8(..3) {
        0 => Bound::Unbounded,
        1 => Bound::Included(any_key(rng)),
        _ => Bound::Excluded(any_key(rng)),
    }
}

fn any_record(rng: &mut fastrand::Rng) -> ReplicaRecord {
    let removals = Tags::new(some(rng, |rng| (at(rng), at(rng))));
    let value = match rng.u8(..4) {
        0 => RecordValue::Tombstone { timestamp: at(rng) },
        1 => RecordValue::OrTombstones { tags: removals },
        2 => RecordValue::or_map(
            OrEntries::new(some(rng, |rng| (at(rng), Value::from(rng.u64(..))))),
            removals,
        ),
        _ => RecordValue::lww("v".repeat(rng.usize(..100)).as_str(), at(rng)),
    };
    let deadline = rng.bool().then(|| Millis(rng.u64(1..1 << 40)));
    let expiry = Expiry {
        deadline,
        ..Expiry::NEVER
    };
    ReplicaRecord {
        key: any_key(rng),
        value,
        expiry,
    }
}

fn any_request(rng: &mut fastrand::Rng) -> Request {
    let (map, partition) = (map(), rng.u32(..));
    if rng.bool() {
        let compared = |rng: &mut fastrand::Rng| ComparedRange {
            range: KeyRange {
                start: any_bound(rng),
                end: any_bound(rng),
            },
            digest: any_digest(rng),
        };
        let (cutoff, ranges) = (at(rng), some(rng, compared));
        Request::Compare {
            map,
            partition,
            cutoff,
            ranges,
        }
    } else {
        let (records, wanted) = (some(rng, any_record), some(rng, any_key));
        Request::Exchange {
            map,
            partition,
            records,
            wanted,
        }
    }
}

fn any_answer(rng: &mut fastrand::Rng) -> Answer {
    let until = rng.bool().then(|| any_key(rng));
    match rng.u8(..3) {
        0 => Answer::Same,
        1 => Answer::Pieces(some(rng, |rng| Piece {
            until: rng.bool().then(|| any_key(rng)),
            digest: any_digest(rng),
        })),
        _ => Answer::Leaves {
            leaves: some(rng, |rng| {
                (any_key(rng), LeafHash::from_bytes(rng.u128(..).to_le_bytes()))
            }),
            until,
        },
    }
}

fn any_response(rng: &mut fastrand::Rng) -> Response {
    match rng.u8(..8) {
        0 => Response::Incomplete,
        1 => Response::OtherMap,
        2 => Response::CutoffAhead,
        3 | 4 => Response::Compared(CompareAnswer {
            cutoff: at(rng),
            answers: some(rng, any_answer),
        }),
        _ => Response::Exchanged(ExchangeAnswer {
            records: some(rng, any_record),
            left: some(rng, any_key),
            merged: rng.u64(..),
            refused: rng.u64(..),
            failed: rng.u64(..),
        }),
    }
}

#[test]
fn what_was_written_is_read_and_any_cut_or_changed_byte_is_an_error() {
    let mut rng = fastrand::Rng::with_seed(proof::seed());
    for _ in 0..proof::scaled(10_000) {
        let (request, response) = (any_request(&mut rng), any_response(&mut rng));
        let [asked, answered] = [
            encode_request(&request).unwrap(),
            encode_response(&response).unwrap(),
        ];
        assert_eq!(decode_request(&asked).unwrap(), request);
        assert_eq!(decode_response(&answered).unwrap(), response);
        assert!(decode_response(&asked).is_err() && decode_request(&answered).is_err());
        let mut damaged = asked.clone();
        damaged[rng.usize(..asked.len())] ^= 1 << rng.u8(..8);
        assert!(decode_request(&damaged).is_err());
        assert!(decode_request(&asked[..rng.usize(..asked.len())]).is_err());
    }
}

#[test]
fn r23_hostile_payloads_are_errors_or_messages_and_cost_nothing() {
    use layerstore_record::codec::{FrameFormat, frame};
    let mut rng = fastrand::Rng::with_seed(proof::seed());
    let (mut read, messages) = (0_u64, proof::scaled(200_000));
    for _ in 0..messages {
        let mut payload = encode_request(&any_request(&mut rng)).unwrap().split_off(16);
        for _ in 0..rng.usize(1..4) {
            let place = rng.usize(..payload.len());
            payload[place] = rng.u8(..);
        }
        // The envelope is right, so that what is in it is looked at.
        for kind in [40, 41] {
            let framed = frame(FrameFormat::new(kind, 1), &payload).unwrap();
            read += u64::from(decode_request(&framed).is_ok()) + u64::from(decode_response(&framed).is_ok());
        }
    }
    proof::report(
        "R23",
        &[("messages", 2 * messages), ("read", read), ("violations", 0)],
    );
}
