//! S1, S3, S5 on both flavours of tokio's runtime, and what holds outside of any.

use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use layerstore_data_store::{InMemoryDataStore, MapDataStore};
use layerstore_engine::HashMapEngine;
use layerstore_observer::{FnObserver, Mutation, OwnedMutation};
use layerstore_record_store::{
    BuildError, DefaultRecordStore, RecordErrorKind, RecordStore, RecordStoreError, WriteOptions,
};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{Call, DawdlingDataStore, Side, SlowDataStore};
use tokio::runtime::{Builder, Runtime};

use crate::drops::{VERBS, begin};
use crate::stage::{Plan, Rig, Stage, config, key, kind, map, number};

/// How long anything may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(30);

fn several_threads() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

fn on_both_flavours(test: impl Fn() -> BoxFuture<'static, ()>) {
    let one_thread = Builder::new_current_thread().enable_all().build().unwrap();
    for runtime in [one_thread, several_threads()] {
        let in_time = async { tokio::time::timeout(PATIENCE, test()).await };
        runtime.block_on(in_time).expect("it is stuck");
    }
}

/// Waits until no task is left but those of the test.
async fn until_idle() {
    while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn s1_on_both_flavours_a_write_from_inside_an_observer_to_its_key_is_an_error_and_to_another_is_not() {
    on_both_flavours(|| {
        Box::pin(async {
            let cell: Arc<OnceLock<Weak<DefaultRecordStore>>> = Arc::default();
            let answers: Arc<Mutex<Vec<Option<RecordErrorKind>>>> = Arc::default();
            let (seen, noted) = (Arc::clone(&cell), Arc::clone(&answers));
            let observe = move |mutation: &Mutation<'_>| {
                let is_same = mutation.event.key().is_some_and(|told| *told == key("same"));
                if let Some(store) = seen.get().and_then(Weak::upgrade).filter(|_| is_same) {
                    let (same, other) = (key("same"), key("other"));
                    let options = WriteOptions::DEFAULT;
                    let kind = |error: RecordStoreError| error.kind();
                    let set = store.set(&same, 7.into(), &options).now_or_never();
                    let tried = store.try_set(&other, 7.into(), &options);
                    let mut noted = noted.lock().unwrap();
                    noted.push(set.and_then(Result::err).map(kind));
                    noted.push(tried.err().map(kind));
                }
                Ok(())
            };
            let memory = InMemoryDataStore::new(ManualClock::new().shared());
            let below = Arc::new(DawdlingDataStore::new(Arc::new(memory), 1));
            let store = DefaultRecordStore::builder(map(), Arc::new(HashMapEngine::new()), below)
                .observer(Arc::new(FnObserver::new("meddler", observe)))
                .config(config())
                .build()
                .unwrap();
            let store = Arc::new(store);
            store.init().await.unwrap();
            cell.set(Arc::downgrade(&store)).unwrap();
            let set = store.set(&key("same"), 1.into(), &WriteOptions::DEFAULT).await;
            assert!(set.unwrap().observer_error.is_none());
            assert_eq!(*answers.lock().unwrap(), [Some(RecordErrorKind::Reentrant), None]);
        })
    });
}

#[test]
fn s5_on_both_flavours_a_thousand_readers_of_a_missing_key_share_one_load() {
    on_both_flavours(|| {
        Box::pin(async {
            let rig = Rig::new().await;
            rig.set("k", 1).await;
            rig.store.evict(&key("k")).await.unwrap();
            let _ = rig.recording.take();
            rig.slow.shut(Call::Load, Side::After);
            let read = |_| {
                let store = Arc::clone(&rig.store);
                tokio::spawn(async move { store.get(&key("k")).await })
            };
            let readers: Vec<_> = (0..1_000).map(read).collect();
            rig.slow.until_waiting(Call::Load, Side::After, 1).await;
            rig.slow.open_all();
            for reader in readers {
                let found = reader.await.unwrap().unwrap();
                assert_eq!(found.map(|record| number(&record)), Some(1));
            }
            assert_eq!(rig.recording.count(Call::Load), 1);
        })
    });
}

#[test]
fn s3_on_both_flavours_writers_that_go_away_anywhere_leave_memory_store_and_observers_at_one() {
    on_both_flavours(|| {
        Box::pin(async {
            let clock = ManualClock::new();
            let below = Arc::new(InMemoryDataStore::new(clock.shared()));
            let dawdling = Arc::new(DawdlingDataStore::new(Arc::clone(&below) as _, 2));
            let stage = Stage::over(Plan::default(), clock, below, dawdling).await;
            let mut rng = fastrand::Rng::with_seed(layerstore_testkit::proof::seed());
            for round in 0..300_u64 {
                let store = Arc::clone(&stage.store);
                let name = format!("k:{}", round % 4);
                let writer = tokio::spawn(async move {
                    let k = key(&name);
                    match round % 3 {
                        0 => drop(store.put(&k, round.into(), &WriteOptions::DEFAULT).await),
                        1 => drop(store.set(&k, round.into(), &WriteOptions::DEFAULT).await),
                        _ => drop(store.evict(&k).await),
                    }
                });
                for _ in 0..rng.usize(..12) {
                    tokio::task::yield_now().await;
                }
                writer.abort();
            }
            until_idle().await;
            assert!(stage.observer.order_violations().is_empty());
            for name in (0..4).map(|number| format!("k:{number}")) {
                let below = stage.below.load(&map(), &key(&name)).await.unwrap();
                let stored = below.map(|record| record.version());
                let told = stage.observer.of_key(&key(&name));
                let told = told.iter().filter_map(OwnedMutation::version).max();
                assert_eq!(
                    told, stored,
                    "{name}: told of the last write that stands, and of no other"
                );
                if let Some(resident) = stage.resident(&name) {
                    assert_eq!(Some(resident.version()), stored, "{name}");
                }
                stage.set(&name, 1).await;
            }
        })
    });
}

#[test]
fn s3_on_both_flavours_close_ends_by_its_deadline_and_says_what_is_left() {
    on_both_flavours(|| {
        Box::pin(async {
            let rig = Rig::new().await;
            rig.slow.shut(Call::Apply, Side::Before);
            let store = Arc::clone(&rig.store);
            let writing =
                tokio::spawn(async move { store.set(&key("k"), 2.into(), &WriteOptions::DEFAULT).await });
            rig.slow.until_waiting(Call::Apply, Side::Before, 1).await;
            assert_eq!(rig.store.close(Duration::from_millis(10)).await.unfinished, 1);
            rig.slow.open_all();
            writing.await.unwrap().unwrap();
            assert!(rig.store.close(PATIENCE).await.is_complete());
            assert_eq!(rig.stored("k").await, Some(2));
        })
    });
}

/// Runs a future on a thread that knows no runtime.
fn outside<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    let begun = tokio::time::Instant::now();
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return done;
        }
        assert!(begun.elapsed() < PATIENCE, "it is stuck");
        std::thread::park_timeout(PATIENCE);
    }
}

#[test]
fn without_a_runtime_a_store_is_not_built_and_says_what_it_needs() {
    let below = Arc::new(InMemoryDataStore::new(ManualClock::new().shared()));
    let built = DefaultRecordStore::builder(map(), Arc::new(HashMapEngine::new()), below).build();
    let error = built.err().unwrap();
    assert!(matches!(error, BuildError::NoRuntime { .. }));
    assert!(error.to_string().contains("needs a tokio runtime"), "{error}");
}

#[test]
fn every_verb_works_on_a_thread_outside_of_the_stores_runtime() {
    let runtime = several_threads();
    for verb in VERBS {
        let clock = ManualClock::new();
        let below = Arc::new(InMemoryDataStore::new(clock.shared()));
        let dawdling = Arc::new(DawdlingDataStore::new(Arc::clone(&below) as _, 1));
        let slow = Arc::new(SlowDataStore::new(dawdling));
        let stage = runtime.block_on(Stage::over(Plan::default(), clock, below, Arc::clone(&slow) as _));
        outside(stage.set("k", 1));
        // Behind another writer of the key, too: a wait has a deadline, which takes a timer.
        let (k, options) = (key("k"), WriteOptions::DEFAULT);
        let first = stage.store.set(&k, 2.into(), &options);
        let (first, done) = outside(futures::future::join(first, begin(verb, &stage)));
        assert!(first.is_ok() || verb == "close" || verb == "destroy", "{verb}");
        assert!(done || verb == "replace", "{verb}");
    }
}

#[test]
fn after_its_runtime_has_ended_a_store_answers_with_errors_and_from_memory() {
    let runtime = several_threads();
    let clock = ManualClock::new();
    let below = Arc::new(InMemoryDataStore::new(clock.shared()));
    let dawdling = Arc::new(DawdlingDataStore::new(Arc::clone(&below) as _, 1));
    let stage = runtime.block_on(Stage::over(Plan::default(), clock, below, dawdling));
    runtime.block_on(stage.set("k", 1));
    drop(runtime);
    assert_eq!(outside(stage.get("k")), Some(1));
    assert_eq!(
        kind(outside(stage.store.get(&key("other")))),
        RecordErrorKind::Closed
    );
    let set = outside(stage.store.set(&key("k"), 2.into(), &WriteOptions::DEFAULT));
    assert_eq!(kind(set), RecordErrorKind::OutcomeUnknown);
}
