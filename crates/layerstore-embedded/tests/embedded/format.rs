//! R28: fixtures of every version of the format open and say what was written.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{MapDataStore, Write};
use layerstore_embedded::{EmbeddedOptions, KvDataStore};
use layerstore_record::{Millis, Record};
use layerstore_testkit::clock::ManualClock;

use crate::support::{apply, expiring, key, map, put, remove, scan, tombstone, value, version};

/// The current version of the store's format. Where its fixture is missing, the test writes it, and fails once.
const CURRENT: &str = "v1";

const NOW: Millis = Millis(1_000_000);

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn options() -> EmbeddedOptions {
    EmbeddedOptions::default().clock(ManualClock::at(NOW).shared())
}

/// What every fixture holds, in key order.
fn expected() -> Vec<(layerstore_record::Key, Record)> {
    let mut records: Vec<_> = (5..20).map(|n| (key(n), value(n, n + 100))).collect();
    records.push((key(20), tombstone(300)));
    records.push((key(21), expiring(21, 301, 2_000_000)));
    records
}

#[tokio::test]
async fn r28_every_version_of_the_format_opens() {
    if !fixtures().join(CURRENT).exists() {
        write_the_fixture_of_this_version().await;
        panic!("wrote the fixture of {CURRENT}: look at it, commit it, and run again");
    }
    let mut opened = 0;
    for version_dir in std::fs::read_dir(fixtures()).unwrap() {
        let version_dir = version_dir.unwrap().path();
        let dir = tempfile::tempdir().unwrap();
        copy(&version_dir, dir.path());
        let store = KvDataStore::open(dir.path(), options()).await.unwrap();
        assert_eq!(
            store.list_maps().await.unwrap(),
            vec![map("a/b\0🔑"), map("m")],
            "{version_dir:?}"
        );
        assert_eq!(scan(&store, &map("m")).await, expected(), "{version_dir:?}");
        let claim = store.claim(&map("m")).await.unwrap();
        assert_eq!((claim.epoch, claim.high_water), (3, version(301)));
        assert_eq!((claim.cleared, claim.purged), (version(50), version(60)));
        assert!(store.verify().await.unwrap().is_sound());
        apply(&store, vec![put(&map("m"), 1, 400)]).await;
        opened += 1;
    }
    layerstore_testkit::proof::report("R28", &[("versions", opened), ("violations", 0)]);
}

async fn write_the_fixture_of_this_version() {
    let dir = fixtures().join(CURRENT);
    std::fs::create_dir_all(&dir).unwrap();
    for round in 0..2 {
        let store = KvDataStore::open(&dir, options()).await.unwrap();
        store.claim(&map("m")).await.unwrap();
        if round == 0 {
            store.claim(&map("a/b\0🔑")).await.unwrap();
            fill(&store).await;
        }
        assert!(store.close(Duration::from_secs(10)).await.is_complete());
    }
    // Opening cuts the journal's preallocated tail off.
    drop(KvDataStore::open(&dir, options()).await.unwrap());
}

async fn fill(store: &KvDataStore) {
    let m = map("m");
    apply(store, (0..5).map(|n| put(&m, n, 40)).collect()).await;
    store.clear(&m, version(50)).await.unwrap();
    store.purge(&m, version(60)).await.unwrap();
    apply(store, (5..20).map(|n| put(&m, n, n + 100)).collect()).await;
    apply(store, vec![put(&m, 20, 200), remove(&m, 20, 300)]).await;
    apply(
        store,
        vec![Write::new(m, key(21), Arc::new(expiring(21, 301, 2_000_000)))],
    )
    .await;
    apply(store, vec![put(&map("a/b\0🔑"), 1, 1)]).await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
