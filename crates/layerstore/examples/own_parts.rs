//! Hands an engine, a data store and an observer of one's own to a store. Ours stand in for yours here.
//!
//! `cargo run -p layerstore --example own_parts`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use layerstore::data_store::InMemoryDataStore;
use layerstore::engine::HashMapEngine;
use layerstore::observer::{FnObserver, Mutation};
use layerstore::{Layerstore, SystemClock};

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let store = Layerstore::builder()
        // Made anew for each partition of each map.
        .engine(|_map, _partition| Arc::new(HashMapEngine::new()))
        // One for all maps.
        .data_store(Arc::new(InMemoryDataStore::new(Arc::new(SystemClock))))
        // As many as there are, told in this order.
        .observer(Arc::new(FnObserver::new("prints", |mutation: &Mutation<'_>| {
            println!("{} in {}", mutation.event.name(), mutation.map);
            Ok(())
        })))
        .build()
        .await?;

    let users = store.map::<String>("users")?;
    users.set("alice", &"Alice".to_owned()).await?;
    users.remove("alice").await?;
    let report = store.close(Duration::from_secs(10)).await;
    println!("closed cleanly: {}", report.is_complete());
    Ok(())
}
