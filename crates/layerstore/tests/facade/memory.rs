//! What maps take before anything is in them, counted by the allocator.

use allocation_counter::measure;
use layerstore::Layerstore;

/// How many maps are made.
const MAPS: u32 = 100;

/// What each may take, in bytes: a thousand of them 5 MB.
const MOST: i64 = 5_000;

#[tokio::test]
async fn a_thousand_maps_without_records_take_less_than_5_mb() {
    let store = Layerstore::builder().in_memory().build().await.unwrap();
    let mut maps = Vec::with_capacity(100);
    let make = || maps.extend((0..MAPS).map(|number| store.records(&format!("map {number}")).unwrap()));
    let taken = measure(make).bytes_current;
    let each = taken / i64::from(MAPS);
    assert!(each < MOST, "{each} bytes a map");
    assert!(maps.iter().all(|map| map.name().as_str().starts_with("map")));
}
