//! Writes without a data store and without an observer.

use std::sync::Arc;

use layerstore_benches::workload::START;
use layerstore_benches::{BenchError, Case, Draws, Group, Skew};
use layerstore_record::{Key, Millis, NodeId, Record, RecordValue, Timestamp, Version};
use layerstore_record_store::{NewValue, RecordStore, TrySet, WriteOptions};

use crate::subjects::Subjects;

/// Writes of a round.
const WRITES: u32 = 100_000;

/// What is to be reached is half of what moka's insert takes, and that was 2.6 times what an overwrite of the bare map takes (uniform).
const TARGET: f64 = 0.75;

pub(crate) async fn measure(group: &mut Group, subjects: &Subjects) -> Result<(), BenchError> {
    set(
        group,
        subjects,
        "set over what is there, uniform, against a bare papaya map",
        Skew::Uniform,
    )
    .await?;
    set(
        group,
        subjects,
        "set over what is there, zipf, against a bare papaya map",
        Skew::Zipf,
    )
    .await
}

async fn set(
    group: &mut Group,
    subjects: &Subjects,
    what: &'static str,
    skew: Skew,
) -> Result<(), BenchError> {
    let draws = Draws::new(skew, subjects.keys.len());
    let keys = async |round| Ok(subjects.draw(&draws, WRITES, round));
    let case = Case {
        what,
        unit: "writes",
        count: WRITES,
        target: TARGET,
    };
    let ours = async |keys: Vec<Key>| keys.iter().try_for_each(|key| set_one(subjects, key));
    let mut at = START;
    let bare = async |keys: Vec<Key>| {
        for key in keys {
            at += 1;
            subjects.bare.pin().insert(key, record(subjects, at));
        }
        Ok(())
    };
    group
        .compare_prepared(case, (keys, ours), (keys, bare))
        .await
        .map(drop)
}

fn set_one(subjects: &Subjects, key: &Key) -> Result<(), BenchError> {
    let value = NewValue::Plain(Arc::clone(&subjects.value));
    match subjects.store.try_set(key, value, &WriteOptions::DEFAULT)? {
        TrySet::Done(_) => Ok(()),
        TrySet::NeedsIo(_) => Err("a write to memory has to wait".into()),
    }
}

fn record(subjects: &Subjects, at: u64) -> Arc<Record> {
    let timestamp = Timestamp::new(Millis(at), 0, NodeId(1));
    let value = RecordValue::Lww {
        value: Arc::clone(&subjects.value),
        timestamp,
    };
    Arc::new(Record::builder(value, Version::new(timestamp)).build())
}
