//! S7: who waits for room keeps nobody from making it.

use layerstore_record_store::{RecordStore, WriteOptions};
use layerstore_testkit::doubles::{Call, Side};

use crate::stage::{Rig, config, key, start};

#[tokio::test(start_paused = true)]
async fn s7_a_batch_first_writes_what_needs_no_room() {
    let rig = Rig::configured(config().max_count(1)).await;
    rig.set("alice", 1).await;
    let began = tokio::time::Instant::now();
    // Bob needs the room that Alice takes, whose gate the batch holds until she is written.
    let batch = vec![(key("bob"), 2.into()), (key("alice"), 3.into())];
    for result in rig.store.put_all(batch, &WriteOptions::DEFAULT).await {
        result.unwrap();
    }
    assert!(began.elapsed().is_zero(), "nothing was to be waited for");
    assert_eq!(
        (rig.stored("alice").await, rig.stored("bob").await),
        (Some(3), Some(2))
    );
}

#[tokio::test(start_paused = true)]
async fn s7_a_delete_all_that_waits_for_a_writer_does_not_keep_it_from_its_room() {
    // Barriers are raised key range by key range: whether the writer's comes first depends on the names.
    for attempt in 0..20 {
        let (kept, new) = (key(&format!("kept:{attempt}")), key(&format!("new:{attempt}")));
        let rig = Rig::configured(config().max_count(1)).await;
        rig.set(kept.as_str(), 1).await;
        rig.slow.shut(Call::Apply, Side::Before);
        let mut holds = rig.store.set(&kept, 2.into(), &WriteOptions::DEFAULT);
        start(&mut holds).await;
        rig.slow.until_waiting(Call::Apply, Side::Before, 1).await;
        // Nothing can be evicted for this one as long as the other is at it.
        let mut waits = rig.store.set(&new, 3.into(), &WriteOptions::DEFAULT);
        start(&mut waits).await;
        let mut delete = rig.store.delete_all();
        start(&mut delete).await;
        rig.slow.open_all();
        let (holds, waits, delete) = futures::join!(holds, waits, delete);
        let (held, waited) = (holds.unwrap().version, waits.unwrap().version);
        let floor = delete.unwrap().version;
        assert!(held < floor && waited < floor);
        assert_eq!(rig.store.count().await.unwrap(), 0);
    }
}
