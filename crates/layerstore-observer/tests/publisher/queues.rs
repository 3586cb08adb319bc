use layerstore_observer::{FeedClosed, Mutation, MutationEvent, MutationObserver, Topic};
use layerstore_record::{Cost, Provenance};

use crate::{map, publisher, put, read};

#[test]
fn u1_a_full_queue_loses_its_oldest_events_and_only_its_subscriber_is_told_which() {
    let publisher = publisher(|builder| builder.queue_events(2));
    let mut slow = publisher.subscribe("slow", Topic::everything()).unwrap();
    let mut quick = publisher.subscribe("quick", Topic::everything()).unwrap();
    for number in 1..=5 {
        put(&publisher, "users", &format!("k{number}"));
        assert_eq!(read(&mut quick), [format!("{number} k{number}")]);
    }
    assert_eq!(read(&mut slow), ["1-3", "4 k4", "5 k5"]);
    put(&publisher, "users", "k6");
    assert_eq!(read(&mut slow), ["6 k6"], "it is told once");
    let status = publisher.subscribers();
    assert_eq!((status[0].missed, status[1].missed), (3, 0));
}

#[test]
fn u1_a_queue_is_bounded_in_memory_too() {
    let publisher = publisher(|builder| builder.queue_cost(Cost(1)));
    let mut subscriber = publisher.subscribe("audit", Topic::everything()).unwrap();
    put(&publisher, "users", "a");
    put(&publisher, "users", "b");
    assert_eq!(publisher.subscribers()[0].queued, 0);
    assert_eq!(read(&mut subscriber), ["1-2"]);
}

#[test]
fn what_is_left_is_read_before_the_end() {
    let publisher = publisher(|builder| builder);
    let mut subscriber = publisher.subscribe("audit", Topic::everything()).unwrap();
    put(&publisher, "users", "a");
    publisher.close();
    put(&publisher, "users", "b");
    assert_eq!(read(&mut subscriber), ["1 a"]);
    assert_eq!(subscriber.try_next(), Err(FeedClosed));
    assert_eq!(futures::executor::block_on(subscriber.next()), None);
}

#[test]
fn it_ends_when_the_last_of_those_that_told_of_something_was_shut_down() {
    let publisher = publisher(|builder| builder);
    let mut subscriber = publisher.subscribe("audit", Topic::everything()).unwrap();
    put(&publisher, "users", "a");
    put(&publisher, "carts", "b");
    let end = |name: &str| {
        let (map, event) = (map(name), MutationEvent::Destroy { shutdown: true });
        let mutation = Mutation::new(&map, Provenance::Client, event);
        publisher.on_mutation(&mutation).unwrap();
    };
    end("users");
    put(&publisher, "carts", "c");
    end("carts");
    put(&publisher, "carts", "late");
    assert_eq!(read(&mut subscriber), ["1 a", "2 b", "3 all", "4 c", "5 all"]);
    assert_eq!(subscriber.try_next(), Err(FeedClosed));
}
