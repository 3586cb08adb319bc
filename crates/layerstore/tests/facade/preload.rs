//! Memory that is warm before it is asked.

use std::sync::Arc;
use std::time::Duration;

use layerstore::data_store::{InMemoryDataStore, MapDataStore};
use layerstore::{Layerstore, Map, TryGet};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{Call, Side, SlowDataStore};
use tokio::sync::mpsc;

use super::close;

/// More than two pages of a preload.
const RECORDS: u64 = 2_500;

/// Opens a store over this one, with records that memory does not have.
async fn stored(below: Arc<dyn MapDataStore>) -> (Layerstore, Map<u64>) {
    let store = Layerstore::builder().data_store(below).build().await.unwrap();
    let map = store.map::<u64>("numbers").unwrap();
    let numbers: Vec<_> = (0..RECORDS)
        .map(|number| (format!("{number:04}"), number))
        .collect();
    let numbers = numbers.iter().map(|(key, number)| (key.as_str(), number));
    for written in map.put_many(numbers).await.unwrap() {
        written.unwrap();
    }
    map.records().clear_memory().await.unwrap();
    assert_eq!(map.records().resident_len(), 0);
    (store, map)
}

fn in_memory() -> Arc<InMemoryDataStore> {
    Arc::new(InMemoryDataStore::new(ManualClock::new().shared()))
}

#[tokio::test(start_paused = true)]
async fn a_preload_says_how_far_it_is_and_what_it_has_read_is_served_meanwhile() {
    let slow = Arc::new(SlowDataStore::new(in_memory()));
    let (store, map) = stored(slow.clone()).await;
    let (told, mut hears) = mpsc::unbounded_channel();
    slow.shut(Call::LoadAll, Side::Before);
    let preload = tokio::spawn({
        let records = map.records().clone();
        let every = Duration::from_millis(10);
        async move {
            records
                .preload_watched(usize::MAX, every, |now| told.send(now).unwrap())
                .await
        }
    });
    assert_eq!(hears.recv().await, Some(0));
    slow.let_pass(Call::LoadAll, Side::Before, 1);
    while hears.recv().await.unwrap() < 1_000 {}
    assert_eq!(map.try_get("0999").unwrap(), TryGet::Hit(999));
    assert_eq!(map.try_get("1000").unwrap(), TryGet::NeedsLoad);
    slow.open_all();
    assert_eq!(preload.await.unwrap().unwrap(), 2_500);
    let mut last = None;
    while let Some(now) = hears.recv().await {
        last = Some(now);
    }
    assert_eq!(last, Some(2_500));
    close(store).await;
}

#[tokio::test]
async fn a_map_is_preloaded_up_to_the_limit() {
    let (store, map) = stored(in_memory()).await;
    assert_eq!(map.preload(1_200).await.unwrap(), 1_200);
    assert_eq!(map.records().resident_len(), 1_200);
    assert_eq!(map.preload(usize::MAX).await.unwrap(), 1_300);
    close(store).await;
}
