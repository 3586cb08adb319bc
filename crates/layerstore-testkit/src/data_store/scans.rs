//! D7: a scan sees what is there throughout, in order, and never ends early.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{StreamExt, TryStreamExt, pin_mut};
use layerstore_data_store::{MapDataStore, MapDataStoreExt, ScanRequest};
use layerstore_record::{Key, MapName};

use super::fixture::Subject;
use super::steps::{applied, keys, map, named, put, removal, scanned};
use crate::records::key;

/// Checks every pair of bounds over a few keys, the impossible ones too.
pub async fn d7_a_scan_returns_what_lies_within_its_bounds_in_order(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    let there: BTreeSet<Key> = ["a", "ab", "abc", "b", "b\0", "c", "é"].map(named).into();
    applied(
        &store,
        there
            .iter()
            .zip(1..)
            .map(|(key, number)| put(&map, key, number))
            .collect(),
    )
    .await;
    let places = ["A", "a", "aa", "ab", "b", "b\0", "bb", "é", "😀"].map(named);
    let bounds: Vec<Bound<&Key>> = places
        .iter()
        .flat_map(|place| [Bound::Included(place), Bound::Excluded(place)])
        .chain([Bound::Unbounded])
        .collect();
    for start in &bounds {
        for end in &bounds {
            let after = |key: &Key| match start {
                Bound::Included(start) => key >= *start,
                Bound::Excluded(start) => key > *start,
                Bound::Unbounded => true,
            };
            let before = |key: &Key| match end {
                Bound::Included(end) => key <= *end,
                Bound::Excluded(end) => key < *end,
                Bound::Unbounded => true,
            };
            let expected: Vec<&Key> = there.iter().filter(|key| after(key) && before(key)).collect();
            let request = ScanRequest::first(2).from(start.cloned()).until(end.cloned());
            let found = scanned(&store, &map, request).await;
            let found: Vec<&Key> = found.iter().map(|(key, _)| key).collect();
            assert_eq!(
                found, expected,
                "D7: a scan from {start:?} to {end:?} returns what lies between, in byte order"
            );
        }
    }
    let elsewhere = keys(&store, &MapName::new("nowhere").expect("a name")).await;
    assert!(elsewhere.is_empty(), "D7: a map that was never written is empty");
}

/// Checks pages of every size, and that none is larger than asked for.
pub async fn d7_pages_lead_on_whatever_their_size(subject: &Subject) {
    const RECORDS: usize = 23;
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    applied(
        &store,
        (1..=23).map(|number| put(&map, &key(number), number)).collect(),
    )
    .await;
    for limit in [1, 2, 7, RECORDS - 1, RECORDS, RECORDS + 1, 5_000] {
        let (mut found, mut request) = (Vec::new(), ScanRequest::first(limit));
        loop {
            let page = store
                .scan_page(&map, request.clone())
                .await
                .expect("a page is read");
            assert!(
                page.records.len() <= limit,
                "D7: a page has at most the {limit} records asked for"
            );
            found.extend(page.records.into_iter().map(|(key, _)| key));
            let Some(next) = page.next else { break };
            let leads_on = match &request.start {
                Bound::Excluded(start) => next > *start,
                _ => true,
            };
            assert!(
                leads_on,
                "D7: a page leads on: {next:?} is not after {:?}",
                request.start
            );
            assert!(
                found.last().is_none_or(|last| *last <= next),
                "D7: the next page starts after what this one had"
            );
            request = request.from(Bound::Excluded(next));
        }
        let mut expected: Vec<Key> = (1..=23).map(key).collect();
        expected.sort();
        assert_eq!(
            found, expected,
            "D7: pages of {limit} return every record once, in key byte order"
        );
    }
}

/// Checks that a long row of tombstones is passed over, not taken for the end.
pub async fn d7_tombstones_do_not_end_a_scan(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    applied(
        &store,
        (1..=2_000)
            .map(|number| removal(&map, &key(number), number))
            .collect(),
    )
    .await;
    let last = named("last");
    applied(&store, vec![put(&map, &last, 3_000)]).await;
    for limit in [1, 10, 5_000] {
        let found = scanned(&store, &map, ScanRequest::first(limit)).await;
        let found: Vec<&Key> = found.iter().map(|(key, _)| key).collect();
        assert_eq!(
            found,
            [&last],
            "D7: what stands behind many tombstones is found, with pages of {limit}"
        );
    }
    let all = scanned(&store, &map, ScanRequest::first(300).with_tombstones()).await;
    assert_eq!(
        all.len(),
        2_001,
        "D7: a scan that asks for tombstones returns them all"
    );
}

/// Checks a scan during which, between any two records, others appear, change and go.
pub async fn d7_a_scan_sees_what_is_there_throughout_while_others_come_and_go(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    let steady: Vec<Key> = (0..60).map(|number| named(&format!("{number:02}"))).collect();
    let passing: Vec<Key> = (0..60)
        .map(|number| named(&format!("{number:02}-passing")))
        .collect();
    applied(&store, steady.iter().map(|key| put(&map, key, 1)).collect()).await;
    for limit in [1, 7] {
        let mut found = Vec::new();
        let scan = store.scan(&map, ScanRequest::first(limit));
        pin_mut!(scan);
        let base = 1_000 * u64::try_from(limit).expect("a small number");
        for turn in 0.. {
            let Some(record) = scan.next().await else { break };
            found.push(record.expect("a scan goes on amid writes").0);
            // Before, at and behind where the scan stands.
            let (turn, version) = (turn % 60, base + 3 * turn as u64);
            applied(
                &store,
                vec![
                    put(&map, &passing[turn], version),
                    put(&map, &steady[(turn * 7) % 60], version + 1),
                    removal(&map, &passing[(turn * 13) % 60], version + 2),
                ],
            )
            .await;
        }
        assert_once_in_order(&found, &steady);
    }
}

/// Checks scans while other tasks write.
pub async fn d7_a_scan_amid_writers_sees_what_is_there_throughout(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    let steady: Vec<Key> = (0..100).map(|number| named(&format!("{number:03}"))).collect();
    applied(&store, steady.iter().map(|key| put(&map, key, 1)).collect()).await;
    let done = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (store, map, done, steady) = (Arc::clone(&store), map.clone(), Arc::clone(&done), steady.clone());
        async move {
            let mut version = 10;
            let mut turns = steady.iter().cycle().step_by(7);
            while !done.load(Ordering::Acquire) {
                let passing = named(&format!("{:03}-passing", version % 100));
                churn(
                    &store,
                    &map,
                    &passing,
                    turns.next().expect("a cycle does not end"),
                    version,
                )
                .await;
                version += 4;
                tokio::task::yield_now().await;
            }
        }
    });
    for _ in 0..10 {
        let found: Vec<Key> = store
            .scan(&map, ScanRequest::first(9))
            .map_ok(|(key, _)| key)
            .try_collect()
            .await
            .expect("a scan goes on amid writes");
        assert_once_in_order(&found, &steady);
    }
    done.store(true, Ordering::Release);
    writer.await.expect("the writer ends");
}

async fn churn(store: &Arc<dyn MapDataStore>, map: &MapName, passing: &Key, steady: &Key, version: u64) {
    applied(
        store,
        vec![put(map, passing, version), put(map, steady, version + 1)],
    )
    .await;
    applied(store, vec![removal(map, passing, version + 2)]).await;
}

fn assert_once_in_order(found: &[Key], steady: &[Key]) {
    let rising = found.windows(2).find(|pair| pair[0] >= pair[1]);
    assert_eq!(
        rising, None,
        "D7: a scan returns each key once, in key byte order"
    );
    let found: BTreeSet<&Key> = found.iter().collect();
    let missed: Vec<&Key> = steady.iter().filter(|key| !found.contains(key)).collect();
    assert!(
        missed.is_empty(),
        "D7: a scan sees every record that is there throughout; it missed {missed:?}"
    );
}
