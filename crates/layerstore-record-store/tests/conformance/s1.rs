//! S1: writers of a key pass its gate one at a time, in the order of their coming.

use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use futures::FutureExt;
use layerstore_engine::HashMapEngine;
use layerstore_observer::{FnObserver, Mutation, MutationObserver};
use layerstore_record::Value;
use layerstore_record_store::{DefaultRecordStore, RecordErrorKind, RecordStore, TrySet, WriteOptions};
use layerstore_testkit::doubles::{Call, Side};

use crate::stage::{Rig, Stage, config, key, kind, map, start};

#[tokio::test]
async fn s1_writers_of_a_key_are_served_in_the_order_of_their_coming() {
    let rig = Rig::new().await;
    rig.slow.shut(Call::Apply, Side::Before);
    let alice = key("alice");
    let mut writers: Vec<_> = (0..20)
        .map(|number| rig.store.set(&alice, number.into(), &WriteOptions::DEFAULT))
        .collect();
    for writer in &mut writers {
        start(writer).await;
    }
    // One is in the data store, nineteen are at the gate.
    rig.slow.until_waiting(Call::Apply, Side::Before, 1).await;
    assert_eq!(rig.slow.waiting(Call::Apply, Side::Before), 1);
    rig.slow.open_all();
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.push(writer.await.unwrap().version.unwrap());
    }
    assert!(
        acknowledged.is_sorted_by(|one, next| one < next),
        "{acknowledged:?}"
    );
    assert_eq!(rig.recording.versions(&map(), &alice), acknowledged);
    assert_eq!(rig.observer.order_violations(), Vec::<String>::new());
    assert_eq!(rig.observer.told().len(), 20);
    assert_eq!(
        (rig.get("alice").await, rig.stored("alice").await),
        (Some(19), Some(19))
    );
}

#[tokio::test]
async fn s1_no_write_waits_on_another_keys_io() {
    let rig = Rig::new().await;
    rig.slow.shut(Call::Apply, Side::Before);
    let keys: Vec<_> = (0..100).map(|number| key(&format!("key:{number}"))).collect();
    let mut writers: Vec<_> = keys
        .iter()
        .map(|key| rig.store.set(key, 1.into(), &WriteOptions::DEFAULT))
        .collect();
    for writer in &mut writers {
        start(writer).await;
    }
    // All of them are in the data store at once.
    rig.slow
        .until_waiting(Call::Apply, Side::Before, keys.len())
        .await;
    rig.slow.open_all();
    for writer in writers {
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn s1_a_waiting_writer_that_goes_away_keeps_nobody_waiting() {
    let rig = Rig::new().await;
    rig.slow.shut(Call::Apply, Side::Before);
    let alice = key("alice");
    let mut first = rig.store.set(&alice, 1.into(), &WriteOptions::DEFAULT);
    start(&mut first).await;
    let mut gone: Vec<_> = (0..50)
        .map(|_| rig.store.set(&alice, 2.into(), &WriteOptions::DEFAULT))
        .collect();
    for writer in &mut gone {
        start(writer).await;
    }
    let mut last = rig.store.set(&alice, 3.into(), &WriteOptions::DEFAULT);
    start(&mut last).await;
    drop(gone);
    rig.slow.open_all();
    first.await.unwrap();
    last.await.unwrap();
    assert_eq!(rig.get("alice").await, Some(3));
    assert_eq!(
        rig.recording.versions(&map(), &alice).len(),
        2,
        "who went away at the gate left nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn s1_a_wait_at_the_gate_has_a_deadline() {
    let rig = Rig::new().await;
    rig.slow.shut(Call::Apply, Side::Before);
    let alice = key("alice");
    let mut first = rig.store.set(&alice, 1.into(), &WriteOptions::DEFAULT);
    start(&mut first).await;
    let refused = kind(rig.store.set(&alice, 2.into(), &WriteOptions::DEFAULT).await);
    assert_eq!(refused, RecordErrorKind::Deadline);
    rig.slow.open_all();
    first.await.unwrap();
    assert_eq!(rig.get("alice").await, Some(1));
}

/// What an observer got for its writes, by what it wrote to.
type Answers = Arc<Mutex<Vec<(&'static str, Option<RecordErrorKind>)>>>;

/// An observer that writes to `same` and `other` whenever it is told of `same`.
fn meddler(store: Arc<OnceLock<Weak<DefaultRecordStore>>>, answers: Answers) -> Arc<dyn MutationObserver> {
    let observe = move |mutation: &Mutation<'_>| {
        let store = store.get().and_then(Weak::upgrade);
        let is_same = mutation.event.key().is_some_and(|told| *told == key("same"));
        let Some(store) = store.filter(|_| is_same) else {
            return Ok(());
        };
        let try_same = store.try_set(&key("same"), 7.into(), &WriteOptions::DEFAULT);
        let set_same = store
            .set(&key("same"), 7.into(), &WriteOptions::DEFAULT)
            .now_or_never();
        let delete = store.delete_all().now_or_never();
        let other = store.try_set(&key("other"), 7.into(), &WriteOptions::DEFAULT);
        let mut answers = answers.lock().unwrap();
        answers.push(("try_same", try_same.err().map(|error| error.kind())));
        answers.push((
            "set_same",
            set_same.and_then(Result::err).map(|error| error.kind()),
        ));
        answers.push((
            "delete_all",
            delete.and_then(Result::err).map(|error| error.kind()),
        ));
        answers.push(("other", other.err().map(|error| error.kind())));
        Ok(())
    };
    Arc::new(FnObserver::new("meddler", observe))
}

const MEDDLING: [(&str, Option<RecordErrorKind>); 4] = [
    ("try_same", Some(RecordErrorKind::Reentrant)),
    ("set_same", Some(RecordErrorKind::Reentrant)),
    ("delete_all", Some(RecordErrorKind::Reentrant)),
    ("other", None),
];

#[tokio::test]
async fn s1_a_write_to_the_same_key_from_inside_an_observer_is_an_error() {
    // Synchronously without a data store, and in a task of the store's own over one that needs I/O.
    for needs_io in [false, true] {
        let (cell, answers) = (Arc::default(), Answers::default());
        let observer = meddler(Arc::clone(&cell), Arc::clone(&answers));
        let below: Arc<dyn layerstore_data_store::MapDataStore> = if needs_io {
            let memory = layerstore_data_store::InMemoryDataStore::new(Stage::new().await.clock.shared());
            Arc::new(layerstore_testkit::doubles::SlowDataStore::new(Arc::new(memory)))
        } else {
            Arc::new(layerstore_data_store::NullDataStore::new())
        };
        let store = DefaultRecordStore::builder(map(), Arc::new(HashMapEngine::new()), below);
        let store = Arc::new(store.config(config()).observer(observer).build().unwrap());
        store.init().await.unwrap();
        cell.set(Arc::downgrade(&store)).unwrap();
        let outcome = store
            .set(&key("same"), 1.into(), &WriteOptions::DEFAULT)
            .await
            .unwrap();
        assert!(outcome.observer_error.is_none());
        assert_eq!(*answers.lock().unwrap(), MEDDLING, "needs I/O: {needs_io}");
        assert_eq!(
            store.get(&key("same")).await.unwrap().unwrap().version(),
            outcome.version.unwrap()
        );
    }
}

#[tokio::test]
async fn s1_a_write_to_another_key_of_the_same_batch_from_inside_an_observer_is_an_error() {
    let (cell, answers) = (
        Arc::<OnceLock<Weak<DefaultRecordStore>>>::default(),
        Answers::default(),
    );
    let (seen, noted) = (Arc::clone(&cell), Arc::clone(&answers));
    let observe = move |mutation: &Mutation<'_>| {
        let told = mutation.event.key().map(|key| key.as_str().to_owned());
        let others = ["one", "two"]
            .into_iter()
            .filter(|name| told.as_deref() == Some("one") && *name != "one");
        for name in others {
            let tried =
                seen.get()
                    .unwrap()
                    .upgrade()
                    .unwrap()
                    .try_set(&key(name), 7.into(), &WriteOptions::DEFAULT);
            noted
                .lock()
                .unwrap()
                .push((name, tried.err().map(|error| error.kind())));
        }
        Ok(())
    };
    let store = DefaultRecordStore::builder(
        map(),
        Arc::new(HashMapEngine::new()),
        Arc::new(layerstore_data_store::NullDataStore::new()),
    );
    let store = store
        .config(config())
        .observer(Arc::new(FnObserver::new("meddler", observe)));
    let store = Arc::new(store.build().unwrap());
    store.init().await.unwrap();
    cell.set(Arc::downgrade(&store)).unwrap();
    let batch = vec![(key("one"), 1.into()), (key("two"), 2.into())];
    assert!(
        store
            .put_all(batch, &WriteOptions::DEFAULT)
            .await
            .iter()
            .all(Result::is_ok)
    );
    assert_eq!(
        *answers.lock().unwrap(),
        [("two", Some(RecordErrorKind::Reentrant))]
    );
}

#[tokio::test]
async fn s1_delete_all_waits_for_writers_and_keeps_newcomers_waiting() {
    let rig = Rig::new().await;
    rig.slow.shut(Call::Apply, Side::Before);
    let alice = key("alice");
    let mut before = rig.store.set(&alice, 1.into(), &WriteOptions::DEFAULT);
    start(&mut before).await;
    rig.slow.until_waiting(Call::Apply, Side::Before, 1).await;
    let mut delete = rig.store.delete_all();
    start(&mut delete).await;
    let mut after = rig.store.set(&alice, 2.into(), &WriteOptions::DEFAULT);
    start(&mut after).await;
    assert!(matches!(
        rig.store.try_set(&alice, 3.into(), &WriteOptions::DEFAULT),
        Ok(TrySet::NeedsIo(_))
    ));
    assert_eq!(
        rig.slow.waiting(Call::Apply, Side::Before),
        1,
        "the newcomer waits at the gate"
    );
    rig.slow.open_all();
    let before = before.await.unwrap().version.unwrap();
    let deleted = delete.await.unwrap().version.unwrap();
    let after = after.await.unwrap().version.unwrap();
    assert!(before < deleted && deleted < after);
    assert_eq!(
        (rig.get("alice").await, rig.stored("alice").await),
        (Some(2), Some(2))
    );
    assert_eq!(rig.observer.names(), ["update", "clear", "update"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_batches_writers_and_delete_all_never_wait_for_each_other_in_a_ring() {
    let stage = Stage::new().await;
    let seed = layerstore_testkit::proof::seed();
    let tasks = (0..8_u64).map(|task| {
        let store = Arc::clone(&stage.store);
        tokio::spawn(async move {
            let mut rng = fastrand::Rng::with_seed(seed ^ task);
            for round in 0..200_u64 {
                let keys = (0..rng.u64(1..20)).map(|_| key(&format!("key:{}", rng.u8(0..30))));
                let batch: Vec<_> = keys.map(|key| (key, round.into())).collect();
                if rng.u8(0..20) == 0 {
                    store.delete_all().await.unwrap();
                }
                for result in store.put_all(batch, &WriteOptions::DEFAULT).await {
                    result.unwrap();
                }
            }
        })
    });
    let all = futures::future::join_all(tasks);
    for ended in tokio::time::timeout(Duration::from_secs(60), all)
        .await
        .expect("they wait in a ring")
    {
        ended.unwrap();
    }
    assert_eq!(stage.observer.order_violations(), Vec::<String>::new());
    let value = stage
        .store
        .set(&key("key:0"), Value::from("free").into(), &WriteOptions::DEFAULT)
        .await;
    assert!(value.is_ok(), "no gate was left closed");
}
