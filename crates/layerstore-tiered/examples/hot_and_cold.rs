//! Records that nobody uses move to the cold store, and come back when they are read.
//!
//! `cargo run -p layerstore-tiered --example hot_and_cold`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{InMemoryDataStore, MapDataStore, MapDataStoreExt, Write};
use layerstore_record::{Hlc, Key, MapName, NodeId, Record, RecordValue, SystemClock};
use layerstore_tiered::{ArchivePolicy, Archiver, Promotion, Schedule, TieredDataStore, TieredOptions};

/// Opens the two stores as one. Here both are in memory; any store can be cold, and any that restates can be hot.
fn open() -> Result<Arc<TieredDataStore>, Box<dyn Error>> {
    let hot = Arc::new(InMemoryDataStore::new(Arc::new(SystemClock)));
    let cold = Arc::new(InMemoryDataStore::new(Arc::new(SystemClock)));
    let options = TieredOptions::default().promotion(Promotion::OnRead);
    Ok(Arc::new(TieredDataStore::new(hot, cold, options)?))
}

/// What was neither written nor used for a week goes, and at most 200 records at a time.
fn policy() -> Result<ArchivePolicy, Box<dyn Error>> {
    let week = Duration::from_secs(7 * 86_400);
    Ok(ArchivePolicy::builder().idle(week).batch_records(200).build()?)
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let store = open()?;
    let (map, key) = (MapName::new("orders")?, Key::new("2019-0001")?);
    let clock = Hlc::new(NodeId(1), Arc::new(SystemClock));
    clock.resume_above(store.claim(&map).await?.high_water);

    let at = clock.tick();
    let record = Record::builder(RecordValue::lww("three chairs", at), clock.next_version()).build();
    let answer = store
        .apply_one(Write::new(map.clone(), key.clone(), Arc::new(record)))
        .await;
    println!("written: {}", answer.is_applied());

    // In the background: a batch after the other, a rest between rounds.
    let archiver = Archiver::start(Arc::clone(&store), Schedule::new(policy()?));
    let report = archiver.shutdown(Duration::from_secs(10)).await;
    println!("archived in the background: {}", report.archived);

    // Or by hand: everything, now.
    let everything = ArchivePolicy::builder().age(Duration::ZERO).build()?;
    let report = store.archive(&map, &everything).await?;
    println!("archived by hand: {}", report.archived);

    let found = store.load(&map, &key).await?;
    println!("read from cold, and brought back: {}", found.is_some());
    let closed = store.close(Duration::from_secs(10)).await;
    println!("closed, nothing pending: {}", closed.is_complete());
    Ok(())
}
