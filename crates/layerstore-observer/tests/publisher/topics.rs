use layerstore_observer::{EventKind, Mutation, MutationEvent, MutationObserver, PublishError, Topic};
use layerstore_record::Provenance;
use layerstore_testkit::observer::every_event;

use crate::{map, publisher, put, read, tell};

#[test]
fn u2_a_topic_is_by_map_and_by_the_beginning_of_the_key() {
    let publisher = publisher(|builder| builder);
    let everything = Topic::everything();
    let mut all = publisher.subscribe("all", everything.clone()).unwrap();
    let mut users = publisher
        .subscribe("users", everything.clone().map(map("users")))
        .unwrap();
    let mut some = publisher.subscribe("some", everything.key_prefix("a")).unwrap();
    for (map, key) in [("users", "alice"), ("users", "bob"), ("carts", "amy")] {
        put(&publisher, map, key);
    }
    let clear = MutationEvent::Clear { resident: 3 };
    publisher
        .on_mutation(&Mutation::new(&map("carts"), Provenance::Client, clear))
        .unwrap();
    assert_eq!(read(&mut all), ["1 alice", "2 bob", "3 amy", "4 all"]);
    assert_eq!(read(&mut users), ["1 alice", "2 bob"]);
    assert_eq!(
        read(&mut some),
        ["1 alice", "2 amy", "3 all"],
        "what concerns every key passes"
    );
}

#[test]
fn u2_a_topic_is_by_what_happened_and_by_where_it_comes_from() {
    let publisher = publisher(|builder| builder);
    let clears = Topic::everything().events([EventKind::Clear]);
    let mut clears = publisher.subscribe("clears", clears).unwrap();
    let replicated = Topic::everything().provenances([Provenance::Replication, Provenance::CrdtMerge]);
    let mut replicated = publisher.subscribe("replicated", replicated).unwrap();
    let mut expected = 0;
    for told in every_event(&map("users")) {
        let told = told.as_mutation();
        // The end of the service would end the publisher too.
        if matches!(told.event, MutationEvent::Destroy { .. }) {
            continue;
        }
        expected += usize::from(EventKind::of(&told.event) == EventKind::Clear);
        publisher.on_mutation(&told).unwrap();
    }
    assert_eq!((read(&mut clears).len(), expected > 0), (expected, true));
    let _ = read(&mut replicated);
    tell(&publisher, "users", Provenance::Replication, "a");
    tell(&publisher, "users", Provenance::Load, "b");
    let read = read(&mut replicated);
    assert!(read.len() == 1 && read[0].ends_with(" a"), "{read:?}");
}

#[test]
fn names_are_taken_once_and_places_are_bounded() {
    let publisher = publisher(|builder| builder.max_subscribers(2));
    let first = publisher.subscribe("audit", Topic::everything()).unwrap();
    let taken = publisher.subscribe("audit", Topic::everything()).unwrap_err();
    assert!(matches!(taken, PublishError::NameTaken { .. }) && taken.to_string().contains("audit"));
    let _second = publisher.subscribe("other", Topic::everything()).unwrap();
    let full = publisher.subscribe("third", Topic::everything()).unwrap_err();
    assert_eq!(full, PublishError::TooMany { max: 2 });
    drop(first);
    assert!(
        publisher.subscribe("audit", Topic::everything()).is_ok(),
        "its place is free again"
    );
}
