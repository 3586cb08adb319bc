//! S9: a preload brings in what there is room for, whatever comes and goes meanwhile.

use layerstore_record_store::{RecordStore, WriteOptions};
use layerstore_testkit::doubles::{Call, Side};

use crate::stage::{Rig, key, start, ttl};

/// A rig whose data store holds `a` to `d`, of which memory knows nothing; `a` lives for so many milliseconds.
async fn below(lives: u64) -> Rig {
    let rig = Rig::new().await;
    rig.store.set(&key("a"), 0.into(), &ttl(lives)).await.unwrap();
    for (name, held) in [("b", 1), ("c", 2), ("d", 3)] {
        rig.set(name, held).await;
    }
    assert_eq!(rig.store.clear_memory().await.unwrap(), 4);
    rig
}

#[tokio::test]
async fn s9_a_preload_goes_on_after_a_record_that_came_into_memory_meanwhile() {
    let rig = below(1_000).await;
    rig.slow.shut(Call::Apply, Side::Before);
    let (a, options) = (key("a"), WriteOptions::DEFAULT);
    let mut set = rig.store.set(&a, 9.into(), &options);
    start(&mut set).await;
    rig.slow.until_waiting(Call::Apply, Side::Before, 1).await;
    // It has read the page, and waits for the writer.
    let mut preload = rig.store.preload(10);
    start(&mut preload).await;
    rig.slow.open_all();
    set.await.unwrap();
    assert_eq!(preload.await.unwrap(), 3);
    assert_eq!(rig.store.resident_len(), 4);
}

#[tokio::test]
async fn s9_a_preload_goes_on_after_a_record_that_ended_meanwhile() {
    let rig = below(10).await;
    rig.slow.shut(Call::LoadAll, Side::After);
    let mut preload = rig.store.preload(10);
    start(&mut preload).await;
    rig.slow.until_waiting(Call::LoadAll, Side::After, 1).await;
    rig.advance(10);
    rig.slow.open_all();
    assert_eq!(preload.await.unwrap(), 3);
    assert_eq!(rig.store.resident_len(), 3);
}
