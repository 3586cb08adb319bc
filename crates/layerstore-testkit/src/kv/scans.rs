//! K5 to K7: scans and snapshots.

use std::ops::Bound;

use layerstore_kv::{Direction, KeyRange, KvErrorKind};

use super::KvSubject;
use super::subject::{commit, get, keys, rows};

fn key(number: usize) -> Vec<u8> {
    format!("{number:05}").into_bytes()
}

/// Byte order up and down, over every kind of bound, and over more rows than any page.
pub fn k5_a_scan_is_in_byte_order_both_ways(subject: &KvSubject) {
    let kv = subject.open_with(&[b"k", b"empty"]);
    let mut expected: Vec<Vec<u8>> = [
        &[0][..],
        &[0, 0],
        &[0, 0xFF],
        &[1],
        &[0x7F],
        &[0x80],
        &[0xFF],
        &[0xFF, 0],
        &[0xFF, 0xFF],
    ]
    .iter()
    .map(|key| key.to_vec())
    .chain((0..1_000).map(key))
    .collect();
    let mut shuffled = expected.clone();
    fastrand::Rng::with_seed(crate::proof::seed()).shuffle(&mut shuffled);
    for chunk in shuffled.chunks(100) {
        commit(&*kv, |batch| {
            for key in chunk {
                batch.put(b"k", key.as_slice(), key.as_slice());
            }
        });
    }
    expected.sort();
    let kv = subject.reopen(kv);

    let bound = |key: &[u8]| {
        [
            Bound::Included(key.to_vec()),
            Bound::Excluded(key.to_vec()),
            Bound::Unbounded,
        ]
    };
    let edges: [&[u8]; 6] = [&[0], &[0, 1], b"00500", b"00500x", &[0xFF], &[0xFF, 0xFF, 0xFF]];
    for (start, end) in edges
        .iter()
        .flat_map(|start| edges.iter().map(move |end| (start, end)))
    {
        for (start, end) in bound(start)
            .into_iter()
            .flat_map(|s| bound(end).map(move |e| (s.clone(), e)))
        {
            let range = KeyRange { start, end };
            let mut within: Vec<_> = expected
                .iter()
                .filter(|key| range.contains(key))
                .cloned()
                .collect();
            let found = |direction| {
                rows(&*kv, b"k", range.clone(), direction)
                    .into_iter()
                    .map(|(key, _)| key)
                    .collect::<Vec<_>>()
            };
            assert_eq!(found(Direction::Forward), within, "{range:?}");
            within.reverse();
            assert_eq!(found(Direction::Backward), within, "{range:?} backward");
        }
    }
    assert_eq!(
        rows(&*kv, b"k", KeyRange::prefix(b"007"), Direction::Forward).len(),
        100
    );
    assert!(rows(&*kv, b"k", KeyRange::prefix(b"x"), Direction::Forward).is_empty());
    assert!(rows(&*kv, b"empty", KeyRange::all(), Direction::Backward).is_empty());
    assert!(
        rows(&*kv, b"k", KeyRange::all(), Direction::Forward)
            .iter()
            .all(|(key, value)| key == value)
    );
}

/// Writes during a scan change nothing in it.
pub fn k5_a_scan_shows_the_state_when_it_was_started(subject: &KvSubject) {
    let kv = subject.open_with(&[b"k"]);
    commit(&*kv, |batch| {
        (0..600).for_each(|n| batch.put(b"k", key(n), b"old"));
    });
    for direction in [Direction::Forward, Direction::Backward] {
        let mut scan = kv.scan(b"k", KeyRange::all(), direction).unwrap();
        let first = scan.next().expect("a row").expect("no error");
        commit(&*kv, |batch| {
            (0..600)
                .filter(|n| n % 3 == 0)
                .for_each(|n| batch.delete(b"k", key(n)));
            (0..600)
                .filter(|n| n % 3 == 1)
                .for_each(|n| batch.put(b"k", key(n), b"new"));
            (600..900).for_each(|n| batch.put(b"k", key(n), b"new"));
        });
        let mut found: Vec<_> = std::iter::once(first)
            .chain(scan.map(|row| row.expect("no error")))
            .collect();
        found.sort();
        let expected: Vec<_> = (0..600).map(|n| (key(n), b"old".to_vec())).collect();
        assert_eq!(found, expected, "{direction:?}");
        commit(&*kv, |batch| {
            (0..600).for_each(|n| batch.put(b"k", key(n), b"old"));
            (600..900).for_each(|n| batch.delete(b"k", key(n)));
        });
    }
}

/// After its last item a scan gives nothing more. (A failed read as an item needs a damaged store: each backend has
/// a test of its own.)
pub fn k6_a_scan_ends_once_and_stays_ended(subject: &KvSubject) {
    let kv = subject.open_with(&[b"k"]);
    commit(&*kv, |batch| (0..300).for_each(|n| batch.put(b"k", key(n), b"v")));
    for direction in [Direction::Forward, Direction::Backward] {
        let mut scan = kv.scan(b"k", KeyRange::all(), direction).unwrap();
        assert_eq!(scan.by_ref().filter(Result::is_ok).count(), 300);
        commit(&*kv, |batch| batch.put(b"k", b"z", b"later"));
        assert!(scan.next().is_none() && scan.next().is_none());
        commit(&*kv, |batch| batch.delete(b"k", b"z"));
    }
}

/// A snapshot is one state, whatever is written or dropped meanwhile.
pub fn k7_a_snapshot_shows_one_state_of_all_keyspaces(subject: &KvSubject) {
    let kv = subject.open_with(&[b"x", b"y"]);
    commit(&*kv, |batch| {
        batch.put(b"x", b"a", b"1");
        batch.put(b"y", b"a", b"1");
    });
    let snapshot = kv.snapshot().unwrap();
    commit(&*kv, |batch| {
        batch.put(b"x", b"a", b"2");
        batch.delete(b"y", b"a");
        batch.put(b"y", b"b", b"2");
    });
    assert!(kv.drop_keyspace(b"x").unwrap());
    kv.create_keyspace(b"new").unwrap();
    for _ in 0..2 {
        assert_eq!(get(&*snapshot, b"x", b"a").as_deref(), Some(&b"1"[..]));
        assert_eq!(keys(&*snapshot, b"y"), vec![b"a".to_vec()]);
        assert_eq!(
            rows(&*snapshot, b"x", KeyRange::all(), Direction::Backward).len(),
            1
        );
        assert_eq!(snapshot.keyspaces().unwrap(), vec![b"x".to_vec(), b"y".to_vec()]);
        let unknown = snapshot.get(b"new", b"a").unwrap_err();
        assert_eq!(unknown.kind(), &KvErrorKind::UnknownKeyspace);
        // A keyspace of the same name is another one.
        kv.create_keyspace(b"x").unwrap();
    }
    let newer = kv.snapshot().unwrap();
    assert!(keys(&*newer, b"x").is_empty());
    assert_eq!(get(&*newer, b"y", b"b").as_deref(), Some(&b"2"[..]));
}
