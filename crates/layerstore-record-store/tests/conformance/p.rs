//! The provenance table, a row a module: which version a mutation has, which of two records stands, what the data store is
//! asked for, and what observers are told.

use std::sync::Arc;

use layerstore_data_store::MapDataStore;
use layerstore_observer::{OwnedEvent, OwnedPrevious, Ownership};
use layerstore_record::{
    Clock, Expiry, NodeId, OrEntries, Record, RecordValue, Tags, Timestamp, Value, Version,
};
use layerstore_testkit::doubles::{Call, Recorded};

use crate::stage::{Rig, Stage, key, map};

/// The node of another process.
pub(crate) const PEER: NodeId = NodeId(9);

/// A time of another process, this many milliseconds ahead of ours.
pub(crate) fn at(stage: &Stage, ahead: u64) -> Timestamp {
    Timestamp::new(stage.clock.now().plus(ahead), 0, PEER)
}

/// Another process's record of a number, its version this many milliseconds ahead of our clock.
pub(crate) fn foreign(stage: &Stage, number: u64, ahead: u64) -> Arc<Record> {
    foreign_with(
        stage,
        RecordValue::lww(number, at(stage, ahead)),
        ahead,
        Expiry::NEVER,
    )
}

/// Another process's record of any value.
pub(crate) fn foreign_with(stage: &Stage, value: RecordValue, ahead: u64, expiry: Expiry) -> Arc<Record> {
    let version = Version::new(at(stage, ahead));
    Arc::new(Record::builder(value, version).expiry(expiry).build())
}

/// A tag of an OR-Map.
pub(crate) fn tag(number: u64) -> Timestamp {
    Timestamp::new(layerstore_record::Millis(number), 0, PEER)
}

/// An OR-Map that holds these numbers under tags of their own, and has had these tags removed.
pub(crate) fn or_map(held: &[u64], removed: &[u64]) -> RecordValue {
    let entries = held.iter().map(|number| (tag(*number), Value::from(*number)));
    let removals = removed.iter().map(|number| (tag(*number), tag(number + 1)));
    RecordValue::or_map(OrEntries::new(entries.collect()), Tags::new(removals.collect()))
}

/// What a record says, in short.
pub(crate) fn show(record: &Record) -> String {
    let plain = |value: &Value| match value {
        Value::U64(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    match record.value() {
        RecordValue::Lww { value, .. } => plain(value),
        RecordValue::OrMap { entries, .. } => {
            let held: Vec<_> = entries.iter().map(|(_, value)| plain(value)).collect();
            format!("{{{}}}", held.join(" "))
        }
        _ => "gone".to_owned(),
    }
}

fn before(previous: &OwnedPrevious) -> String {
    match previous {
        OwnedPrevious::Known(record) => show(record),
        OwnedPrevious::Absent => "nothing".to_owned(),
        OwnedPrevious::Unknown => "?".to_owned(),
    }
}

/// What observers were told, a line each, and forgets it: `update 1 to 2 by client as owner`.
pub(crate) fn told(stage: &Stage) -> Vec<String> {
    assert_eq!(stage.observer.order_violations(), Vec::<String>::new());
    let line = |one: layerstore_observer::OwnedMutation| {
        let event = match &one.event {
            OwnedEvent::Put { record, .. } => format!("put {}", show(record)),
            OwnedEvent::Load { record, .. } => format!("load {}", show(record)),
            OwnedEvent::Update { record, previous, .. } => {
                format!("update {} to {}", before(previous), show(record))
            }
            OwnedEvent::ReplicationPut { record, previous, .. } => {
                format!("replicate {} to {}", before(previous), show(record))
            }
            OwnedEvent::Remove { previous, reason, .. } => format!("remove {} {reason:?}", before(previous)),
            other => other.name().to_owned(),
        };
        let role = match one.ownership {
            Ownership::Owner => "owner",
            Ownership::Backup => "backup",
        };
        format!("{event} by {} as {role}", one.provenance.name())
    };
    stage.observer.take().into_iter().map(line).collect()
}

/// Forgets what observers and data store were told.
pub(crate) fn forget(rig: &Rig) {
    let _ = (rig.observer.take(), rig.recording.take());
}

/// How often the data store was asked to write.
pub(crate) fn writes(rig: &Rig) -> usize {
    let is_write = |noted: &&Recorded| matches!(noted.call, Call::Apply | Call::Clear);
    rig.recording.calls().iter().filter(is_write).count()
}

/// The record that the data store has, a tombstone included.
pub(crate) async fn below(stage: &Stage, name: &str) -> Option<(String, Version)> {
    let record = stage.below.load(&map(), &key(name)).await.unwrap();
    record.map(|record| (show(&record), record.version()))
}

/// What a read returns.
pub(crate) async fn read(stage: &Stage, name: &str) -> Option<(String, Version)> {
    use layerstore_record_store::RecordStore;
    let record = stage.store.get(&key(name)).await.unwrap();
    record.map(|record| (show(&record), record.version()))
}
