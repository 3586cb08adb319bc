//! R28: fixtures of every version of the format open and say what was written. R23: hostile objects are named.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapDataStore, ScanRequest, Write, WriteResult};
use layerstore_opendal::OpendalDataStore;
use layerstore_record::{Key, Record};
use layerstore_testkit::objects::{ObjectFaults, ObjectMemory};
use layerstore_testkit::proof;
use layerstore_testkit::records::{key, record, version};

use crate::support::{apply, map, open, options, put, removal, scan, tombstone};

/// The current version of the store's format. Where its fixture is missing, the test writes it, and fails once.
const CURRENT: &str = "v1";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

async fn at(directory: &Path) -> OpendalDataStore {
    let settings = [("root".to_owned(), directory.to_string_lossy().into_owned())];
    OpendalDataStore::open("fs", settings, options()).await.unwrap()
}

/// Keys that need each way of writing a name: by letters, by marks, in several components.
fn keys() -> Vec<Key> {
    let long = "k%".repeat(90);
    let mut keys: Vec<Key> = ["alice", "user:42", "\0/../é😀", &long]
        .map(|text| Key::new(text).unwrap())
        .into();
    keys.sort();
    keys
}

/// What every fixture holds, in key order.
fn expected() -> Vec<(Key, Record)> {
    let mut records: Vec<(Key, Record)> = keys()
        .into_iter()
        .zip(100..)
        .map(|(key, at)| (key, Arc::into_inner(record(at)).unwrap()))
        .collect();
    records.push((key(1), tombstone(200)));
    records.sort_by(|(one, _), (two, _)| one.cmp(two));
    records
}

#[tokio::test]
async fn r28_every_version_of_the_format_opens() {
    if !fixtures().join(CURRENT).exists() {
        write_the_fixture_of_this_version().await;
        panic!("wrote the fixture of {CURRENT}: look at it, commit it, and run again");
    }
    let mut opened = 0;
    for fixture in std::fs::read_dir(fixtures()).unwrap() {
        let fixture = fixture.unwrap().path();
        let directory = tempfile::tempdir().unwrap();
        copy(&fixture, directory.path());
        let store = at(directory.path()).await;
        assert_eq!(
            store.list_maps().await.unwrap(),
            [map("a/b\0🔑"), map("m")],
            "{fixture:?}"
        );
        assert_eq!(scan(&store, &map("m")).await, expected(), "{fixture:?}");
        let claim = store.claim(&map("m")).await.unwrap();
        assert_eq!((claim.epoch, claim.high_water), (2, version(200)));
        assert_eq!((claim.cleared, claim.purged), (version(50), version(60)));
        assert!(apply(&store, put(&map("m"), 1, 400)).await.is_applied());
        opened += 1;
    }
    proof::report("R28", &[("versions", opened), ("violations", 0)]);
}

async fn write_the_fixture_of_this_version() {
    let directory = fixtures().join(CURRENT);
    let (one, two) = (map("m"), map("a/b\0🔑"));
    let store = at(&directory).await;
    for map in [&one, &two] {
        store.claim(map).await.unwrap();
    }
    store.clear(&one, version(50)).await.unwrap();
    store.purge(&one, version(60)).await.unwrap();
    let writes = keys().into_iter().zip(100..);
    let writes = writes
        .map(|(key, at)| Write::new(one.clone(), key, record(at)))
        .collect();
    assert!(store.apply(writes).await.iter().all(WriteResult::is_applied));
    assert!(apply(&store, removal(&one, 1, 200)).await.is_applied());
    assert!(apply(&store, put(&two, 1, 300)).await.is_applied());
    // Not closed: the head keeps its intents.
    std::fs::remove_file(directory.join("layerstore.lock")).unwrap();
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

/// Every object changed, cut and replaced in turn: what is read then is what was written, or an error that says so.
#[tokio::test]
async fn r23_hostile_objects_are_named_and_never_read_as_something_else() {
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let (bucket, map) = (ObjectMemory::new(), map("m"));
    let faults = ObjectFaults::seeded(seed);
    let store = open(&bucket, &faults, options()).await;
    store.claim(&map).await.unwrap();
    let writes = (0..6).map(|number| put(&map, number, number + 1)).collect();
    assert!(store.apply(writes).await.iter().all(WriteResult::is_applied));
    assert!(store.close(Duration::from_secs(5)).await.is_complete());
    let operator = bucket.operator().unwrap();
    let whole = scan(&*open(&bucket, &faults, options()).await, &map).await;
    let (cases, mut found, mut harmless) = (proof::scaled(20_000), 0, 0);
    for _ in 0..cases {
        let paths = bucket.paths();
        let path = &paths[rng.usize(..paths.len())];
        let before = operator.read(path).await.unwrap().to_vec();
        operator
            .write(path, spoilt(&mut rng, before.clone()))
            .await
            .unwrap();
        match look(&bucket, &faults, &map).await {
            Ok(records) => {
                assert!(records == whole, "{path}: something else was read");
                harmless += 1;
            }
            Err(kind) => {
                assert!(
                    matches!(kind, ErrorKind::Corrupt | ErrorKind::UnknownFormat),
                    "{path}: {kind:?}"
                );
                found += 1;
            }
        }
        operator.write(path, before).await.unwrap();
    }
    proof::report(
        "R23",
        &[
            ("cases", cases),
            ("found", found),
            ("harmless", harmless),
            ("seed", seed),
        ],
    );
}

fn spoilt(rng: &mut fastrand::Rng, mut bytes: Vec<u8>) -> Vec<u8> {
    let at = rng.usize(..bytes.len());
    match rng.u8(0..5) {
        0 => bytes[at] ^= 1 << rng.u8(0..8),
        1 => bytes.truncate(at),
        2 => bytes.extend(std::iter::repeat_with(|| rng.u8(..)).take(1 + at)),
        3 => bytes = std::iter::repeat_with(|| rng.u8(..)).take(at).collect(),
        _ => {
            let end = (at + 8).min(bytes.len());
            bytes[at..end].fill(rng.u8(..));
        }
    }
    bytes
}

async fn look(
    bucket: &ObjectMemory,
    faults: &ObjectFaults,
    map: &layerstore_record::MapName,
) -> Result<Vec<(Key, Record)>, ErrorKind> {
    let operator = bucket.operator().unwrap().layer(faults.layer());
    let store = OpendalDataStore::over(operator, options())
        .await
        .map_err(|error| error.kind())?;
    store.claim(map).await.map_err(|error| error.kind())?;
    let page = store.scan_page(map, ScanRequest::first(100)).await;
    page.map(|page| page.records).map_err(|error| error.kind())
}
