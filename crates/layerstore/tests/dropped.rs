//! F3: a store that is dropped without `close` while writes are under way says so, leaves neither task nor thread, and opens
//! again with every write whole or not there. In a process of its own, whose threads can be counted.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test code: an unexpected answer ends the test"
)]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures::future::BoxFuture;
use layerstore::data_store::{InMemoryDataStore, MapDataStore};
use layerstore::{Layerstore, Map, SystemClock};
use layerstore_testkit::doubles::{Call, Side, SlowDataStore};
use layerstore_testkit::log::Log;
use tokio::runtime::{Builder, Handle, Runtime};

const WRITES: u64 = 64;
const PATIENCE: Duration = Duration::from_secs(30);

/// What the crates of Layerstore log.
static SAID: LazyLock<Log> = LazyLock::new(|| Log::events("layerstore"));

fn said() -> String {
    SAID.take()
}

fn runtimes() -> [Runtime; 2] {
    let single = Builder::new_current_thread().enable_all().build().unwrap();
    let several = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    [single, several]
}

/// Waits until no task is left.
async fn until_idle() {
    let idle = async {
        while Handle::current().metrics().num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    };
    let idle = tokio::time::timeout(PATIENCE, idle);
    idle.await.expect("a task outlives the store");
}

/// Begins many writes, and drops them, the map and the store while they are under way; returns what they would have written.
async fn begin_and_drop(store: Layerstore) {
    let map: Map<u64> = store.map("m").unwrap();
    map.set("first", &1).await.unwrap();
    let begin = |number: u64| -> BoxFuture<'static, bool> {
        let map = map.clone();
        Box::pin(async move { map.set(format!("k:{number:03}"), &number).await.is_ok() })
    };
    let mut writes: Vec<_> = (0..WRITES).map(begin).collect();
    for write in &mut writes {
        let _ = futures::poll!(write);
    }
    drop((writes, map, store));
}

async fn a_held_up_data_store() {
    let below: Arc<dyn MapDataStore> = Arc::new(InMemoryDataStore::new(Arc::new(SystemClock)));
    let slow = Arc::new(SlowDataStore::new(Arc::clone(&below)));
    let data_store = Arc::clone(&slow) as Arc<dyn MapDataStore>;
    let store = Layerstore::builder()
        .data_store(data_store)
        .build()
        .await
        .unwrap();
    let map: Map<u64> = store.map("m").unwrap();
    map.set("k", &1).await.unwrap();
    slow.shut(Call::Apply, Side::Before);
    let mut writing = Box::pin(async { map.set("k", &2).await });
    assert!(futures::poll!(&mut writing).is_pending());
    slow.until_waiting(Call::Apply, Side::Before, 1).await;
    let _ = said();
    drop(writing);
    drop((map, store));
    let log = said();
    assert!(log.contains("dropped without close"), "{log}");
    assert!(
        log.contains("dropped with loads or writes under way") && log.contains("under_way=1"),
        "the log says what was under way: {log}"
    );
    slow.open_all();
    until_idle().await;
    assert_eq!(
        Arc::strong_count(&slow),
        1,
        "something still holds the data store"
    );
    let name = layerstore::MapName::new("m").unwrap();
    let stored = below
        .load(&name, &layerstore::Key::new("k").unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        stored.value().value().map(|value| (**value).clone()),
        Some(2_u64.into()),
        "it happened whole"
    );
}

async fn an_embedded_store() {
    let dir = tempfile::tempdir().unwrap();
    let mut known = 0;
    for _ in 0..5 {
        let store = Layerstore::builder().embedded(dir.path()).build().await.unwrap();
        let _ = said();
        begin_and_drop(store).await;
        until_idle().await;
        let log = said();
        assert!(
            log.contains("dropped without close") && log.contains("maps=1"),
            "{log}"
        );

        // The directory is free again, and what is there is whole.
        let store = Layerstore::builder().embedded(dir.path()).build().await.unwrap();
        let map: Map<u64> = store.map("m").unwrap();
        assert_eq!(map.get("first").await.unwrap(), Some(1));
        for number in 0..WRITES {
            let found = map.get(format!("k:{number:03}")).await.unwrap();
            assert!(found.is_none_or(|found| found == number));
            known += u64::from(found.is_some());
        }
        map.set("first", &1).await.unwrap();
        assert!(store.close(PATIENCE).await.is_complete());
    }
    assert!(known > 0, "what was under way ends by itself");
}

/// How many threads this process has; `None` where nobody tells.
fn threads() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/task").ok()?.count())
}

#[test]
fn f3_a_store_dropped_without_close_leaves_no_task_and_no_thread_and_opens_again() {
    tracing::subscriber::set_global_default(SAID.clone()).unwrap();
    let before = threads();
    for runtime in runtimes() {
        runtime.block_on(a_held_up_data_store());
        runtime.block_on(an_embedded_store());
    }
    if before.is_none() {
        layerstore_testkit::proof::skip("threads left behind", "this system does not list them");
    }
    // A thread that has ended may be listed for a moment longer.
    let begun = tokio::time::Instant::now();
    while threads() > before {
        assert!(
            begun.elapsed() < PATIENCE,
            "a thread is left behind: {before:?}, {:?}",
            threads()
        );
        std::thread::yield_now();
    }
}
