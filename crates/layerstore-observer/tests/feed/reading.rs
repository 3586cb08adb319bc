use std::sync::Arc;

use futures::StreamExt;
use futures::executor::block_on;
use layerstore_observer::{
    ChangeFeed, FeedItem, FeedStart, Mutation, MutationEvent, MutationObserver, OwnedMutation, PreviousValue,
    SubscribeError, Topic,
};
use layerstore_record::{Cost, MapName, Provenance};
use layerstore_testkit::observer::every_event;
use layerstore_testkit::records::{key, record};

use super::{map, read_all, tell, update};

fn feed(max_records: usize) -> ChangeFeed {
    ChangeFeed::builder("feed")
        .max_records(max_records)
        .build()
        .unwrap()
}

#[test]
fn every_subscriber_reads_every_change_once_in_order() {
    let feed = feed(10);
    let mut one = feed.subscribe(FeedStart::Now, Topic::everything()).unwrap();
    update(&feed, 1, 1).unwrap();
    let mut two = feed.subscribe(FeedStart::Now, Topic::everything()).unwrap();
    let mut three = feed.subscribe(FeedStart::Oldest, Topic::everything()).unwrap();
    update(&feed, 2, 2).unwrap();
    assert_eq!(read_all(&mut one), ["1", "2"]);
    assert_eq!(read_all(&mut two), ["2"]);
    assert_eq!(read_all(&mut three), ["1", "2"]);
    assert!(read_all(&mut one).is_empty());
}

#[test]
fn o3_what_left_the_ring_unread_is_told_as_lagged_once() {
    let feed = feed(3);
    let mut slow = feed.subscribe(FeedStart::Now, Topic::everything()).unwrap();
    for version in 1..=8 {
        update(&feed, 1, version).unwrap();
    }
    assert_eq!(read_all(&mut slow), ["1-5", "6", "7", "8"]);
    update(&feed, 1, 9).unwrap();
    assert_eq!(read_all(&mut slow), ["9"]);
}

#[test]
fn a_subscriber_resumes_by_number() {
    let feed = feed(3);
    let mut first = feed.subscribe(FeedStart::Now, Topic::everything()).unwrap();
    update(&feed, 1, 1).unwrap();
    first.try_next().unwrap().unwrap();
    let position = first.position();
    drop(first);
    update(&feed, 1, 2).unwrap();
    let resume = |at| feed.subscribe(FeedStart::At(at), Topic::everything());
    assert_eq!(read_all(&mut resume(position).unwrap()), ["2"]);
    for version in 3..=6 {
        update(&feed, 1, version).unwrap();
    }
    assert_eq!(read_all(&mut resume(position).unwrap()), ["2-3", "4", "5", "6"]);
    assert_eq!(read_all(&mut resume(7).unwrap()), [""; 0]);
    assert_eq!(
        resume(8).unwrap_err(),
        SubscribeError::Ahead { asked: 8, next: 7 }
    );
}

#[test]
fn numbers_go_on_where_the_owner_says() {
    let feed = ChangeFeed::builder("feed").first_number(1_000).build().unwrap();
    update(&feed, 1, 1).unwrap();
    let mut old = feed.subscribe(FeedStart::At(998), Topic::everything()).unwrap();
    assert_eq!(read_all(&mut old), ["998-999", "1000"]);
}

#[test]
fn the_ring_is_bounded_in_bytes_and_lets_go_of_what_left_it() {
    let (map, key) = (map(), key(1));
    let records = [record(1), record(2), record(3)];
    let put = |record| Mutation::new(&map, Provenance::Client, MutationEvent::Put { key: &key, record });
    let each = OwnedMutation::from(&put(&records[0])).cost();
    let feed = ChangeFeed::builder("feed")
        .max_cost(Cost(each.0 * 2))
        .build()
        .unwrap();
    let held = |at: usize| Arc::strong_count(&records[at]) > 1;
    for record in &records {
        feed.on_mutation(&put(record)).unwrap();
    }
    assert_eq!((held(0), held(1), held(2)), (false, true, true));
    assert_eq!((feed.len(), feed.cost()), (2, Cost(each.0 * 2)));
}

#[test]
fn a_change_too_large_for_the_ring_is_told_as_lagged() {
    let (map, key, record) = (map(), key(1), record(1));
    let event = MutationEvent::Put {
        key: &key,
        record: &record,
    };
    let put = Mutation::new(&map, Provenance::Client, event);
    let cost = OwnedMutation::from(&put).cost();
    let feed = ChangeFeed::builder("feed")
        .max_cost(cost.minus(Cost(1)))
        .build()
        .unwrap();
    let mut subscription = feed.subscribe(FeedStart::Now, Topic::everything()).unwrap();
    feed.on_mutation(&put).unwrap();
    assert_eq!(
        (feed.len(), feed.cost(), Arc::strong_count(&record)),
        (0, Cost::ZERO, 1)
    );
    assert_eq!(read_all(&mut subscription), ["1-1"]);
}

#[test]
fn a_filter_picks_keys_by_prefix_and_lets_what_concerns_all_keys_pass() {
    let feed = feed(1_000);
    let filter = Topic::everything().map(map()).key_prefix("key:7");
    let mut some = feed.subscribe(FeedStart::Now, filter).unwrap();
    for number in 0..200 {
        update(&feed, number, number + 1).unwrap();
    }
    tell(&feed, MutationEvent::Clear { resident: 0 }).unwrap();
    let other = MapName::new("sessions").unwrap();
    let event = MutationEvent::Clear { resident: 0 };
    feed.on_mutation(&Mutation::new(&other, Provenance::Client, event))
        .unwrap();
    // Key 7 and 70 to 79 have the numbers 8 and 71 to 80; 201 cleared the map.
    let expected: Vec<String> = [8]
        .into_iter()
        .chain(71..=80)
        .chain([201])
        .map(|n: u64| n.to_string())
        .collect();
    assert_eq!(read_all(&mut some), expected);
    assert_eq!(
        some.position(),
        203,
        "what did not pass need not be looked at again"
    );
}

#[test]
fn memory_events_are_told_only_where_they_are_wanted() {
    let (changes, everything) = (
        feed(1_000),
        ChangeFeed::builder("all").with_memory_events().build().unwrap(),
    );
    let mut names = Vec::new();
    for feed in [&changes, &everything] {
        let mut subscription = feed.subscribe(FeedStart::Now, Topic::everything()).unwrap();
        for mutation in every_event(&map()) {
            feed.on_mutation(&mutation.as_mutation()).unwrap();
        }
        let mut seen = std::collections::BTreeSet::new();
        while let Ok(Some(FeedItem::Change(change))) = subscription.try_next() {
            seen.insert(change.mutation.event.name());
        }
        names.push(seen.into_iter().collect::<Vec<_>>());
    }
    let memory_alone = ["evict", "load", "reset"];
    assert_eq!(
        names[0],
        ["clear", "destroy", "put", "remove", "replication-put", "update"]
    );
    assert!(memory_alone.iter().all(|name| names[1].contains(name)));
}

#[test]
fn what_a_subscriber_reads_is_what_was_told() {
    let feed = ChangeFeed::builder("all").with_memory_events().build().unwrap();
    let told = every_event(&map());
    for mutation in &told {
        let _closed_by_the_first_destroy = feed.on_mutation(&mutation.as_mutation());
    }
    let subscription = feed.subscribe(FeedStart::Oldest, Topic::everything()).unwrap();
    let read = block_on(subscription.collect::<Vec<_>>());
    let first_destroy = told.iter().position(|one| one.event.name() == "destroy").unwrap();
    assert_eq!(read.len(), first_destroy + 1);
    for (item, (number, expected)) in read.iter().zip((1..).zip(&told)) {
        let FeedItem::Change(change) = item else {
            panic!("{item:?}")
        };
        assert_eq!((change.number, &*change.mutation), (number, expected));
    }
}

#[test]
fn the_cost_of_a_change_counts_the_previous_record_too() {
    let (map, key, old, new) = (map(), key(1), record(1), record(2));
    let cost = |previous| {
        let event = MutationEvent::Update {
            key: &key,
            record: &new,
            previous,
        };
        OwnedMutation::from(&Mutation::new(&map, Provenance::Client, event)).cost()
    };
    let known = cost(PreviousValue::Known(&old));
    assert_eq!(known.minus(cost(PreviousValue::Unknown)), old.cost(&key));
}
