//! Removals count up to a cutoff that both sides agree on.

use layerstore_observer::{Digest, MutationEvent};
use layerstore_record::{RecordKind, RecordValue};

use crate::samples::{at, key, observer, tell, tell_of};

fn removed(millis: u64) -> RecordValue {
    RecordValue::Tombstone {
        timestamp: at(millis),
    }
}

#[test]
fn t4_trees_are_equal_under_a_cutoff_though_one_has_forgotten_older_removals() {
    let (one, other) = (observer(), observer());
    for observer in [&one, &other] {
        tell_of(observer, &key("kept"), &RecordValue::lww(1_u64, at(1)), 1);
        tell_of(observer, &key("late"), &removed(60), 60);
    }
    tell_of(&one, &key("old"), &removed(50), 50);
    assert_ne!(one.root(), other.root());
    one.raise_cutoff(at(50));
    other.raise_cutoff(at(50));
    assert_eq!(one.root(), other.root());
    assert_eq!(one.root().unwrap().leaves(), 2, "the later removal counts");
    // One that comes late does not count either.
    tell_of(&other, &key("old"), &removed(49), 61);
    assert_eq!(one.root(), other.root());
}

#[test]
fn t4_the_cutoff_only_rises() {
    let observer = observer();
    observer.raise_cutoff(at(50));
    observer.raise_cutoff(at(20));
    assert_eq!(observer.cutoff(), at(50));
    tell_of(&observer, &key("k"), &removed(30), 70);
    assert!(observer.root().unwrap().is_empty());
}

#[test]
fn t4_a_cutoff_takes_removals_alone_and_all_of_them() {
    let observer = observer();
    for number in 0..1_000 {
        tell_of(&observer, &key(&format!("removed:{number}")), &removed(number), 1);
        tell_of(
            &observer,
            &key(&format!("kept:{number}")),
            &RecordValue::lww(1_u64, at(number)),
            1,
        );
    }
    // Written again, it is a removal no more.
    tell_of(&observer, &key("removed:7"), &RecordValue::lww(1_u64, at(8)), 2);
    observer.raise_cutoff(at(899));
    assert_eq!(observer.root().unwrap().leaves(), 1_000 + 100 + 1);
    assert_eq!(observer.removals(), 100);
    let removal = observer.removal(&key("removed:950")).unwrap();
    assert_eq!((removal.at, removal.kind), (at(950), RecordKind::Lww));
    assert_eq!(observer.removal(&key("removed:7")), None);
}

#[test]
fn what_was_purged_or_cleared_is_remembered_as_forgotten() {
    let observer = observer();
    tell_of(&observer, &key("k"), &RecordValue::lww(1_u64, at(40)), 1);
    observer.raise_cutoff(at(30));
    assert_eq!(observer.forgotten(), layerstore_record::Timestamp::ZERO);
    observer.forget_removals(at(35));
    assert_eq!((observer.forgotten(), observer.cutoff()), (at(35), at(35)));
    tell(&observer, MutationEvent::Clear { resident: 1 });
    assert_eq!((observer.forgotten(), observer.cutoff()), (at(40), at(40)));
    assert_eq!(observer.root(), Some(Digest::EMPTY));
}
