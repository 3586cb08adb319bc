//! K1 to K4: what is put, got, batched and required.

use layerstore_kv::{Batch, Direction, Durability, KeyRange, KvErrorKind, MAX_KEYSPACE_NAME_LEN, Outcome};

use super::KvSubject;
use super::subject::{commit, get, keys, rows};

/// Longest value that the suite tries, in bytes; a backend's own limit may be more than memory holds.
const LONG_VALUE: usize = 4 * 1024 * 1024;

/// Names and keys that tempt an encoding to collide or to stop early.
fn awkward() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        "a", "A", "a/b", "a%2Fb", "../a", ".", "..", "con", "%", "_", "-", "=", "\0", "a\0", "a\0b", " ",
        "\n", "ключ", "🔑", "a\u{301}", "á",
    ]
    .iter()
    .map(|name| name.as_bytes().to_vec())
    .collect();
    names.extend((0..=255).map(|byte| vec![byte, 0xFF, byte]));
    names.extend([vec![0xFF; 3], vec![0xFF; 4], vec![0; 1], vec![0; 2]]);
    names.sort();
    names.dedup();
    names
}

/// Any bytes come back as they were put, each key by itself.
pub fn k1_names_keys_and_values_are_any_bytes(subject: &KvSubject) {
    let kv = subject.open();
    let limits = kv.limits();
    assert!(limits.max_name_len >= MAX_KEYSPACE_NAME_LEN, "{limits:?}");

    // Keyspaces are dearer to make than keys: a share of the awkward names, and the longest.
    let mut names: Vec<Vec<u8>> = awkward().into_iter().step_by(9).collect();
    names.push(vec![0xFE; limits.max_name_len]);
    names.sort();
    for name in &names {
        assert!(kv.create_keyspace(name).unwrap(), "{name:?} collides");
        commit(&*kv, |batch| batch.put(name, b"me", name.as_slice()));
    }
    let mut long_key = awkward();
    long_key.push(vec![0xFD; limits.max_key_len]);
    long_key.sort();
    commit(&*kv, |batch| {
        for key in &long_key {
            batch.put(&names[0], key.as_slice(), [key.as_slice(), b"\0value"].concat());
        }
        batch.put(&names[1], b"empty", b"");
        batch.put(&names[1], b"long", vec![7; LONG_VALUE]);
    });

    let kv = subject.reopen(kv);
    assert_eq!(kv.keyspaces().unwrap(), names);
    for name in names.iter().skip(1) {
        assert_eq!(get(&*kv, name, b"me").as_deref(), Some(name.as_slice()));
    }
    for key in &long_key {
        assert_eq!(
            get(&*kv, &names[0], key),
            Some([key.as_slice(), b"\0value"].concat())
        );
    }
    assert_eq!(
        get(&*kv, &names[1], b"empty").as_deref(),
        Some(&b""[..]),
        "an empty value is a value"
    );
    assert_eq!(
        get(&*kv, &names[1], b"long").map(|value| value.len()),
        Some(LONG_VALUE)
    );
    let mut expected = long_key.clone();
    expected.push(b"me".to_vec());
    expected.sort();
    assert_eq!(keys(&*kv, &names[0]), expected);
}

/// What is empty or too long is refused by name, with all of its batch.
pub fn k1_what_does_not_fit_is_refused_whole(subject: &KvSubject) {
    let kv = subject.open_with(&[b"k"]);
    let limits = kv.limits();
    let long_key = vec![1; limits.max_key_len + 1];
    for (key, too_long) in [(long_key.as_slice(), true), (b"", false)] {
        let mut batch = Batch::new();
        batch.put(b"k", b"before", b"1");
        batch.put(b"k", key, b"2");
        let refused = kv.commit(&batch, Durability::Sync).unwrap_err();
        let named = match refused.kind() {
            KvErrorKind::TooLong { what, actual, max } => {
                too_long && *what == "key" && (*actual, *max) == (key.len(), limits.max_key_len)
            }
            KvErrorKind::Empty { what } => !too_long && *what == "key",
            _ => false,
        };
        assert!(named, "{refused}");
        assert_eq!(
            (refused.outcome(), refused.is_retryable()),
            (Outcome::NotApplied, false)
        );
        assert_eq!(
            get(&*kv, b"k", b"before"),
            None,
            "nothing of a refused batch is applied"
        );
        assert!(kv.get(b"k", key).is_err());
    }
    let long_name = vec![1; limits.max_name_len + 1];
    for name in [long_name.as_slice(), b""] {
        assert!(kv.create_keyspace(name).is_err());
        assert!(kv.drop_keyspace(name).is_err());
    }
    assert_eq!(kv.keyspaces().unwrap(), vec![b"k".to_vec()]);
}

/// The newest put is what is got; a delete leaves nothing.
pub fn k2_get_returns_what_was_last_put(subject: &KvSubject) {
    let kv = subject.open_with(&[b"k", b"other"]);
    assert_eq!(get(&*kv, b"k", b"a"), None);
    for value in [&b"1"[..], b"22", b"", b"4"] {
        commit(&*kv, |batch| batch.put(b"k", b"a", value));
        assert_eq!(get(&*kv, b"k", b"a").as_deref(), Some(value));
    }
    assert_eq!(get(&*kv, b"other", b"a"), None, "keyspaces are apart");
    commit(&*kv, |batch| batch.delete(b"k", b"a"));
    assert_eq!(get(&*kv, b"k", b"a"), None);
    commit(&*kv, |batch| batch.delete(b"k", b"never there"));
    assert!(keys(&*kv, b"k").is_empty());
    commit(&*kv, |batch| batch.put(b"k", b"a", b"back"));
    let kv = subject.reopen(kv);
    assert_eq!(get(&*kv, b"k", b"a").as_deref(), Some(&b"back"[..]));
}

/// A keyspace that was never made is not an empty one.
pub fn k2_an_unknown_keyspace_is_an_error(subject: &KvSubject) {
    let kv = subject.open_with(&[b"k"]);
    let mut batch = Batch::new();
    batch.put(b"k", b"a", b"1");
    batch.put(b"nowhere", b"a", b"1");
    let mut required = Batch::new();
    required.require(b"nowhere", b"a", None);
    required.put(b"k", b"a", b"1");
    let errors = [
        kv.get(b"nowhere", b"a").unwrap_err(),
        kv.scan(b"nowhere", KeyRange::all(), Direction::Forward)
            .err()
            .expect("no scan"),
        kv.snapshot().unwrap().get(b"nowhere", b"a").unwrap_err(),
        kv.commit(&batch, Durability::Sync).unwrap_err(),
        kv.commit(&required, Durability::Sync).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), &KvErrorKind::UnknownKeyspace, "{error}");
        assert_eq!(error.keyspace(), Some(&b"nowhere"[..]));
    }
    assert_eq!(
        get(&*kv, b"k", b"a"),
        None,
        "a batch with an unknown keyspace applies nothing"
    );
}

/// All keyspaces of a batch get their part, and none does when it fails.
pub fn k3_a_batch_is_atomic_over_keyspaces(subject: &KvSubject) {
    let kv = subject.open_with(&[b"x", b"y", b"z"]);
    commit(&*kv, |batch| {
        batch.put(b"x", b"a", b"1");
        batch.put(b"y", b"a", b"2");
        batch.put(b"z", b"a", b"3");
    });
    commit(&*kv, |batch| {
        batch.delete(b"x", b"a");
        batch.put(b"y", b"b", b"4");
    });
    let mut failing = Batch::new();
    failing.put(b"x", b"c", b"5");
    failing.delete(b"y", b"a");
    failing.put(b"z", b"c", b"6");
    failing.require(b"z", b"a", None);
    assert!(kv.commit(&failing, Durability::Sync).is_err());

    let kv = subject.reopen(kv);
    assert_eq!(keys(&*kv, b"x"), Vec::<Vec<u8>>::new());
    assert_eq!(keys(&*kv, b"y"), vec![b"a".to_vec(), b"b".to_vec()]);
    assert_eq!(keys(&*kv, b"z"), vec![b"a".to_vec()]);
}

/// Put and delete of one key in one batch: what was added last counts, also after reopening.
pub fn k3_the_last_operation_on_a_key_wins(subject: &KvSubject) {
    let kv = subject.open_with(&[b"k"]);
    commit(&*kv, |batch| {
        batch.put(b"k", b"put-put", b"1");
        batch.put(b"k", b"put-delete", b"1");
        batch.delete(b"k", b"delete-put");
        batch.put(b"k", b"put-put", b"2");
        batch.delete(b"k", b"put-delete");
        batch.put(b"k", b"delete-put", b"2");
    });
    let kv = subject.reopen(kv);
    let found = rows(&*kv, b"k", KeyRange::all(), Direction::Forward);
    assert_eq!(
        found,
        vec![
            (b"delete-put".to_vec(), b"2".to_vec()),
            (b"put-put".to_vec(), b"2".to_vec())
        ]
    );
}

/// A key, what is required of it, and whether that holds.
type Case<'a> = (&'a [u8], Option<&'a [u8]>, bool);

/// The first precondition that does not hold is named, and the store is as it was.
pub fn k4_a_failed_precondition_applies_nothing_and_says_which(subject: &KvSubject) {
    let kv = subject.open_with(&[b"k", b"guard"]);
    commit(&*kv, |batch| batch.put(b"guard", b"epoch", b"1"));
    let cases: [Case<'_>; 5] = [
        (b"epoch", Some(b"1"), true),
        (b"epoch", Some(b"2"), false),
        (b"epoch", None, false),
        (b"absent", None, true),
        (b"absent", Some(b""), false),
    ];
    for (key, expected, holds) in cases {
        let mut batch = Batch::new();
        batch.require(b"guard", b"epoch", Some(b"1"));
        batch.require(b"guard", key, expected);
        batch.put(b"k", b"a", b"1");
        let answer = kv.commit(&batch, Durability::Sync);
        let Err(refused) = answer else {
            assert!(holds, "{key:?} {expected:?} must fail");
            commit(&*kv, |batch| batch.delete(b"k", b"a"));
            continue;
        };
        assert!(!holds, "{refused}");
        assert_eq!(refused.kind(), &KvErrorKind::PreconditionFailed { index: 1 });
        assert_eq!(
            (refused.keyspace(), refused.outcome()),
            (Some(&b"guard"[..]), Outcome::NotApplied)
        );
        assert!(!refused.is_retryable());
        assert_eq!(get(&*kv, b"k", b"a"), None);
    }
}

/// A batch may require what it then changes.
pub fn k4_preconditions_see_the_state_before_the_batch(subject: &KvSubject) {
    let kv = subject.open_with(&[b"k"]);
    let mut batch = Batch::new();
    batch.put(b"k", b"a", b"1");
    batch.require(b"k", b"a", None);
    assert!(kv.commit(&batch, Durability::Sync).is_ok());
    assert!(kv.commit(&batch, Durability::Sync).is_err(), "now it is there");

    let mut only_required = Batch::new();
    only_required.require(b"k", b"a", Some(b"2"));
    assert!(
        kv.commit(&only_required, Durability::Sync).is_err(),
        "a batch without writes is checked too"
    );
}
