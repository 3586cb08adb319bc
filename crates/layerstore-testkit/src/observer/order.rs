use std::collections::HashMap;

use layerstore_observer::{OwnedEvent, OwnedMutation, Ownership};
use layerstore_record::{Provenance, Version};

/// Finds where the mutations of a key do not come in the order of their versions (O1), one sentence a place.
///
/// A write (put, update, remove, replication put) must have a higher version than everything told of its key
/// before. A load, an eviction or the promotion of a backup tells of a version that was told already: it may repeat the
/// highest, and may not fall below it. A removal from memory alone has no version and is not judged.
#[must_use]
pub fn order_violations(told: &[OwnedMutation]) -> Vec<String> {
    let mut highest: HashMap<_, Version> = HashMap::new();
    let mut violations = Vec::new();
    for (place, mutation) in told.iter().enumerate() {
        let (Some(key), Some(version)) = (mutation.key(), mutation.version()) else {
            continue;
        };
        let seen = highest
            .entry((&mutation.map, mutation.partition, key))
            .or_default();
        let is_promotion =
            (mutation.provenance, mutation.ownership) == (Provenance::Backup, Ownership::Owner);
        let in_order = match mutation.event {
            OwnedEvent::Load { .. } | OwnedEvent::Evict { .. } => version >= *seen,
            _ if is_promotion => version >= *seen,
            _ => version > *seen,
        };
        if !in_order {
            let event = mutation.event.name();
            violations.push(format!(
                "mutation {place}: {event} of {key:?} at {version} after {seen}"
            ));
        }
        *seen = version.max(*seen);
    }
    violations
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use layerstore_observer::{Mutation, MutationEvent, PreviousValue};
    use layerstore_record::{Key, MapName, Millis, NodeId, Provenance, Record, RecordValue, Timestamp};

    use super::*;

    fn record(millis: u64) -> Arc<Record> {
        let tick = Timestamp::new(Millis(millis), 0, NodeId(1));
        Arc::new(Record::builder(RecordValue::lww(millis, tick), Version::new(tick)).build())
    }

    fn told(events: &[(&str, &str, u64)]) -> Vec<OwnedMutation> {
        let map = MapName::new("users").unwrap();
        let one = |&(event, key, millis): &(&str, &str, u64)| {
            let (key, record) = (&Key::new(key).unwrap(), &record(millis));
            let previous = PreviousValue::Unknown;
            let event = match event {
                "load" => MutationEvent::Load { key, record },
                "evict" => MutationEvent::Evict { key, record },
                _ => MutationEvent::Update {
                    key,
                    record,
                    previous,
                },
            };
            OwnedMutation::from(&Mutation::new(&map, Provenance::Client, event))
        };
        events.iter().map(one).collect()
    }

    #[test]
    fn rising_versions_of_a_key_are_in_order_whatever_other_keys_do() {
        let good = told(&[
            ("update", "a", 5),
            ("update", "b", 1),
            ("evict", "a", 5),
            ("load", "a", 5),
            ("update", "a", 6),
        ]);
        assert_eq!(order_violations(&good), Vec::<String>::new());
    }

    #[test]
    fn an_older_or_repeated_write_and_an_older_load_are_out_of_order() {
        for bad in [
            [("update", "a", 5), ("update", "a", 4)],
            [("update", "a", 5), ("update", "a", 5)],
            [("update", "a", 5), ("load", "a", 4)],
        ] {
            assert_eq!(order_violations(&told(&bad)).len(), 1, "{bad:?}");
        }
    }
}
