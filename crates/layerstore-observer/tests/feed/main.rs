//! The change feed: numbers, bounds, lag, resuming, filters, closing; against a model and under threads.
#![expect(clippy::unwrap_used, reason = "an unexpected answer ends the test")]

mod closing;
mod model;
mod reading;
mod threads;

use layerstore_observer::{
    ChangeFeed, FeedItem, Mutation, MutationEvent, MutationObserver, ObserverError, PreviousValue,
    Subscription,
};
use layerstore_record::{MapName, Provenance};
use layerstore_testkit::records::{key, record};

fn map() -> MapName {
    MapName::new("users").unwrap()
}

/// Tells the feed that key `number` was updated to version `version`.
fn update(feed: &ChangeFeed, number: u64, version: u64) -> Result<(), ObserverError> {
    let event = MutationEvent::Update {
        key: &key(number),
        record: &record(version),
        previous: PreviousValue::Unknown,
    };
    feed.on_mutation(&Mutation::new(&map(), Provenance::Client, event))
}

/// Tells the feed an event without a key.
fn tell(feed: &ChangeFeed, event: MutationEvent<'_>) -> Result<(), ObserverError> {
    feed.on_mutation(&Mutation::new(&map(), Provenance::Client, event))
}

/// Reads what there is now, as `number` of a change or `from-to` of a lag.
fn read_all(subscription: &mut Subscription) -> Vec<String> {
    let mut read = Vec::new();
    while let Ok(Some(item)) = subscription.try_next() {
        read.push(match item {
            FeedItem::Change(change) => change.number.to_string(),
            FeedItem::Lagged { from, to } => format!("{from}-{to}"),
        });
    }
    read
}
