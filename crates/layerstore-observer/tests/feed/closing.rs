use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::executor::block_on;
use layerstore_observer::{
    ChangeFeed, FeedClosed, FeedItem, FeedStart, InvalidChangeFeed, Mutation, MutationEvent,
    MutationObserver, SubscribeError, Subscription, Topic,
};
use layerstore_record::{Cost, MapName, Provenance};

use super::{map, read_all, tell, update};

const DESTROY: MutationEvent<'static> = MutationEvent::Destroy { shutdown: true };

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn feed() -> ChangeFeed {
    ChangeFeed::builder("feed").build().unwrap()
}

fn subscribe(feed: &ChangeFeed) -> Subscription {
    feed.subscribe(FeedStart::Now, Topic::everything()).unwrap()
}

fn poll(subscription: &mut Subscription, bell: &Arc<Bell>) -> Poll<Option<FeedItem>> {
    let waker = Waker::from(Arc::clone(bell));
    pin!(subscription.next()).poll(&mut Context::from_waker(&waker))
}

#[test]
fn destroy_is_the_last_change_and_closes_the_feed() {
    let feed = feed();
    let mut subscription = subscribe(&feed);
    update(&feed, 1, 1).unwrap();
    tell(&feed, DESTROY).unwrap();
    assert!(feed.is_closed());
    assert_eq!(read_all(&mut subscription), ["1", "2"]);
    assert_eq!(subscription.try_next(), Err(FeedClosed));
    assert_eq!(block_on(subscription.next()), None);
    let late = feed.subscribe(FeedStart::Oldest, Topic::everything());
    assert_eq!(
        read_all(&mut late.unwrap()),
        ["1", "2"],
        "what is left can still be read"
    );
}

#[test]
fn a_write_told_to_a_closed_feed_is_an_error_and_a_further_destroy_is_not() {
    let feed = feed();
    feed.close();
    let error = update(&feed, 1, 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "observer \"feed\" failed: the change feed is closed"
    );
    assert!(tell(&feed, DESTROY).is_ok());
    assert_eq!(feed.next_number(), 1);
}

#[test]
fn a_feed_of_several_sources_closes_when_the_last_of_them_is_destroyed() {
    let feed = ChangeFeed::builder("feed").sources(2).build().unwrap();
    let map = map();
    let destroy = |partition| {
        let mutation = Mutation::new(&map, Provenance::Client, DESTROY).in_partition(partition);
        feed.on_mutation(&mutation).unwrap();
    };
    destroy(0);
    destroy(0);
    assert!(!feed.is_closed(), "the same one twice is one");
    update(&feed, 1, 1).unwrap();
    destroy(1);
    assert!(feed.is_closed());
    let mut all = feed.subscribe(FeedStart::Oldest, Topic::everything()).unwrap();
    assert_eq!(read_all(&mut all), ["1", "2", "3", "4"]);
}

#[test]
fn a_feed_that_was_not_told_of_sources_closes_when_all_that_it_heard_of_are_destroyed() {
    let feed = feed();
    let (one, two) = (map(), MapName::new("sessions").unwrap());
    let tell = |map, partition, event| {
        let mutation = Mutation::new(map, Provenance::Client, event).in_partition(partition);
        feed.on_mutation(&mutation).unwrap();
    };
    let clear = MutationEvent::Clear { resident: 0 };
    for (map, partition) in [(&one, 0), (&one, 1), (&two, 0)] {
        tell(map, partition, clear);
    }
    tell(&one, 0, DESTROY);
    tell(&two, 0, DESTROY);
    assert!(!feed.is_closed());
    tell(&one, 0, clear);
    tell(&one, 1, DESTROY);
    assert!(!feed.is_closed(), "the first one was made anew");
    tell(&one, 0, DESTROY);
    assert!(feed.is_closed());
}

#[test]
fn a_waiting_subscriber_is_woken_by_a_change_by_closing_and_by_the_end_of_the_feed() {
    let bell = Arc::new(Bell::default());
    let rings = || bell.0.load(Ordering::SeqCst);
    let feed = feed();
    let (mut one, mut two) = (subscribe(&feed), subscribe(&feed));
    assert_eq!(poll(&mut one, &bell), Poll::Pending);
    update(&feed, 1, 1).unwrap();
    assert_eq!(rings(), 1);
    assert!(matches!(
        poll(&mut one, &bell),
        Poll::Ready(Some(FeedItem::Change(_)))
    ));
    assert_eq!(poll(&mut one, &bell), Poll::Pending);
    feed.close();
    assert_eq!(rings(), 2);
    assert_eq!(poll(&mut one, &bell), Poll::Ready(None));

    let feed = self::feed();
    two = {
        drop(two);
        subscribe(&feed)
    };
    assert_eq!(poll(&mut two, &bell), Poll::Pending);
    drop(feed);
    assert_eq!(rings(), 3);
    assert_eq!(poll(&mut two, &bell), Poll::Ready(None));
}

#[test]
fn giving_up_waiting_loses_nothing_and_the_newest_waker_is_woken() {
    let (old, new) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    let feed = feed();
    let mut subscription = subscribe(&feed);
    assert_eq!(poll(&mut subscription, &old), Poll::Pending);
    assert_eq!(poll(&mut subscription, &new), Poll::Pending);
    update(&feed, 1, 1).unwrap();
    assert_eq!(
        (old.0.load(Ordering::SeqCst), new.0.load(Ordering::SeqCst)),
        (0, 1)
    );
    assert_eq!(read_all(&mut subscription), ["1"]);
}

#[test]
fn a_dropped_subscriber_frees_its_place_and_its_waker() {
    let bell = Arc::new(Bell::default());
    let feed = ChangeFeed::builder("feed").max_subscriptions(1).build().unwrap();
    let mut only = subscribe(&feed);
    assert_eq!(poll(&mut only, &bell), Poll::Pending);
    let refused = feed.subscribe(FeedStart::Now, Topic::everything());
    assert_eq!(refused.unwrap_err(), SubscribeError::TooMany { max: 1 });
    assert_eq!((feed.subscriptions(), Arc::strong_count(&bell)), (1, 2));
    drop(only);
    assert_eq!((feed.subscriptions(), Arc::strong_count(&bell)), (0, 1));
    assert!(feed.subscribe(FeedStart::Now, Topic::everything()).is_ok());
}

#[test]
fn a_bound_of_nothing_is_refused_by_name() {
    let bad = [
        ("max_records", feed_builder().max_records(0)),
        ("max_cost", feed_builder().max_cost(Cost::ZERO)),
        ("max_subscriptions", feed_builder().max_subscriptions(0)),
        ("first_number", feed_builder().first_number(0)),
        ("sources", feed_builder().sources(0)),
    ];
    for (setting, builder) in bad {
        let refused = InvalidChangeFeed {
            feed: "feed".to_owned(),
            setting,
        };
        assert_eq!(builder.build().map(|_| ()).unwrap_err(), refused);
    }
}

fn feed_builder() -> layerstore_observer::ChangeFeedBuilder {
    ChangeFeed::builder("feed")
}
