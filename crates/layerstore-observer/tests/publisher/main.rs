//! The event publisher: topics, bounds, faults by name, and nobody who waits.
#![expect(clippy::unwrap_used, reason = "an unexpected answer ends the test")]

mod faults;
mod queues;
mod topics;

use std::sync::Arc;

use layerstore_observer::{
    EventPublisher, EventPublisherBuilder, Mutation, MutationEvent, MutationObserver, PublishedItem,
    Subscriber,
};
use layerstore_record::{Key, MapName, Provenance};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::records::record;

fn map(name: &str) -> MapName {
    MapName::new(name).unwrap()
}

fn publisher(build: impl FnOnce(EventPublisherBuilder) -> EventPublisherBuilder) -> Arc<EventPublisher> {
    Arc::new(build(EventPublisher::builder("events")).build())
}

/// A publisher on a clock of the test's.
fn timed(
    build: impl FnOnce(EventPublisherBuilder) -> EventPublisherBuilder,
) -> (ManualClock, Arc<EventPublisher>) {
    let clock = ManualClock::new();
    let publisher = publisher(|builder| build(builder.clock(clock.shared())));
    (clock, publisher)
}

/// Tells of a new record; an observer that is told so never fails.
fn put(publisher: &EventPublisher, in_map: &str, key: &str) {
    tell(publisher, in_map, Provenance::Client, key);
}

fn tell(publisher: &EventPublisher, in_map: &str, provenance: Provenance, key: &str) {
    let (map, key, record) = (map(in_map), Key::new(key).unwrap(), record(1));
    let event = MutationEvent::Put {
        key: &key,
        record: &record,
    };
    publisher
        .on_mutation(&Mutation::new(&map, provenance, event))
        .unwrap();
}

/// Reads what there is now, as `number key` or `from-to` of a lag.
fn read(subscriber: &mut Subscriber) -> Vec<String> {
    let mut read = Vec::new();
    while let Ok(Some(item)) = subscriber.try_next() {
        read.push(match item {
            PublishedItem::Event(event) => {
                let of = event.mutation.key().map_or("all", Key::as_str);
                format!("{} {of}", event.number)
            }
            PublishedItem::Lagged { from, to } => format!("{from}-{to}"),
        });
    }
    read
}
