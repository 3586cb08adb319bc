//! Values and records to test with.

use layerstore_testkit::proof;
use proptest::test_runner::{Config, RngSeed};

use layerstore_record::{
    Expiry, Fields, Millis, NodeId, OrEntries, Record, RecordValue, Tags, Text, Timestamp, Value, Version,
};

/// How property tests run here: as often, and from the same seed, as all others.
pub(crate) fn properties() -> Config {
    Config {
        cases: u32::try_from(proof::scaled(20_000)).unwrap(),
        rng_seed: RngSeed::Fixed(proof::seed()),
        ..Config::default()
    }
}

pub(crate) fn at(millis: u64, counter: u16, node: u64) -> Timestamp {
    Timestamp::new(Millis(millis), counter, NodeId(node))
}

pub(crate) fn fields<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.map(|(name, value)| (name.into(), value));
    Value::Map(Fields::new(fields.into()).unwrap())
}

pub(crate) fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inner, level| match level % 2 {
        0 => Value::from(vec![inner]),
        _ => fields([("in", inner)]),
    })
}

/// A value of any shape, at most `levels` deep.
pub(crate) fn any_value(rng: &mut fastrand::Rng, levels: usize) -> Value {
    let shapes = if levels == 0 { 7 } else { 9 };
    match rng.u8(0..shapes) {
        0 => Value::Null,
        1 => rng.bool().into(),
        2 => any_integer(rng).cast_signed().into(),
        3 => any_integer(rng).into(),
        4 => Value::F64(f64::from_bits(rng.u64(..))),
        5 => any_text(rng).into(),
        6 => Value::Bytes((0..any_len(rng)).map(|_| rng.u8(..)).collect()),
        7 => Value::Array((0..rng.usize(0..6)).map(|_| any_value(rng, levels - 1)).collect()),
        _ => any_map(rng, levels - 1),
    }
}

fn any_map(rng: &mut fastrand::Rng, levels: usize) -> Value {
    let mut fields: Vec<(Text, Value)> = (0..rng.usize(0..6))
        .map(|_| (any_text(rng).into(), any_value(rng, levels)))
        .collect();
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    fields.dedup_by(|(one, _), (other, _)| one == other);
    Value::Map(Fields::new(fields).unwrap())
}

/// An integer of any magnitude.
pub(crate) fn any_integer(rng: &mut fastrand::Rng) -> u64 {
    rng.u64(..) >> rng.u32(0..64)
}

/// Mostly short, sometimes beyond one byte of length.
fn any_len(rng: &mut fastrand::Rng) -> usize {
    if rng.u8(..) < 16 {
        rng.usize(0..600)
    } else {
        rng.usize(0..24)
    }
}

pub(crate) fn any_text(rng: &mut fastrand::Rng) -> String {
    (0..any_len(rng)).map(|_| rng.char(..)).collect()
}

pub(crate) fn any_timestamp(rng: &mut fastrand::Rng) -> Timestamp {
    at(any_integer(rng), rng.u16(..), any_integer(rng))
}

pub(crate) fn any_record_value(rng: &mut fastrand::Rng, levels: usize) -> RecordValue {
    match rng.u8(0..5) {
        0 => RecordValue::Tombstone {
            timestamp: any_timestamp(rng),
        },
        1 => RecordValue::OrTombstones { tags: any_tags(rng) },
        2 => {
            let entries = (0..rng.usize(0..5)).map(|_| (any_timestamp(rng), any_value(rng, levels)));
            let entries = OrEntries::new(entries.collect());
            RecordValue::or_map(entries, any_tags(rng))
        }
        _ => RecordValue::lww(any_value(rng, levels), any_timestamp(rng)),
    }
}

fn any_tags(rng: &mut fastrand::Rng) -> Tags {
    let removals = (0..rng.usize(0..5)).map(|_| (any_timestamp(rng), any_timestamp(rng)));
    Tags::new(removals.collect())
}

pub(crate) fn any_record(rng: &mut fastrand::Rng, levels: usize) -> Record {
    let value = any_record_value(rng, levels);
    let mut record = Record::builder(value, Version::new(any_timestamp(rng)))
        .created(Millis(any_integer(rng)))
        .updated(Millis(any_integer(rng)))
        .expiry(any_expiry(rng));
    if rng.bool() {
        record = record.stored(Millis(any_integer(rng)));
    }
    record.build()
}

pub(crate) fn any_expiry(rng: &mut fastrand::Rng) -> Expiry {
    let time = |rng: &mut fastrand::Rng| rng.bool().then(|| Millis(any_integer(rng)));
    Expiry {
        deadline: time(rng),
        max_idle: rng.bool().then(|| any_integer(rng)),
        idle_deadline: time(rng),
    }
}
