//! Indexes and live queries keep the contract of observers.
#![expect(clippy::unwrap_used, reason = "an unexpected answer ends the test")]

use std::sync::Arc;

use layerstore_query::{Index, LiveQuery, Predicate, Query};
use layerstore_record::MapName;
use layerstore_testkit::observer_conformance;

fn map() -> MapName {
    MapName::new("conformance").unwrap()
}

observer_conformance!(hash_index, Arc::new(Index::hash("index", map(), "")));
observer_conformance!(
    resident_ordered_index,
    Arc::new(Index::ordered("index", map(), "").over_resident())
);
observer_conformance!(
    live_query,
    Arc::new(LiveQuery::builder("live", map(), Query::of(Predicate::everything())).build())
);
