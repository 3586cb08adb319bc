use layerstore_record::codec::{
    CodecError, FRAME_HEADER_BYTES, FrameFormat, MAX_RECORD_BYTES, MAX_VALUE_BYTES, RECORD_FORMAT,
    decode_record, encode_record, encode_record_into, encoded_len, frame, most_encoded, unframe,
};
use layerstore_record::{Millis, OrEntries, Record, RecordValue, Tags, Value, Version};
use layerstore_testkit::proof;

use crate::samples::{any_record, at, nested};

fn record(value: impl Into<Value>) -> Record {
    let now = at(1_700_000_000_000, 1, 7);
    Record::builder(RecordValue::lww(value, now), Version::new(now)).build()
}

/// A record's payload, in an envelope whose checksums are right.
fn framed(payload: &[u8]) -> Vec<u8> {
    frame(RECORD_FORMAT, payload).unwrap()
}

fn payload(record: &Record) -> Vec<u8> {
    encode_record(record).unwrap().split_off(FRAME_HEADER_BYTES)
}

#[test]
fn r_codec_gives_back_what_was_encoded_with_all_its_metadata() {
    let mut rng = fastrand::Rng::with_seed(proof::seed());
    for _ in 0..proof::scaled(200_000) {
        let record = any_record(&mut rng, 4);
        let bytes = encode_record(&record).unwrap();
        let back = decode_record(&bytes).unwrap();
        assert_eq!(back, record);
        assert_eq!(back.last_stored(), record.last_stored());
        // The calendar of reads ends in the year 10889, as that of timestamps and deadlines does.
        let calendar = Millis((1 << 48) - 1);
        assert_eq!(back.access().last_access(), record.updated().min(calendar));
        assert_eq!(encoded_len(&record).unwrap(), bytes.len());
        assert!(
            bytes.len() <= most_encoded(record.value().heap_bytes()),
            "{record:?}"
        );
        assert_eq!(encode_record(&back).unwrap(), bytes);
    }
}

#[test]
fn r_codec_a_nan_keeps_its_bits() {
    let bits = 0x7ff8_dead_beef_0001;
    let back = decode_record(&encode_record(&record(f64::from_bits(bits))).unwrap()).unwrap();
    let value = back.value().value().unwrap();
    assert!(matches!(**value, Value::F64(number) if number.to_bits() == bits));
}

#[test]
fn r_codec_a_value_is_64_levels_deep_at_most_both_ways() {
    assert!(decode_record(&encode_record(&record(nested(64))).unwrap()).is_ok());
    let too_deep = Err(CodecError::TooDeep { limit: 64 });
    assert_eq!(encode_record(&record(nested(65))), too_deep);
    let entries = OrEntries::new(vec![(at(1, 0, 0), nested(65))]);
    let or_map = RecordValue::or_map(entries, Tags::default());
    assert_eq!(
        encode_record(&Record::builder(or_map, Version::ZERO).build()),
        too_deep
    );
}

#[test]
fn r_codec_a_hostile_input_of_millions_of_levels_is_refused_without_using_the_stack() {
    // The head of a real record, then an array in an array in an array …: each level is two bytes.
    let mut bytes = payload(&record(Value::Null));
    let null = bytes.pop();
    assert_eq!(null, Some(0));
    bytes.extend([8, 1].repeat(4_000_000));
    bytes.push(0);
    assert_eq!(
        decode_record(&framed(&bytes)),
        Err(CodecError::TooDeep { limit: 64 })
    );
}

#[test]
fn r_codec_exactly_64_levels_of_bytes_are_accepted_and_65_refused() {
    let head = payload(&record(Value::Null));
    let deep = |levels: usize| {
        let mut bytes = head.clone();
        bytes.pop();
        bytes.extend([8, 1].repeat(levels));
        bytes.push(0);
        decode_record(&framed(&bytes))
    };
    assert!(deep(64).is_ok());
    assert_eq!(deep(65), Err(CodecError::TooDeep { limit: 64 }));
}

#[test]
fn r_codec_a_value_above_the_limit_is_refused_and_leaves_the_buffer_alone() {
    assert_eq!((MAX_RECORD_BYTES, MAX_VALUE_BYTES), (16 << 20, (16 << 20) - 1024));
    // Around the bytes stands the shared value: two counts, and the value itself.
    let fits = Value::Bytes(vec![0; MAX_VALUE_BYTES - 40].into());
    assert_eq!(record(fits.clone()).value().heap_bytes(), MAX_VALUE_BYTES);
    assert!(decode_record(&encode_record(&record(fits)).unwrap()).is_ok());
    let large = record(Value::Bytes(vec![0; MAX_VALUE_BYTES].into()));
    let mut out = b"before".to_vec();
    assert!(matches!(
        encode_record_into(&large, &mut out),
        Err(CodecError::TooLarge { .. })
    ));
    assert_eq!(out, b"before");
    assert!(matches!(encoded_len(&large), Err(CodecError::TooLarge { .. })));
    let long = framed(&vec![0; MAX_RECORD_BYTES]);
    assert!(matches!(decode_record(&long), Err(CodecError::TooLarge { .. })));
}

#[test]
fn r_codec_what_takes_more_encoded_than_in_memory_is_refused_where_no_reader_would_take_it() {
    let texts = |count: usize| record(vec![Value::from("a text of 23 bytes long"); count]);
    for count in [0, 1, 1_000, 600_000] {
        let bytes = encode_record(&texts(count)).unwrap();
        assert!(decode_record(&bytes).is_ok());
        assert!(
            bytes.len() <= most_encoded(texts(count).value().heap_bytes()),
            "{count} texts"
        );
    }
    // In memory there would be room for these: 24 bytes a text.
    let count = MAX_RECORD_BYTES / 25;
    assert!(count * 24 < MAX_VALUE_BYTES);
    // And this one takes as many bytes as a reader accepts, to the last.
    let many = vec![Value::from("a text of 23 bytes long"); MAX_RECORD_BYTES / 26];
    let filled = |bytes: usize| record(vec![many.clone().into(), Value::Bytes(vec![0; bytes].into())]);
    let left = MAX_RECORD_BYTES - encoded_len(&filled(70_000)).unwrap();
    let bytes = encode_record(&filled(70_000 + left)).unwrap();
    assert_eq!(bytes.len(), MAX_RECORD_BYTES);
    assert!(decode_record(&bytes).is_ok());
    assert!(encode_record(&filled(70_001 + left)).is_err());
    let refused = [
        encode_record(&texts(count)).err(),
        encoded_len(&texts(count)).err(),
    ];
    for error in refused {
        assert!(matches!(error, Some(CodecError::TooLarge { .. })), "{error:?}");
    }
}

#[test]
fn r_codec_what_is_small_in_bytes_and_large_in_memory_is_refused() {
    let nulls = Value::Array(vec![Value::Null; 1_000_000].into());
    assert!(matches!(
        encode_record(&record(nulls)),
        Err(CodecError::TooLarge { .. })
    ));
    let mut bytes = payload(&record(Value::Null));
    bytes.pop();
    bytes.extend([8, 252]);
    bytes.extend(1_000_000_u32.to_le_bytes());
    bytes.extend(vec![0; 1_000_000]);
    let refused = CodecError::TooLarge {
        bytes: 24_000_000,
        limit: MAX_VALUE_BYTES,
    };
    assert_eq!(decode_record(&framed(&bytes)), Err(refused));
}

#[test]
fn r_codec_many_values_side_by_side_are_no_deeper_than_one() {
    let side_by_side = record(vec![Value::from(vec![Value::Null]); 1_000]);
    let bytes = encode_record(&side_by_side).unwrap();
    assert_eq!(decode_record(&bytes).unwrap(), side_by_side);
}

#[test]
fn r_codec_the_envelope_tells_what_is_wrong() {
    let format = FrameFormat::new(40, 3);
    let bytes = frame(format, b"payload").unwrap();
    assert_eq!(unframe(format, &bytes).unwrap().version, 3);
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        unframe(format, &bytes).map(|_| ())
    };
    assert_eq!(with(0, b'X'), Err(CodecError::BadMagic));
    for (at, byte) in bytes.iter().enumerate().take(FRAME_HEADER_BYTES).skip(2) {
        assert_eq!(with(at, !byte), Err(CodecError::Checksum { part: "header" }));
    }
    assert_eq!(
        with(FRAME_HEADER_BYTES, b'P'),
        Err(CodecError::Checksum { part: "payload" })
    );
    for len in 0..bytes.len() {
        let cut = unframe(format, &bytes[..len]);
        assert!(matches!(cut, Err(CodecError::Truncated { found, .. }) if found == len));
    }
    let mut long = bytes.clone();
    long.push(0);
    assert!(matches!(
        unframe(format, &long),
        Err(CodecError::Malformed { .. })
    ));
    let other = FrameFormat::new(41, 3);
    let wrong = CodecError::WrongKind {
        found: 40,
        expected: 41,
    };
    assert_eq!(unframe(other, &bytes), Err(wrong));
}

#[test]
fn r_codec_an_unknown_version_is_its_own_error() {
    for (found, readers) in [(3, 2), (255, 1), (0, 1)] {
        let bytes = frame(FrameFormat::new(1, found), b"whatever comes").unwrap();
        let unknown = CodecError::UnknownVersion {
            found,
            newest: readers,
        };
        assert_eq!(unframe(FrameFormat::new(1, readers), &bytes), Err(unknown));
    }
    let older = frame(FrameFormat::new(1, 1), b"x").unwrap();
    assert_eq!(unframe(FrameFormat::new(1, 2), &older).unwrap().version, 1);
}

#[test]
fn r_codec_only_what_we_write_is_accepted() {
    let mut bytes = payload(&record(Value::Null));
    bytes.pop();
    let refused = |value: &[u8]| {
        let mut bytes = bytes.clone();
        bytes.extend(value);
        let decoded = decode_record(&framed(&bytes));
        assert!(
            matches!(decoded, Err(CodecError::Malformed { .. })),
            "{value:?} gave {decoded:?}"
        );
    };
    refused(&[]);
    refused(&[10]);
    refused(&[0, 0]);
    refused(&[6, 2, 0xff, 0xfe]);
    refused(&[6, 5, b'a']);
    // 5 in three bytes instead of one.
    refused(&[4, 251, 5, 0]);
    // Two fields out of order, then a field twice.
    refused(&[9, 2, 1, b'b', 0, 1, b'a', 0]);
    refused(&[9, 2, 1, b'a', 0, 1, b'a', 0]);
}

#[test]
fn r_codec_an_or_map_is_accepted_in_order_and_whole_only() {
    let head = payload(&Record::builder(RecordValue::lww(Value::Null, at(1, 0, 0)), Version::ZERO).build());
    let head = &head[..head.len() - 18];
    let (one, two) = (at(1, 0, 0).to_bytes(), at(2, 0, 0).to_bytes());
    let decoded = |parts: &[&[u8]]| decode_record(&framed(&[&[head], parts].concat().concat()));
    assert!(decoded(&[&[2, 2], &one, &[0], &two, &[0], &[0]]).is_ok());
    assert!(decoded(&[&[3, 1], &one, &two]).is_ok());
    let refused = |parts: &[&[u8]]| {
        let decoded = decoded(parts);
        assert!(
            matches!(decoded, Err(CodecError::Malformed { .. })),
            "{decoded:?}"
        );
    };
    refused(&[&[2, 0, 0]]);
    refused(&[&[2, 2], &two, &[0], &one, &[0], &[0]]);
    refused(&[&[2, 2], &one, &[0], &one, &[0], &[0]]);
    refused(&[&[2, 1], &one, &[0], &[1], &one, &two]);
    refused(&[&[3, 2], &two, &one, &one, &one]);
    refused(&[&[4]]);
}

#[test]
fn r_codec_an_or_map_that_no_merge_makes_is_not_encoded() {
    let tags = Tags::new(vec![(at(1, 0, 0), at(2, 0, 0))]);
    for entries in [vec![], vec![(at(1, 0, 0), Value::Null)]] {
        let value = RecordValue::OrMap {
            entries: OrEntries::new(entries).into(),
            tombstones: tags.clone(),
        };
        let encoded = encode_record(&Record::builder(value, Version::ZERO).build());
        assert!(matches!(encoded, Err(CodecError::Malformed { .. })));
    }
}
