//! A tree is read from the records while they are written to.

use layerstore_observer::{MutationEvent, RebuildInterrupted};
use layerstore_record::RecordValue;
use layerstore_testkit::proof;

use crate::samples::{
    Held, any_key, any_record_value, at, key, map, observer, observer_of, record, tell, tell_of,
};

#[test]
fn t6_what_is_told_during_a_rebuild_is_newer_than_what_it_reads() {
    let mut rng = fastrand::Rng::with_seed(proof::seed());
    for _ in 0..200 {
        let mut held: Held = (0..rng.usize(..60))
            .map(|_| (any_key(&mut rng), any_record_value(&mut rng)))
            .collect();
        let observer = observer();
        let rebuild = observer.rebuild();
        let mut read: Vec<_> = held.clone().into_iter().collect();
        rng.shuffle(&mut read);
        for (key, value) in read {
            if rng.bool() {
                let (key, newer) = (any_key(&mut rng), any_record_value(&mut rng));
                tell_of(&observer, &key, &newer, 2);
                held.insert(key, newer);
            }
            rebuild.cover(&key, &record(value, 1)).unwrap();
            assert_eq!(observer.root(), None, "it is not complete yet");
        }
        let root = rebuild.finish().unwrap();
        assert_eq!(
            (Some(root), observer.root()),
            (observer_of(&held).root(), Some(root))
        );
    }
}

#[test]
fn t6_an_observer_says_that_it_is_incomplete() {
    let fresh = layerstore_observer::MerkleObserver::new("merkle", map(), 0);
    assert!(fresh.root().is_none() && fresh.read(|_| ()).is_none());
    let observer = observer();
    tell_of(&observer, &key("k"), &RecordValue::lww(1_u64, at(1)), 1);
    drop(observer.rebuild());
    assert!(!observer.is_complete(), "a rebuild that was given up");
    observer.rebuild().finish().unwrap();
    for event in [
        MutationEvent::Reset { resident: 0 },
        MutationEvent::Destroy { shutdown: false },
    ] {
        observer.rebuild().finish().unwrap();
        tell(&observer, event);
        assert!(!observer.is_complete(), "{event:?}");
    }
}

#[test]
fn t6_a_rebuild_that_was_overtaken_says_so() {
    let observer = observer();
    let alice = record(RecordValue::lww(1_u64, at(1)), 1);
    for overtake in [
        MutationEvent::Clear { resident: 0 },
        MutationEvent::Reset { resident: 0 },
    ] {
        let rebuild = observer.rebuild();
        rebuild.cover(&key("alice"), &alice).unwrap();
        tell(&observer, overtake);
        assert_eq!(rebuild.cover(&key("alice"), &alice), Err(RebuildInterrupted));
        assert_eq!(rebuild.finish(), Err(RebuildInterrupted));
        assert!(!observer.is_complete());
    }
    let (first, second) = (observer.rebuild(), observer.rebuild());
    assert_eq!(first.cover(&key("alice"), &alice), Err(RebuildInterrupted));
    drop(first);
    second.cover(&key("alice"), &alice).unwrap();
    assert_eq!(second.finish().unwrap().leaves(), 1);
}
