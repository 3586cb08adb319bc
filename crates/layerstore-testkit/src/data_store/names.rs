//! D4: keys and map names of any content are kept apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use layerstore_data_store::{ErrorKind, MapDataStore, Write};
use layerstore_record::{Key, MAX_KEY_BYTES, MAX_MAP_NAME_BYTES, MapName, Record, RecordValue};

use super::fixture::Subject;
use super::steps::{answer, applied, assert_held, assert_rejected, keys, map, named, put};
use crate::records::{key, version};

/// The largest record that the suite is ready to build for a store with a limit: 16 MiB.
const LARGEST_TRIED: usize = 16 << 20;

/// Names that file systems, SQL, URLs, object stores or key encodings may trip over; each is a key and a map name.
const AWKWARD: [&str; 48] = [
    "\0",
    "\0\0",
    "\u{1}",
    "a",
    "A",
    "a\0",
    "a\0b",
    "a\0\0b",
    "ab",
    "a/b",
    "a//b",
    "/",
    "//",
    "/a",
    "a/",
    ".",
    "..",
    "../..",
    "./a",
    "a/../b",
    "%",
    "%00",
    "%2F",
    "%2f",
    "a%b",
    "'",
    "\"",
    "a'b",
    "';--",
    "\\",
    "a\\b",
    "*",
    "?",
    "[a]",
    " ",
    " a",
    "a ",
    "\t",
    "\n",
    "\r\n",
    "é",
    "e\u{301}",
    "ß",
    "😀",
    "👩‍👩‍👧",
    "\u{feff}",
    "\u{10ffff}",
    "CON",
];

/// Checks awkward keys: stored, found, scanned in byte order, and there after a restart.
pub async fn d4_keys_of_any_content_are_kept_apart(subject: &Subject) {
    let map = map("map");
    let mut store = subject.open_for(&[&map]).await;
    let numbers: BTreeMap<Key, u64> = AWKWARD.iter().map(|text| named(text)).zip(1..).collect();
    applied(
        &store,
        numbers
            .iter()
            .map(|(key, number)| put(&map, key, *number))
            .collect(),
    )
    .await;
    for round in ["at once", "after a restart"] {
        for (key, number) in &numbers {
            let why = format!("D4: every key has its own record, {round}");
            assert_held(&store, &map, key, Some(*number), &why).await;
        }
        let expected: Vec<Key> = numbers.keys().cloned().collect();
        assert_eq!(
            keys(&store, &map).await,
            expected,
            "D4: keys come back as they were, in byte order, {round}"
        );
        store = subject.reopen(store).await;
    }
}

/// Checks awkward map names, with the same key in each.
pub async fn d4_maps_of_any_name_are_kept_apart(subject: &Subject) {
    let mut maps: Vec<MapName> = AWKWARD.iter().map(|text| map(text)).collect();
    let claimed: Vec<&MapName> = maps.iter().collect();
    let mut store = subject.open_for(&claimed).await;
    for (map, number) in maps.iter().zip(1..) {
        applied(&store, vec![put(map, &key(1), number)]).await;
    }
    for round in ["at once", "after a restart"] {
        for (map, number) in maps.iter().zip(1..) {
            let why = format!("D4: every map has its own records, {round}");
            assert_held(&store, map, &key(1), Some(number), &why).await;
            assert_eq!(
                keys(&store, map).await,
                [key(1)],
                "D4: no map shows another's records, {round}"
            );
        }
        store = subject.reopen(store).await;
    }
    maps.sort();
    assert_eq!(
        store.list_maps().await.expect("maps are listed"),
        maps,
        "D4: maps are listed in name order"
    );
}

/// Checks pairs of map and key that are the same when written one after the other, and what clearing one does.
pub async fn d4_names_and_keys_that_run_into_each_other_are_kept_apart(subject: &Subject) {
    let pairs = [
        ("a", "bc"),
        ("ab", "c"),
        ("a", "b\0c"),
        ("a\0", "b\0c"),
        ("a\0b", "c"),
        ("a", "\0b\0c"),
        ("a/b", "c"),
        ("a", "b/c"),
        ("a/", "b/c"),
        ("a", "/b/c"),
        ("a:b", "c"),
        ("a", "b:c"),
        ("1", "11"),
        ("11", "1"),
    ];
    let pairs: Vec<(MapName, Key)> = pairs
        .iter()
        .map(|(name, text)| (map(name), named(text)))
        .collect();
    let maps: Vec<&MapName> = pairs.iter().map(|(map, _)| map).collect();
    let store = subject.open_for(&maps).await;
    for ((map, key), number) in pairs.iter().zip(1..) {
        applied(&store, vec![put(map, key, number)]).await;
    }
    for ((map, key), number) in pairs.iter().zip(1..) {
        assert_held(
            &store,
            map,
            key,
            Some(number),
            "D4: names and keys never run into each other",
        )
        .await;
    }
    let cleared = map("a");
    store
        .clear(&cleared, version(100))
        .await
        .expect("a claimed map can be cleared");
    for ((map, key), number) in pairs.iter().zip(1..) {
        let left = (*map != cleared).then_some(number);
        assert_held(
            &store,
            map,
            key,
            left,
            "D4: clearing a map leaves those alone whose names begin alike",
        )
        .await;
        let expected = pairs
            .iter()
            .filter(|(other, _)| other == map && *map != cleared)
            .count();
        assert_eq!(
            keys(&store, map).await.len(),
            expected,
            "D4: a scan stays within its map {map:?}"
        );
    }
}

/// Checks names and keys of the greatest length, and that a store with less room refuses them as too large.
pub async fn d4_the_longest_names_and_keys_are_held_or_refused(subject: &Subject) {
    let store = subject.open().await;
    let limits = store.limits();
    // One of bytes that escape badly, one of characters of four bytes.
    let longest = |limit: usize| {
        [
            "%".repeat(limit),
            "😀".repeat(limit / 4),
            "k".repeat(limit - 1) + "\0",
        ]
    };
    for (name, number) in longest(MAX_MAP_NAME_BYTES).iter().zip(1..) {
        let map = map(name);
        let Some(()) = claim(&store, &map).await else {
            assert!(
                name.len() > limits.map_name_bytes,
                "D4: a name within the limits is held: {} bytes",
                name.len()
            );
            continue;
        };
        for text in longest(MAX_KEY_BYTES) {
            let key = named(&text);
            let answer = answer(&store, put(&map, &key, number)).await;
            if text.len() > limits.key_bytes || name.len() > limits.map_name_bytes {
                assert_rejected(
                    &answer,
                    ErrorKind::TooLarge,
                    "D4: what is beyond limits() is TooLarge",
                );
                assert_held(&store, &map, &key, None, "D4: what is refused leaves nothing").await;
            } else {
                assert!(
                    answer.is_applied(),
                    "D4: a key of {} bytes is within the limits: {answer:?}",
                    text.len()
                );
                assert_held(
                    &store,
                    &map,
                    &key,
                    Some(number),
                    "D4: the longest keys are kept apart",
                )
                .await;
            }
        }
    }
}

/// Claims a map; `None` where its name is too large.
async fn claim(store: &Arc<dyn MapDataStore>, map: &MapName) -> Option<()> {
    match store.claim(map).await {
        Ok(_) => Some(()),
        Err(error) => {
            assert_eq!(
                error.kind(),
                ErrorKind::TooLarge,
                "D4: a claim of any name works, or is TooLarge: {error}"
            );
            None
        }
    }
}

/// Checks a large record, and the refusal of one beyond the store's limit.
pub async fn d4_what_is_too_large_is_refused_alone(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    let limit = store.limits().record_bytes;
    let write = |number: u64, bytes: usize| {
        let value = RecordValue::lww("x".repeat(bytes), version(number).timestamp());
        Write::new(
            map.clone(),
            key(number),
            Arc::new(Record::builder(value, version(number)).build()),
        )
    };
    // A quarter of the limit leaves room for whatever a store counts besides the value.
    let large = write(1, (limit / 4).min(1 << 20));
    applied(&store, vec![large.clone()]).await;
    let found = store.load(&map, &key(1)).await.expect("a large record is read");
    assert_eq!(
        found.as_ref(),
        Some(&*large.record),
        "D4: a large record comes back whole"
    );
    if limit < LARGEST_TRIED {
        let answers = store
            .apply(vec![
                put(&map, &key(2), 2),
                write(3, limit + 1),
                put(&map, &key(4), 4),
            ])
            .await;
        assert_rejected(
            &answers[1],
            ErrorKind::TooLarge,
            "D4: a record beyond limits() is TooLarge",
        );
        assert!(
            answers[0].is_applied() && answers[2].is_applied(),
            "D6: the others of the batch are made: {answers:?}"
        );
        assert_eq!(
            keys(&store, &map).await,
            [key(1), key(2), key(4)],
            "D4: what is refused leaves nothing"
        );
    }
}
