//! Reads a change feed, goes away, and comes back by number. Run it: `cargo run --example change_feed`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::sync::Arc;

use layerstore_observer::{
    ChangeFeed, FeedItem, FeedStart, Mutation, MutationEvent, MutationObserver, Subscription, Topic,
};
use layerstore_record::{Key, MapName, Millis, NodeId, Provenance, Record, RecordValue, Timestamp, Version};

/// Tells what there is to read now.
fn read(subscription: &mut Subscription) -> Vec<String> {
    let mut lines = Vec::new();
    while let Ok(Some(item)) = subscription.try_next() {
        lines.push(match item {
            FeedItem::Change(change) => {
                let key = change.mutation.key().map(Key::as_str).unwrap_or("every key");
                format!("{}: {} {key}", change.number, change.mutation.event.name())
            }
            FeedItem::Lagged { from, to } => format!("{from} to {to} were missed: read the map anew"),
        });
    }
    lines
}

/// Tells a feed of five changes, of which it holds three.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let feed = ChangeFeed::builder("changes").max_records(3).build()?;
    let only_users = Topic::everything().key_prefix("user:");
    let mut subscription = feed.subscribe(FeedStart::Now, only_users.clone())?;
    let mut position = subscription.position();

    let map = MapName::new("sessions")?;
    for (millis, key) in [
        (1, "user:1"),
        (2, "job:7"),
        (3, "user:2"),
        (4, "user:3"),
        (5, "user:4"),
    ] {
        let at = Timestamp::new(Millis(millis), 0, NodeId(1));
        let record = Arc::new(Record::builder(RecordValue::lww(millis, at), Version::new(at)).build());
        let event = MutationEvent::Put {
            key: &Key::new(key)?,
            record: &record,
        };
        feed.on_mutation(&Mutation::new(&map, Provenance::Client, event))?;
        if millis == 1 {
            println!("{:?}", read(&mut subscription));
            position = subscription.position();
        }
    }
    drop(subscription);

    let mut subscription = feed.subscribe(FeedStart::At(position), only_users)?;
    println!("{:?}", read(&mut subscription));
    Ok(())
}
