//! Damaged bytes: found, named, never taken for something else. R23: the decoders on hostile bytes.

use std::sync::Arc;

use layerstore_data_store::{ErrorKind, MapDataStore, ScanRequest};
use layerstore_embedded::{EmbeddedOptions, KvDataStore};
use layerstore_kv::{Batch, Direction, Durability, KeyRange, KvBackend, KvRead, MemoryKv};
use layerstore_testkit::proof;

use crate::support::{apply, apply_one, key, map, over, put, rejected, scan, version};

/// Overwrites a row behind the store's back.
fn spoil(kv: &MemoryKv, keyspace: &[u8], row_key: &[u8], row: &[u8]) {
    let mut batch = Batch::new();
    batch.put(keyspace, row_key, row);
    assert!(kv.commit(&batch, Durability::Sync).is_ok());
}

async fn filled(kv: &Arc<MemoryKv>) -> KvDataStore {
    let store = over(kv.clone());
    store.claim(&map("m")).await.unwrap();
    apply(&store, (0..20).map(|n| put(&map("m"), n, n + 1)).collect()).await;
    store
}

#[tokio::test]
async fn a_damaged_record_is_named_by_every_verb_that_meets_it() {
    let kv = Arc::new(MemoryKv::new());
    let (store, map) = (filled(&kv).await, map("m"));
    let mut row = kv.get(b"rm", key(7).as_bytes()).unwrap().unwrap();
    let last = row.len() - 1;
    row[last] ^= 1;
    spoil(&kv, b"rm", key(7).as_bytes(), &row);

    let met = [
        store.load(&map, &key(7)).await.unwrap_err(),
        store.load_all(&map, &[key(6), key(7)]).await.unwrap_err(),
        store.scan_page(&map, ScanRequest::first(100)).await.unwrap_err(),
        store.purge(&map, version(3)).await.unwrap_err(),
        rejected(apply_one(&store, put(&map, 7, 100)).await),
    ];
    for error in met {
        assert_eq!(
            (error.kind(), error.map(), error.key()),
            (ErrorKind::Corrupt, Some(&map), Some(&key(7))),
            "{error}"
        );
        assert!(
            !format!("{error} {error:?}").contains("value 7"),
            "no value in {error:?}"
        );
    }
    let before = store.scan_page(&map, ScanRequest::first(7)).await.unwrap();
    assert_eq!(before.records.len(), 7, "what lies before it can be read");
    assert!(apply_one(&store, put(&map, 8, 100)).await.is_applied());

    let report = store.verify().await.unwrap();
    assert!(!report.is_sound());
    let of_map = &report.maps[0];
    assert_eq!(
        (of_map.live, of_map.corrupt_count, of_map.corrupt.len()),
        (19, 1, 1)
    );
    assert_eq!(of_map.corrupt[0].key, key(7).to_string());
    // A clear of everything is the way out.
    store.clear(&map, version(100)).await.unwrap();
    assert!(scan(&store, &map).await.is_empty());
    assert!(store.verify().await.unwrap().is_sound());
}

#[tokio::test]
async fn verify_counts_what_is_there_by_kind() {
    let kv = Arc::new(MemoryKv::new());
    let (store, map) = (filled(&kv).await, map("m"));
    apply(
        &store,
        vec![
            crate::support::remove(&map, 1, 100),
            crate::support::remove(&map, 2, 100),
        ],
    )
    .await;
    let ended = Arc::new(crate::support::expiring(50, 101, 1));
    apply(
        &store,
        vec![layerstore_data_store::Write::new(map.clone(), key(50), ended)],
    )
    .await;
    let report = store.verify().await.unwrap();
    assert!(report.is_sound());
    let of_map = &report.maps[0];
    assert_eq!(
        (of_map.live, of_map.tombstones, of_map.expired, of_map.cleared),
        (18, 2, 1, 0)
    );
    assert!(of_map.bytes > 1_000);
}

#[test]
fn a_store_of_a_later_format_is_not_opened() {
    let kv = Arc::new(MemoryKv::new());
    drop(over(kv.clone()));
    let later = layerstore_record::codec::frame(
        layerstore_record::codec::FrameFormat::new(16, 1),
        &2_u32.to_le_bytes(),
    );
    spoil(&kv, b"m", b"format", &later.unwrap());
    let refused = KvDataStore::over(kv.clone(), EmbeddedOptions::default())
        .err()
        .unwrap();
    assert_eq!(refused.kind(), ErrorKind::UnknownFormat);
    assert!(refused.to_string().contains("format 2"), "{refused}");
    let later = layerstore_record::codec::frame(
        layerstore_record::codec::FrameFormat::new(16, 2),
        &2_u32.to_le_bytes(),
    );
    spoil(&kv, b"m", b"format", &later.unwrap());
    let refused = KvDataStore::over(kv, EmbeddedOptions::default()).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::UnknownFormat);
}

#[tokio::test]
async fn a_map_whose_name_or_records_are_gone_is_told_and_not_left_out() {
    let kv = Arc::new(MemoryKv::new());
    drop(filled(&kv).await);
    let refused = |kv: &Arc<MemoryKv>| {
        let store = over(kv.clone());
        async move {
            [
                store.list_maps().await.unwrap_err().kind(),
                store.verify().await.unwrap_err().kind(),
            ]
        }
    };
    kv.create_keyspace(b"r\xff").unwrap();
    assert_eq!(refused(&kv).await, [ErrorKind::Corrupt; 2]);
    kv.drop_keyspace(b"r\xff").unwrap();
    assert_eq!(over(kv.clone()).list_maps().await.unwrap(), vec![map("m")]);
    kv.drop_keyspace(b"rm").unwrap();
    assert_eq!(refused(&kv).await, [ErrorKind::Corrupt; 2]);
}

/// Every row of a small store, mutated: each verb answers or names the damage; nothing panics, nothing is invented.
#[test]
fn r23_mutated_rows_are_found_or_harmless() {
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let cases = proof::scaled(100_000);
    let mut found = 0;
    for _ in 0..cases {
        found += u64::from(runtime.block_on(one_mutation(&mut rng)));
    }
    assert!(
        found * 10 > cases * 9,
        "only {found} of {cases} mutations were found"
    );
    proof::report(
        "R23",
        &[
            ("cases", cases),
            ("found", found),
            ("seed", seed),
            ("violations", 0),
        ],
    );
}

async fn one_mutation(rng: &mut fastrand::Rng) -> bool {
    let kv = Arc::new(MemoryKv::new());
    let map = map("m");
    let writer = over(kv.clone());
    writer.claim(&map).await.unwrap();
    apply(&writer, (0..3).map(|n| put(&map, n, n + 1)).collect()).await;
    writer.purge(&map, version(1)).await.unwrap();
    let whole = scan(&writer, &map).await;
    drop(writer);

    let keyspace: &[u8] = if rng.bool() { b"rm" } else { b"m" };
    let rows: Vec<_> = kv
        .scan(keyspace, KeyRange::all(), Direction::Forward)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let (row_key, row) = rows[rng.usize(0..rows.len())].clone();
    let hostile = mutate(rng, row.clone());
    if hostile == row {
        return true;
    }
    spoil(&kv, keyspace, &row_key, &hostile);
    let Ok(store) = KvDataStore::over(kv, EmbeddedOptions::default()) else {
        return true;
    };
    let claimed = store.claim(&map).await.is_ok();
    let page = store
        .scan_page(&map, ScanRequest::first(10).with_tombstones())
        .await;
    let sound = store.verify().await.unwrap().is_sound();
    if let Ok(page) = &page {
        assert_eq!(page.records, whole, "a mutation was taken for a record");
    }
    !claimed || page.is_err() || !sound
}

fn mutate(rng: &mut fastrand::Rng, mut row: Vec<u8>) -> Vec<u8> {
    match rng.u8(0..5) {
        0 => (0..rng.usize(0..200)).map(|_| rng.u8(..)).collect(),
        1 => row[..rng.usize(0..row.len())].to_vec(),
        2 => {
            row.extend((0..rng.usize(1..64)).map(|_| rng.u8(..)));
            row
        }
        3 => {
            let start = rng.usize(0..row.len());
            let end = rng.usize(start..row.len());
            row[start..=end].fill(0);
            row
        }
        _ => {
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(0..row.len());
                row[at] ^= 1 << rng.u8(0..8);
            }
            row
        }
    }
}
