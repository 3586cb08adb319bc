use std::fmt::Write;

use layerstore::observer::{Change, FeedItem, OwnedEvent, OwnedMutation};
use layerstore::{Record, Value};

use crate::json;
use crate::out::{Form, shown};
use crate::record_json;

/// Shows what was read of the feed, on one line.
pub(super) fn item(item: &FeedItem, form: Form) -> String {
    match (item, form) {
        (FeedItem::Change(change), Form::Text) => text(&change.mutation),
        (FeedItem::Change(change), Form::Json) => object(change),
        (FeedItem::Lagged { from, to }, Form::Text) => format!("lagged\tchanges {from} to {to} were missed"),
        (FeedItem::Lagged { from, to }, Form::Json) => {
            format!("{{\"event\":\"lagged\",\"from\":{from},\"to\":{to}}}")
        }
    }
}

/// Event, key, and the value or the reason of a removal, with tabs between.
fn text(mutation: &OwnedMutation) -> String {
    let mut line = mutation.event.name().to_owned();
    if let Some(key) = mutation.key() {
        line.push('\t');
        line.push_str(&shown(key.as_str()));
    }
    if let Some(value) = record(&mutation.event).map(record_json::value) {
        line.push('\t');
        line.push_str(&value);
    }
    if let OwnedEvent::Remove { reason, .. } = &mutation.event {
        line.push('\t');
        line.push_str(reason.name());
    }
    line
}

/// The same with number and version, and the times of the record.
fn object(change: &Change) -> String {
    let mutation = &change.mutation;
    let mut line = format!(
        "{{\"number\":{},\"event\":\"{}\"",
        change.number,
        mutation.event.name()
    );
    // Writing into a string cannot fail.
    if let (Some(key), Some(record)) = (mutation.key(), record(&mutation.event)) {
        let _ = write!(line, ",{}", &record_json::whole(key, record)[1..]);
        return line;
    }
    if let Some(key) = mutation.key() {
        let _ = write!(line, ",\"key\":{}", json::text(&Value::from(key.as_str())));
    }
    if let OwnedEvent::Remove { reason, .. } = &mutation.event {
        let _ = write!(line, ",\"reason\":\"{}\"", reason.name());
    }
    if let Some(version) = mutation.version() {
        let _ = write!(line, ",\"version\":\"{version}\"");
    }
    line.push('}');
    line
}

/// Returns the record that the key has now, where it has one.
fn record(event: &OwnedEvent) -> Option<&Record> {
    let (OwnedEvent::Put { record, .. }
    | OwnedEvent::Update { record, .. }
    | OwnedEvent::ReplicationPut { record, .. }) = event
    else {
        return None;
    };
    (!record.is_tombstone()).then_some(record)
}
