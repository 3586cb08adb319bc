//! The bytes of every version of the record format, as they were committed.
//!
//! To make new ones, add the record to `samples` (and, for a new version, name its folder): the test writes a file
//! that is missing and fails once, so that the file is looked at and committed. A file that is there is never written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use layerstore_record::codec::{RECORD_FORMAT, decode_record, encode_record};
use layerstore_record::{Expiry, Millis, OrEntries, Record, RecordValue, Tags, Value, Version};
use layerstore_testkit::proof;

use crate::samples::{at, fields, nested};

const MADE: u64 = 1_700_000_000_000;

pub(crate) fn folder(version: u8) -> PathBuf {
    let name = format!("fixtures/v{version}");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The committed bytes of every version, by name.
pub(crate) fn committed() -> BTreeMap<String, Vec<u8>> {
    let folders = (1..=RECORD_FORMAT.newest()).flat_map(|version| fs::read_dir(folder(version)).unwrap());
    let files = folders.map(|file| file.unwrap().path());
    files
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect()
}

/// Every variant of the newest version.
fn samples() -> Vec<(&'static str, Record)> {
    let values = [
        ("null", Value::Null),
        ("false", false.into()),
        ("true", true.into()),
        ("i64-least", i64::MIN.into()),
        ("i64-minus-one", (-1).into()),
        ("u64-one-byte", 250.into()),
        ("u64-two-bytes", 251.into()),
        ("u64-four-bytes", 65_536.into()),
        ("u64-greatest", u64::MAX.into()),
        ("f64-minus-zero", Value::F64(-0.0)),
        ("f64-nan", Value::F64(f64::from_bits(0x7ff8_dead_beef_0001))),
        ("f64-infinite", Value::F64(f64::INFINITY)),
        ("string-empty", "".into()),
        ("string", "a\0é😀".into()),
        ("bytes-300", Value::Bytes((0..=255).chain(0..44).collect())),
        ("array-empty", Vec::new().into()),
        ("array", vec![Value::Null, 1.into(), "x".into()].into()),
        ("map-empty", fields([])),
        (
            "map",
            fields([
                ("", 0.into()),
                ("a", Value::Null),
                ("é", vec![true.into()].into()),
            ]),
        ),
        ("deepest", nested(64)),
    ];
    let plain = values.map(|(name, value)| (name, built(RecordValue::lww(value, at(MADE, 7, 0xfeed)))));
    plain.into_iter().chain(kinds()).chain(metadata()).collect()
}

fn kinds() -> [(&'static str, Record); 5] {
    let (one, two, three) = (at(MADE, 0, 1), at(MADE, 1, 2), at(MADE + 5, 0, 1));
    let entries = OrEntries::new(vec![(one, "one".into()), (two, 2.into())]);
    let removed = Tags::new(vec![(three, at(MADE + 9, 0, 3)), (at(7, 7, 7), at(MADE, 3, 3))]);
    [
        ("tombstone", RecordValue::Tombstone { timestamp: three }),
        ("or-map", RecordValue::or_map(entries.clone(), Tags::default())),
        ("or-map-removals", RecordValue::or_map(entries, removed.clone())),
        ("or-tombstones", RecordValue::OrTombstones { tags: removed }),
        (
            "or-tombstones-empty",
            RecordValue::OrTombstones {
                tags: Tags::default(),
            },
        ),
    ]
    .map(|(name, value)| (name, built(value)))
}

fn metadata() -> [(&'static str, Record); 4] {
    let base = || {
        Record::builder(
            RecordValue::lww("x", at(MADE, 0, 1)),
            Version::new(at(MADE, 3, 4)),
        )
    };
    let all = Expiry {
        deadline: Some(Millis(MADE + 3_600_000)),
        max_idle: Some(60_000),
        idle_deadline: Some(Millis(MADE + 90_000)),
    };
    let deadline = Expiry {
        deadline: all.deadline,
        ..Expiry::NEVER
    };
    let [one, two] = [MADE - 86_400_000, MADE + 12].map(Millis);
    let extreme = base()
        .created(Millis(0))
        .updated(Millis(u64::MAX))
        .stored(Millis(1));
    [
        (
            "meta-times",
            base().created(one).updated(two).stored(two.plus(3)).build(),
        ),
        ("meta-deadline", base().expiry(deadline).build()),
        ("meta-idle", base().expiry(all).build()),
        ("meta-extreme", extreme.build()),
    ]
}

fn built(value: RecordValue) -> Record {
    Record::builder(value, Version::new(at(MADE, 3, 4))).build()
}

#[test]
fn r28_every_fixture_decodes_to_its_record_and_encodes_to_its_bytes() {
    let folder = folder(RECORD_FORMAT.newest());
    let mut missing = Vec::new();
    for (name, record) in samples() {
        let path = folder.join(name).with_extension("bin");
        let Ok(bytes) = fs::read(&path) else {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, encode_record(&record).unwrap()).unwrap();
            missing.push(name);
            continue;
        };
        let decoded = decode_record(&bytes).unwrap();
        assert_eq!(decoded, record, "{name}");
        assert_eq!(decoded.last_stored(), record.last_stored(), "{name}");
        assert_eq!(encode_record(&record).unwrap(), bytes, "{name}");
    }
    assert!(
        missing.is_empty(),
        "these were missing and are written now: look at them and commit them: {missing:?}"
    );
    let committed = committed();
    for (path, bytes) in &committed {
        let decoded = decode_record(bytes);
        assert!(decoded.is_ok(), "{path}: {decoded:?}");
    }
    assert!(committed.len() >= samples().len());
    let count = u64::try_from(committed.len()).unwrap();
    proof::report("R28", &[("fixtures", count), ("violations", 0)]);
}
