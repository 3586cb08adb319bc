//! S5: a load that a mutation has overtaken still counts, and still ends in time.

use std::time::Duration;

use layerstore_record_store::{RecordErrorKind, RecordStore};
use layerstore_testkit::doubles::{Call, Side};
use tokio::time::Instant;

use crate::stage::{Rig, config, key, kind, start};

#[tokio::test]
async fn s5_a_load_that_was_overtaken_counts_until_it_ends() {
    let mut settings = config();
    (settings.load_concurrency, settings.load_queue) = (1, 2);
    let rig = Rig::configured(settings).await;
    rig.slow.shut(Call::Load, Side::Before);
    let alice = key("alice");
    let mut readers = Vec::new();
    for number in 0..2 {
        let mut reader = rig.store.get(&alice);
        start(&mut reader).await;
        readers.push(reader);
        rig.slow.until_waiting(Call::Load, Side::Before, 1).await;
        rig.set("alice", number).await;
        assert!(rig.store.evict(&alice).await.unwrap());
    }
    assert_eq!(
        kind(rig.store.get(&alice).await),
        RecordErrorKind::Busy,
        "two loads are under way, though nobody may join them"
    );
    rig.slow.open_all();
    for reader in readers {
        assert!(reader.await.unwrap().is_some());
    }
    assert_eq!(rig.get("alice").await, Some(1), "there is room again");
}

#[tokio::test(start_paused = true)]
async fn s5_loads_that_were_overtaken_together_share_one_more_deadline() {
    let mut settings = config();
    settings.load_deadline = Duration::from_millis(500);
    let rig = Rig::configured(settings).await;
    let keys: Vec<_> = (0..10).map(|at| key(&format!("key:{at}"))).collect();
    rig.slow.shut(Call::LoadAll, Side::After);
    let mut all = rig.store.get_all(&keys);
    start(&mut all).await;
    rig.slow.until_waiting(Call::LoadAll, Side::After, 1).await;
    let mut last = rig.store.get(&keys[9]);
    start(&mut last).await;
    for at in 0..10 {
        rig.set(&format!("key:{at}"), at).await;
    }
    assert_eq!(rig.store.clear_memory().await.unwrap(), 10);
    rig.slow.shut(Call::Load, Side::Before);
    rig.slow.open(Call::LoadAll, Side::After);
    let began = Instant::now();
    let (all, last) = futures::join!(all, last);
    assert_eq!(kind(all), RecordErrorKind::Deadline);
    assert_eq!(kind(last), RecordErrorKind::Deadline);
    assert_eq!(began.elapsed(), Duration::from_millis(500));
}
