//! Every observer of this crate keeps the contract, and the composite keeps it for whatever is in it.
#![expect(clippy::unwrap_used, reason = "an unexpected answer ends the test")]

#[path = "../examples/own_observer.rs"]
mod own;
#[path = "../examples/change_feed.rs"]
mod reading;

use std::sync::Arc;

use layerstore_observer::{
    AccessTimes, ChangeFeed, CompositeObserver, EventPublisher, FnObserver, MerkleObserver, MetricsObserver,
    Mutation, MutationEvent, MutationObserver, NameTaken, ObserverError, PreviousValue, RemoveReason, Topic,
};
use layerstore_record::{
    MapName, Millis, NodeId, Provenance, Record, RecordValue, SystemClock, Timestamp, Version,
};
use layerstore_testkit::observer::{FailingObserver, PanickingObserver, RecordingObserver, every_event};
use layerstore_testkit::observer_conformance;

observer_conformance!(metrics, Arc::new(MetricsObserver::new()));
observer_conformance!(
    function,
    Arc::new(FnObserver::new("function", |_: &Mutation<'_>| Ok(())))
);
observer_conformance!(
    feed,
    Arc::new(ChangeFeed::builder("feed").max_records(100).build().unwrap())
);
observer_conformance!(
    feed_of_memory_events,
    Arc::new(ChangeFeed::builder("feed").with_memory_events().build().unwrap())
);
observer_conformance!(
    access_times,
    Arc::new(AccessTimes::new("access-times", Arc::new(SystemClock), 1_000))
);
observer_conformance!(
    merkle,
    Arc::new(MerkleObserver::new(
        "merkle",
        MapName::new("conformance").unwrap(),
        0
    ))
);
observer_conformance!(merkle_that_is_complete, {
    let observer = MerkleObserver::new("merkle", MapName::new("conformance").unwrap(), 0);
    observer.rebuild().finish().unwrap();
    Arc::new(observer)
});
observer_conformance!(publisher, {
    let publisher = Arc::new(EventPublisher::builder("events").build());
    // Somebody whose queue fills up, and who takes nothing.
    std::mem::forget(publisher.subscribe("nobody", Topic::everything()).unwrap());
    publisher
});
observer_conformance!(empty_composite, Arc::new(CompositeObserver::new("composite")));
observer_conformance!(nested_composite, {
    let inner = CompositeObserver::new("inner");
    inner.add(Arc::new(RecordingObserver::new("recorder"))).unwrap();
    let outer = CompositeObserver::new("outer");
    outer.add(Arc::new(inner)).unwrap();
    Arc::new(outer)
});

observer_conformance!(
    own_observer,
    Arc::new(own::WordIndex::new(MapName::new("conformance").unwrap()))
);

fn map() -> MapName {
    MapName::new("users").unwrap()
}

fn clear(map: &MapName) -> Mutation<'_> {
    Mutation::new(map, Provenance::Client, MutationEvent::Clear { resident: 0 })
}

/// An observer that writes its name down in `said` whenever it is told.
fn speaker(name: &'static str, said: &Arc<std::sync::Mutex<Vec<&'static str>>>) -> Arc<dyn MutationObserver> {
    let said = Arc::clone(said);
    Arc::new(FnObserver::new(name, move |_: &Mutation<'_>| {
        said.lock().unwrap().push(name);
        Ok(())
    }))
}

#[test]
fn o1_the_composite_tells_all_in_the_order_in_which_they_came() {
    let said = Arc::default();
    let all = CompositeObserver::new("all");
    for name in ["a", "c", "b"] {
        all.add(speaker(name, &said)).unwrap();
    }
    all.on_mutation(&clear(&map())).unwrap();
    all.remove("c").unwrap();
    all.add(speaker("c", &said)).unwrap();
    all.on_mutation(&clear(&map())).unwrap();
    assert_eq!(*said.lock().unwrap(), ["a", "c", "b", "a", "b", "c"]);
    assert_eq!(all.names(), ["a", "b", "c"]);
}

#[test]
fn o1_what_the_composite_hands_on_is_what_it_was_told() {
    let all = CompositeObserver::new("all");
    let recorder = Arc::new(RecordingObserver::new("recorder"));
    all.add(recorder.clone()).unwrap();
    let events = every_event(&map());
    for mutation in &events {
        all.on_mutation(&mutation.as_mutation()).unwrap();
    }
    assert_eq!(recorder.told(), events);
}

#[test]
fn o2_a_panic_is_an_error_that_names_the_observer_and_repeats_no_value() {
    let all = CompositeObserver::new("all");
    let secret = |_: &Mutation<'_>| -> Result<(), ObserverError> { panic!("secret value") };
    all.add(Arc::new(FnObserver::new("leaky", secret))).unwrap();
    let error = all.on_mutation(&clear(&map())).unwrap_err();
    assert_eq!(error.to_string(), "observer \"leaky\" failed: it panicked");
}

#[test]
fn o2_a_panic_at_what_is_forgotten_keeps_no_other_from_being_told() {
    struct Panicking;
    impl MutationObserver for Panicking {
        fn name(&self) -> &'static str {
            "panicking"
        }
        fn on_mutation(&self, _: &Mutation<'_>) -> Result<(), ObserverError> {
            Ok(())
        }
        fn removals_forgotten(&self, _: &MapName, _: Version) {
            panic!("as it is told")
        }
    }
    let (all, inner) = (
        CompositeObserver::new("all"),
        Arc::new(CompositeObserver::new("inner")),
    );
    let tree = Arc::new(MerkleObserver::new("tree", map(), 0));
    inner.add(tree.clone()).unwrap();
    all.add(Arc::new(Panicking)).unwrap();
    all.add(inner).unwrap();
    let up_to = Timestamp::new(Millis(7), 0, NodeId(1));
    all.removals_forgotten(&MapName::new("other").unwrap(), Version::new(up_to));
    assert_eq!((tree.forgotten(), all.failures()), (Timestamp::ZERO, 1));
    for millis in [7, 3] {
        let up_to = Timestamp::new(Millis(millis), 0, NodeId(1));
        all.removals_forgotten(&map(), Version::new(up_to));
    }
    assert_eq!((tree.forgotten(), tree.cutoff()), (up_to, up_to));
}

#[test]
fn o2_a_panic_whose_payload_panics_is_contained_too() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::panic_any(1_u8);
        }
    }
    let all = CompositeObserver::new("all");
    let armed = |_: &Mutation<'_>| -> Result<(), ObserverError> { std::panic::panic_any(Bomb) };
    let last = Arc::new(RecordingObserver::new("last"));
    all.add(Arc::new(FnObserver::new("bomb", armed))).unwrap();
    all.add(last.clone()).unwrap();
    assert_eq!(all.on_mutation(&clear(&map())).unwrap_err().observer, "bomb");
    assert_eq!(last.names(), ["clear"]);
}

#[test]
fn o2_the_first_error_comes_back_and_the_others_are_counted() {
    let inner = CompositeObserver::new("inner");
    inner
        .add(Arc::new(PanickingObserver::new("inner panics")))
        .unwrap();
    inner.add(Arc::new(FailingObserver::new("inner fails"))).unwrap();
    let outer = CompositeObserver::new("outer");
    outer.add(Arc::new(inner)).unwrap();
    outer.add(Arc::new(FailingObserver::new("outer fails"))).unwrap();

    let error = outer.on_mutation(&clear(&map())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "observer \"inner panics\" failed: it panicked (and 2 more observers)"
    );
    assert_eq!((error.failures(), outer.failures()), (3, 3));
}

#[test]
fn observers_come_and_go_while_others_are_told() {
    let all = Arc::new(CompositeObserver::new("all"));
    let steady = Arc::new(RecordingObserver::new("steady"));
    all.add(steady.clone()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let all = &all;
            scope.spawn(move || {
                for round in 0..500 {
                    let guest = Arc::new(RecordingObserver::new(format!("guest {thread}")));
                    all.add(guest.clone()).unwrap();
                    all.on_mutation(&clear(&map())).unwrap();
                    assert!(
                        !guest.told().is_empty(),
                        "round {round}: an observer that was added is told"
                    );
                    assert!(all.remove(guest.name()).is_some());
                }
            });
        }
    });
    assert_eq!(steady.told().len(), 1_000, "the one that stayed missed nothing");
    assert_eq!(all.names(), ["steady"]);
}

#[test]
fn an_observer_may_remove_itself_while_it_is_told() {
    let all = Arc::new(CompositeObserver::new("all"));
    let weak = Arc::downgrade(&all);
    let once = move |_: &Mutation<'_>| {
        weak.upgrade().and_then(|all| all.remove("once"));
        Ok(())
    };
    all.add(Arc::new(FnObserver::new("once", once))).unwrap();
    all.on_mutation(&clear(&map())).unwrap();
    assert!(all.is_empty());
}

#[test]
fn a_name_is_given_once() {
    let all = CompositeObserver::new("all");
    all.add(Arc::new(RecordingObserver::new("one"))).unwrap();
    let taken = NameTaken {
        name: "one".to_owned(),
    };
    assert_eq!(all.add(Arc::new(FailingObserver::new("one"))), Err(taken));
    assert_eq!(all.names(), ["one"]);
    assert!(all.remove("two").is_none());
}

#[test]
fn the_example_of_an_own_observer_runs_and_its_index_follows_the_map() {
    own::main().unwrap();
    let index = own::WordIndex::new(map());
    let key = &layerstore_testkit::records::key(1);
    let text = |text: &str, number| {
        let version = layerstore_testkit::records::version(number);
        let value = RecordValue::lww(text, version.timestamp());
        Arc::new(Record::builder(value, version).build())
    };
    let (one, two) = (&text("buy milk", 1), &text("buy beer", 2));
    let update = MutationEvent::Update {
        key,
        record: two,
        previous: PreviousValue::Unknown,
    };
    let remove = MutationEvent::Remove {
        key,
        tombstone: None,
        previous: PreviousValue::Known(two),
        reason: RemoveReason::Removed,
    };
    let steps = [
        (MutationEvent::Put { key, record: one }, [1, 1, 0]),
        (update, [1, 0, 1]),
        (MutationEvent::Evict { key, record: two }, [1, 0, 1]),
        (remove, [0, 0, 0]),
        (MutationEvent::Load { key, record: one }, [1, 1, 0]),
        (MutationEvent::Clear { resident: 1 }, [0, 0, 0]),
    ];
    for (event, found) in steps {
        let map = map();
        index
            .on_mutation(&Mutation::new(&map, Provenance::Client, event))
            .unwrap();
        let counts = ["buy", "milk", "beer"].map(|word| index.keys(word).len());
        assert_eq!(counts, found, "after {}", event.name());
    }
    let other = MapName::new("other").unwrap();
    let put = MutationEvent::Put { key, record: one };
    index
        .on_mutation(&Mutation::new(&other, Provenance::Client, put))
        .unwrap();
    assert!(
        index.keys("buy").is_empty(),
        "another map is not this index's business"
    );
}

#[test]
fn the_example_of_reading_a_change_feed_runs() {
    assert!(reading::main().is_ok());
}

#[test]
fn a_composite_listens_while_somebody_in_it_is_to_be_told() {
    let composite = CompositeObserver::new("composite");
    assert!(!composite.listens());
    composite.add(Arc::new(MetricsObserver::new())).unwrap();
    assert!(composite.listens());
    let name = composite.names().remove(0);
    assert!(composite.remove(&name).is_some() && !composite.listens());
}
