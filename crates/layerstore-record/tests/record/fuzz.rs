//! The decoders on bytes that nobody wrote.

use layerstore_record::codec::{
    FRAME_HEADER_BYTES, FrameFormat, MAX_RECORD_BYTES, RECORD_FORMAT, decode_record, encode_record, frame,
    unframe,
};
use layerstore_testkit::proof;

use crate::fixtures::committed;
use crate::samples::any_record;

/// What a decoder may do with any bytes: refuse them, or give a record that has these very bytes.
fn harmless(bytes: &[u8]) {
    if let Ok(record) = decode_record(bytes) {
        assert_eq!(encode_record(&record).as_deref(), Ok(bytes));
    }
}

#[test]
fn r23_random_bytes_never_crash_the_decoder() {
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let cases = proof::scaled(50_000_000);
    for _ in 0..cases {
        let bytes: Vec<u8> = (0..rng.usize(0..64)).map(|_| rng.u8(..)).collect();
        harmless(&bytes);
        // With right checksums, so that they reach the inner decoder; small numbers, so that they reach its depths.
        let payload: Vec<u8> = bytes
            .iter()
            .map(|byte| if rng.bool() { byte % 12 } else { *byte })
            .collect();
        harmless(&frame(RECORD_FORMAT, &payload).unwrap());
    }
    proof::report("R23", &[("random", cases * 2), ("seed", seed), ("violations", 0)]);
}

#[test]
fn r23_changed_records_never_crash_the_decoder() {
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed ^ 1);
    let corpus: Vec<Vec<u8>> = committed().into_values().collect();
    let cases = proof::scaled(20_000_000);
    for _ in 0..cases {
        let bytes = match rng.u8(..) {
            0..64 => encode_record(&any_record(&mut rng, 4)).unwrap(),
            _ => rng.choice(&corpus).unwrap().clone(),
        };
        let mut payload = bytes[FRAME_HEADER_BYTES..].to_vec();
        for _ in 0..rng.u8(1..4) {
            change(&mut rng, &mut payload);
        }
        harmless(&frame(RECORD_FORMAT, &payload).unwrap());
    }
    proof::report("R23", &[("changed", cases), ("seed", seed), ("violations", 0)]);
}

/// Changes bytes as disks, bugs and attackers do.
fn change(rng: &mut fastrand::Rng, bytes: &mut Vec<u8>) {
    let at = rng.usize(0..=bytes.len());
    let until = rng.usize(at..=bytes.len());
    match rng.u8(0..7) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..until)),
        2 => drop(bytes.splice(at..at, (0..rng.u8(1..9)).map(|_| 0))),
        3 => bytes[at..until].fill(0),
        4 => {
            let copied = bytes[at..until].to_vec();
            drop(bytes.splice(at..at, copied));
        }
        5 => {
            let claim = rng.u64(..) >> rng.u32(0..64);
            drop(bytes.splice(at..at, [&[253][..], &claim.to_le_bytes()].concat()));
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << rng.u32(0..8);
            }
        }
    }
}

#[test]
fn r23_every_flipped_bit_of_every_fixture_is_detected() {
    let mut flips = 0;
    for (path, bytes) in committed() {
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert!(decode_record(&flipped).is_err(), "{path}: bit {bit} of byte {at}");
                flips += 1;
            }
        }
    }
    proof::report("R23", &[("flips", flips), ("violations", 0)]);
}

#[test]
fn r23_every_cut_of_every_fixture_is_detected() {
    let mut cuts = 0;
    for (path, bytes) in committed() {
        for len in 0..bytes.len() {
            assert!(decode_record(&bytes[..len]).is_err(), "{path} cut at {len}");
            cuts += 1;
        }
    }
    proof::report("R23", &[("cuts", cuts), ("violations", 0)]);
}

#[test]
fn r23_other_frames_never_crash_the_envelope() {
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed ^ 2);
    let format = FrameFormat::new(40, 2);
    let cases = proof::scaled(30_000_000);
    for _ in 0..cases {
        let payload: Vec<u8> = (0..rng.usize(0..40)).map(|_| rng.u8(..)).collect();
        let mut bytes = frame(format, &payload).unwrap();
        assert_eq!(
            unframe(format, &bytes).map(|frame| frame.payload),
            Ok(&payload[..])
        );
        change(&mut rng, &mut bytes);
        if let Ok(frame) = unframe(format, &bytes) {
            assert_eq!(frame.payload, payload, "a changed envelope was accepted");
        }
    }
    proof::report("R23", &[("envelopes", cases), ("seed", seed), ("violations", 0)]);
}

#[test]
fn r23_the_longest_input_is_refused_at_once() {
    let bytes = vec![0; MAX_RECORD_BYTES + 1];
    assert!(decode_record(&bytes).is_err());
}
