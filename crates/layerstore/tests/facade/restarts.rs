//! Restarts and rivals, through the facade and the record store down to the embedded store.

use std::sync::Arc;
use std::time::Duration;

use layerstore::embedded::kv::{KvBackend, MemoryKv};
use layerstore::embedded::{EmbeddedOptions, KvDataStore};
use layerstore::{Layerstore, MapSettings, Millis, RecordErrorKind};
use layerstore_testkit::clock::ManualClock;

use super::{close, on_both_flavours};

const HOUR: Duration = Duration::from_secs(3_600);

async fn open(dir: &std::path::Path, clock: &ManualClock) -> Layerstore {
    let builder = Layerstore::builder().embedded(dir).clock(clock.shared());
    let settings = MapSettings::new().put_deadline(Duration::from_secs(5));
    builder.map("m", settings).build().await.unwrap()
}

#[test]
fn the_wall_clock_set_back_an_hour_across_a_restart_loses_and_stalls_nothing() {
    on_both_flavours(|| {
        Box::pin(async {
            let dir = tempfile::tempdir().unwrap();
            let clock = ManualClock::new();
            let store = open(dir.path(), &clock).await;
            let map = store.map::<u64>("m").unwrap();
            for number in 0..100 {
                map.set(format!("k:{number}"), &number).await.unwrap();
            }
            let brief = map.set("brief", &1).ttl(HOUR / 2).await.unwrap();
            map.remove("k:99").await.unwrap();
            close(store).await;
            drop(map);

            clock.set(Millis(ManualClock::START.0 - 3_600_000));
            let store = open(dir.path(), &clock).await;
            let map = store.map::<u64>("m").unwrap();
            for number in 0..99 {
                assert_eq!(map.get(format!("k:{number}")).await.unwrap(), Some(number));
            }
            assert_eq!(
                map.get("k:99").await.unwrap(),
                None,
                "what was removed does not come back"
            );
            // Every write is acknowledged at once, under a version above all that went before, and is what is read.
            for number in 0..100 {
                let write = map.set(format!("k:{number}"), &(number + 1_000));
                let version = tokio::time::timeout(HOUR / 60, write.into_future())
                    .await
                    .unwrap()
                    .unwrap();
                assert!(version > brief, "{version:?}");
            }
            map.remove("k:0").await.unwrap();
            close(store).await;
            drop(map);

            let store = open(dir.path(), &clock).await;
            let map = store.map::<u64>("m").unwrap();
            assert_eq!(map.get("k:0").await.unwrap(), None);
            for number in 1..100 {
                assert_eq!(
                    map.get(format!("k:{number}")).await.unwrap(),
                    Some(number + 1_000)
                );
            }
            // Its end is absolute: half an hour after it was written, whatever the clock said in between.
            assert_eq!(map.get("brief").await.unwrap(), Some(1));
            clock.set(ManualClock::START.plus(1_800_000));
            assert_eq!(map.get("brief").await.unwrap(), None);
            close(store).await;
        })
    });
}

#[tokio::test]
async fn a_fenced_out_writer_is_told_by_every_write_and_reads_what_the_other_wrote() {
    let kv: Arc<dyn KvBackend> = Arc::new(MemoryKv::new());
    let open = || {
        let store = KvDataStore::over(Arc::clone(&kv), EmbeddedOptions::default()).unwrap();
        Layerstore::builder().embedded_store(Arc::new(store)).build()
    };
    let (old, new) = (open().await.unwrap(), open().await.unwrap());
    let (ours, theirs) = (old.map::<u64>("m").unwrap(), new.map::<u64>("m").unwrap());
    ours.set("k", &1).await.unwrap();
    ours.set("l", &1).await.unwrap();
    theirs.set("k", &2).await.unwrap();

    let told = |error: layerstore::Error| match error {
        layerstore::Error::Records(error) => assert_eq!(error.kind(), RecordErrorKind::Fenced, "{error}"),
        other => panic!("{other}"),
    };
    told(ours.set("k", &3).await.unwrap_err());
    told(ours.put("l", &3).await.unwrap_err());
    told(ours.remove("k").await.unwrap_err());
    told(ours.update("l", |old| old).await.unwrap_err());
    told(ours.clear().await.unwrap_err());
    let batch = ours.put_many([("k", &3), ("l", &3)]).await.unwrap();
    batch.into_iter().for_each(|result| told(result.unwrap_err()));

    // Its memory is not the truth any more.
    assert_eq!(ours.get("k").await.unwrap(), Some(2));
    theirs.set("l", &4).await.unwrap();
    assert_eq!(
        (ours.get("l").await.unwrap(), theirs.get("l").await.unwrap()),
        (Some(4), Some(4))
    );
}

/// Whether this is the second process, and where the first one is.
const DIRECTORY: &str = "LAYERSTORE_TEST_TAKEN_DIRECTORY";

#[tokio::test]
#[ignore = "the second process of the test below"]
async fn second_process() {
    let Ok(dir) = std::env::var(DIRECTORY) else {
        return;
    };
    let error = Layerstore::builder().embedded(&dir).build().await.err().unwrap();
    println!("REFUSED {:?} {error}", error.store_error().unwrap().kind());
}

#[tokio::test]
async fn a_second_process_on_a_directory_is_refused_by_the_name_of_directory_and_process() {
    let dir = tempfile::tempdir().unwrap();
    let store = Layerstore::builder().embedded(dir.path()).build().await.unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["restarts::second_process", "--exact", "--ignored", "--nocapture"])
        .env(DIRECTORY, dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let refusal = said
        .lines()
        .find(|line| line.contains("REFUSED"))
        .unwrap_or(&said);
    for part in [
        "AlreadyOpen",
        dir.path().to_str().unwrap(),
        &std::process::id().to_string(),
    ] {
        assert!(refusal.contains(part), "{part}: {refusal}");
    }
    // The first one never noticed.
    store.map::<u64>("m").unwrap().set("k", &1).await.unwrap();
    close(store).await;
}
