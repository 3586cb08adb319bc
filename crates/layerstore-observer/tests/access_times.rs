//! When keys were last used, as the observer of access times has it.
#![expect(clippy::unwrap_used, reason = "an unexpected answer ends the test")]

use std::sync::Arc;
use std::time::Duration;

use layerstore_observer::{
    AccessTimes, Mutation, MutationEvent, MutationObserver, Ownership, PreviousValue, RemoveReason,
};
use layerstore_record::{Clock, Key, MapName, Millis, Provenance, Record};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::records::{key, record};

struct Watched {
    clock: ManualClock,
    map: MapName,
    times: AccessTimes,
}

impl Watched {
    fn new(max_keys: usize) -> Self {
        let clock = ManualClock::new();
        Self {
            times: AccessTimes::new("times", clock.shared(), max_keys),
            map: MapName::new("map").unwrap(),
            clock,
        }
    }

    fn tell(&self, event: MutationEvent<'_>) {
        let mutation = Mutation::new(&self.map, Provenance::Client, event);
        self.times.on_mutation(&mutation).unwrap();
    }

    fn put(&self, key: &Key, record: &Arc<Record>) {
        self.tell(MutationEvent::Put { key, record });
    }

    /// Lets a second pass, and returns the time.
    fn later(&self) -> Millis {
        self.clock.advance(Duration::from_secs(1));
        self.clock.now()
    }

    fn used(&self, key: &Key) -> Option<Millis> {
        self.times.last_use(&self.map, key)
    }
}

#[test]
fn writes_and_loads_are_uses_and_so_are_reads_of_what_is_in_memory() {
    let watched = Watched::new(100);
    let (one, held) = (key(1), record(1));
    assert_eq!(watched.used(&one), None);
    watched.put(&one, &held);
    assert_eq!(watched.used(&one), Some(ManualClock::START));
    let read = watched.later();
    held.access().touch(read);
    assert_eq!(watched.used(&one), Some(read));
    // It left memory: what is known of it stays, and another record that is read is none of its business.
    watched.later();
    watched.tell(MutationEvent::Evict {
        key: &one,
        record: &held,
    });
    held.access().touch(watched.later());
    assert_eq!(watched.used(&one), Some(read), "leaving memory is no use");
    let loaded = watched.later();
    watched.tell(MutationEvent::Load {
        key: &one,
        record: &record(1),
    });
    assert_eq!(watched.used(&one), Some(loaded));
    let (updated, newer) = (watched.later(), record(2));
    let previous = PreviousValue::Unknown;
    watched.tell(MutationEvent::Update {
        key: &one,
        record: &newer,
        previous,
    });
    assert_eq!(watched.used(&one), Some(updated));
    assert_eq!(
        watched.times.last_use(&MapName::new("other").unwrap(), &one),
        None
    );
}

#[test]
fn what_was_removed_is_forgotten_and_backups_are_not_noted() {
    let watched = Watched::new(100);
    let held = record(1);
    watched.put(&key(1), &held);
    watched.tell(MutationEvent::Remove {
        key: &key(1),
        tombstone: None,
        previous: PreviousValue::Known(&held),
        reason: RemoveReason::Removed,
    });
    assert_eq!(watched.used(&key(1)), None);
    let put = MutationEvent::Put {
        key: &key(2),
        record: &held,
    };
    let backup = Mutation::new(&watched.map, Provenance::Backup, put).owned_as(Ownership::Backup);
    watched.times.on_mutation(&backup).unwrap();
    assert_eq!(watched.used(&key(2)), None);
}

#[test]
fn no_record_is_kept_alive_and_no_more_keys_are_kept_than_asked_for() {
    let watched = Watched::new(320);
    let held = record(1);
    let weak = Arc::downgrade(&held);
    watched.put(&key(0), &held);
    drop(held);
    assert!(weak.upgrade().is_none(), "the observer keeps no record alive");
    assert!(watched.used(&key(0)).is_some());
    for number in 0..10_000 {
        watched.put(&key(number), &record(1));
    }
    let known = (0..10_000)
        .filter(|number| watched.used(&key(*number)).is_some())
        .count();
    assert!(
        (100..=320).contains(&known),
        "{known} of at most 320 keys are known"
    );
    assert!(watched.used(&key(9_999)).is_some(), "the latest is known");
}
