//! S9: whatever ends a store tells observers so, once, and as the last that they hear.

use std::time::Duration;

use layerstore_observer::OwnedEvent;
use layerstore_record_store::{RecordErrorKind, RecordStore, Shutdown, WriteOptions};
use layerstore_testkit::doubles::{Call, Side};

use crate::stage::{Rig, Stage, config, key, kind, start};

/// Whether each end that observers were told of was that of the whole service.
fn ends(stage: &Stage) -> Vec<bool> {
    let told = stage.observer.told();
    let end = |event: &OwnedEvent| match event {
        OwnedEvent::Destroy { shutdown } => Some(*shutdown),
        _ => None,
    };
    told.iter().filter_map(|one| end(&one.event)).collect()
}

const PATIENCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn s9_close_tells_observers_of_the_end_once_and_so_does_destroy() {
    for stage in [
        Stage::pure(config()).await,
        Stage::new().await,
        Rig::new().await.stage,
    ] {
        stage.set("alice", 1).await;
        assert!(stage.store.close(PATIENCE).await.is_complete());
        assert_eq!(
            (ends(&stage), stage.observer.names().last()),
            (vec![true], Some(&"destroy"))
        );
        assert!(stage.store.close(PATIENCE).await.is_complete());
        assert_eq!(
            kind(stage.store.destroy(Shutdown::Map).await),
            RecordErrorKind::Closed
        );
        assert_eq!(ends(&stage), [true]);
    }
    let stage = Stage::new().await;
    stage.store.destroy(Shutdown::Map).await.unwrap();
    assert!(stage.store.close(PATIENCE).await.is_complete());
    assert_eq!(ends(&stage), [false]);
}

#[tokio::test]
async fn s9_a_write_under_way_ends_before_the_store_does() {
    let rig = Rig::new().await;
    rig.slow.shut(Call::Apply, Side::After);
    let (alice, bob) = (key("alice"), key("bob"));
    let mut first = rig.store.set(&alice, 1.into(), &WriteOptions::DEFAULT);
    start(&mut first).await;
    rig.slow.until_waiting(Call::Apply, Side::After, 1).await;
    let mut queued = rig.store.set(&alice, 2.into(), &WriteOptions::DEFAULT);
    start(&mut queued).await;
    let mut closing = rig.store.close(Duration::from_secs(60));
    start(&mut closing).await;
    let late = rig.store.set(&bob, 1.into(), &WriteOptions::DEFAULT).await;
    assert_eq!(kind(late), RecordErrorKind::Closed);
    rig.slow.open_all();
    let (first, queued, closed) = futures::join!(first, queued, closing);
    assert!(closed.is_complete() && first.is_ok() && queued.is_ok());
    assert_eq!(rig.observer.names(), ["update", "update", "destroy"]);
    assert_eq!(rig.stored("alice").await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn s9_the_end_is_the_last_that_observers_hear_though_a_write_outlives_it() {
    let rig = Rig::new().await;
    rig.slow.shut(Call::Apply, Side::After);
    let alice = key("alice");
    let mut stuck = rig.store.set(&alice, 1.into(), &WriteOptions::DEFAULT);
    start(&mut stuck).await;
    rig.slow.until_waiting(Call::Apply, Side::After, 1).await;
    let mut queued = rig.store.set(&alice, 2.into(), &WriteOptions::DEFAULT);
    start(&mut queued).await;
    assert_eq!(rig.store.close(PATIENCE).await.unfinished, 1);
    assert_eq!(rig.observer.names(), ["destroy"]);
    rig.slow.open_all();
    assert!(stuck.await.unwrap().version.is_some(), "it stands");
    assert_eq!(kind(queued.await), RecordErrorKind::Closed);
    assert_eq!(
        (rig.observer.names(), rig.stored("alice").await),
        (vec!["destroy"], Some(1))
    );
}
