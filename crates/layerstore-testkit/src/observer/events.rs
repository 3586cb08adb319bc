use std::sync::Arc;

use layerstore_observer::{Mutation, MutationEvent, OwnedMutation, Ownership, PreviousValue, RemoveReason};
use layerstore_record::{Key, MapName, Provenance, Record};

use crate::records::{key, record};

/// Makes every event with every previous value and reason, told by every provenance, of owners and of backups.
///
/// All of one map and partition 0; the destroy events come last, as they do in a record store's life.
#[must_use]
pub fn every_event(map: &MapName) -> Vec<OwnedMutation> {
    let provenances = [
        Provenance::Client,
        Provenance::CrdtMerge,
        Provenance::Replication,
        Provenance::Backup,
        Provenance::Load,
    ];
    let (key, new, old) = (&key(1), &record(2), &record(1));
    let (records, ends) = events(key, new, old);
    let mut told = Vec::new();
    for events in [records, ends] {
        for event in events {
            for provenance in provenances {
                for ownership in [Ownership::Owner, Ownership::Backup] {
                    let mutation = Mutation::new(map, provenance, event).owned_as(ownership);
                    told.push(OwnedMutation::from(&mutation));
                }
            }
        }
    }
    told
}

fn events<'a>(
    key: &'a Key,
    record: &'a Arc<Record>,
    old: &'a Arc<Record>,
) -> (Vec<MutationEvent<'a>>, Vec<MutationEvent<'a>>) {
    let mut events = vec![
        MutationEvent::Put { key, record },
        MutationEvent::Evict { key, record },
        MutationEvent::Load { key, record },
        MutationEvent::Clear { resident: 1 },
        MutationEvent::Reset { resident: 0 },
    ];
    for previous in [
        PreviousValue::Known(old),
        PreviousValue::Absent,
        PreviousValue::Unknown,
    ] {
        events.push(MutationEvent::Update {
            key,
            record,
            previous,
        });
        events.push(MutationEvent::ReplicationPut {
            key,
            record,
            previous,
        });
        for reason in [RemoveReason::Removed, RemoveReason::Expired, RemoveReason::Idle] {
            for tombstone in [Some(record), None] {
                events.push(MutationEvent::Remove {
                    key,
                    tombstone,
                    previous,
                    reason,
                });
            }
        }
    }
    let ends = [false, true].map(|shutdown| MutationEvent::Destroy { shutdown });
    (events, ends.to_vec())
}
