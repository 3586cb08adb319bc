//! What records and decoders take of memory, counted by the allocator (a thread for itself).

use std::hint::black_box;
use std::sync::Arc;

use allocation_counter::{AllocationInfo, measure};
use layerstore_record::codec::{
    FRAME_HEADER_BYTES, MAX_RECORD_BYTES, RECORD_FORMAT, decode_record, encode_record, frame,
};
use layerstore_record::{Key, Record, RecordValue, Value, Version};
use layerstore_testkit::proof;

use crate::samples::{any_record, any_text, at};

fn measured<T>(make: impl FnOnce() -> T) -> (T, AllocationInfo) {
    let mut made = None;
    let info = measure(|| made = Some(make()));
    (made.unwrap(), info)
}

fn record(value: impl Into<Value>) -> Record {
    let now = at(1_700_000_000_000, 1, 7);
    Record::builder(RecordValue::lww(value, now), Version::new(now)).build()
}

#[test]
fn r_cost_is_what_the_allocator_gave_out() {
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..proof::scaled(100_000) {
        let name = format!("k{}", any_text(&mut rng).chars().take(200).collect::<String>());
        let ((key, record), info) = measured(|| {
            let key = Key::new(&name).unwrap();
            (key, Arc::new(any_record(&mut rng, 4)))
        });
        let cost = record.cost(&key).0;
        // The key's own struct stands in the engine's table, everything else on the heap.
        let heap = cost - u64::try_from(size_of::<Key>()).unwrap();
        assert_eq!(i64::try_from(heap).unwrap(), info.bytes_current, "{record:?}");
    }
}

#[test]
fn a_small_record_takes_what_the_design_allows() {
    let key = Key::new("user:000001").unwrap();
    let (record, info) = measured(|| Arc::new(record(1_u64)));
    assert_eq!(info.count_current, 2, "the record and its shared value");
    let metadata = record.cost(&key).0 - u64::try_from(size_of::<Key>() + size_of::<Value>()).unwrap();
    assert!(metadata <= 136, "{metadata} bytes beside key and value");
}

#[test]
fn cloning_a_key_or_sharing_a_record_allocates_nothing() {
    let key = Key::new("k".repeat(1_000)).unwrap();
    let record = Arc::new(record("value"));
    let (_kept, info) = measured(|| (key.clone(), Arc::clone(&record), record.value().clone()));
    assert_eq!(info.count_total, 0);
}

/// A number above 250, as bincode writes it: the size of what follows, then the number.
fn varint(number: u64) -> Vec<u8> {
    match (u16::try_from(number), u32::try_from(number)) {
        (Ok(number), _) => [&[251], &number.to_le_bytes()[..]].concat(),
        (_, Ok(number)) => [&[252], &number.to_le_bytes()[..]].concat(),
        _ => [&[253], &number.to_le_bytes()[..]].concat(),
    }
}

#[test]
fn r_codec_a_decoder_asks_for_no_memory_on_the_word_of_a_length() {
    let mut head = encode_record(&record(Value::Null))
        .unwrap()
        .split_off(FRAME_HEADER_BYTES);
    head.pop();
    // Strings, bytes, arrays and maps that claim up to 2^64 - 1 things, and have none.
    for tag in 6..=9_u8 {
        for claim in [1_u64 << 10, 1 << 18, 1 << 32, 1 << 60, u64::MAX] {
            let payload = [&head[..], &[tag], &varint(claim)].concat();
            let framed = frame(RECORD_FORMAT, &payload).unwrap();
            let (decoded, info) = measured(|| decode_record(&framed).is_ok());
            assert!(!decoded);
            assert_eq!(info.bytes_max, 0, "tag {tag} claims {claim}");
        }
    }
}

#[test]
fn r_codec_a_decoder_takes_no_more_memory_than_the_largest_record() {
    let mut head = encode_record(&record(Value::Null))
        .unwrap()
        .split_off(FRAME_HEADER_BYTES);
    head.pop();
    // Arrays within arrays, each of which claims all that is left of 8 MB of nulls.
    let mut payload = head;
    let len = 8_000_000_u32;
    for _ in 0..64 {
        payload.extend([8, 252]);
        payload.extend((len / 24).to_le_bytes());
    }
    payload.extend(vec![0; len.try_into().unwrap()]);
    let framed = frame(RECORD_FORMAT, &payload).unwrap();
    let (decoded, info) = measured(|| decode_record(&framed).is_ok());
    assert!(!black_box(decoded));
    let limit = u64::try_from(MAX_RECORD_BYTES).unwrap();
    assert!(info.bytes_max <= limit, "{} bytes were taken", info.bytes_max);
}
