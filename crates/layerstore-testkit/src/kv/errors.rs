//! K11 and K12: figures and errors.

use layerstore_kv::{Batch, Durability, KvError, KvErrorKind, KvOperation};

use super::KvSubject;
use super::subject::commit;

/// Keyspaces and commits are counted exactly, bytes grow with the data.
pub fn k11_stats_count_exactly(subject: &KvSubject) {
    let kv = subject.open_with(&[b"x", b"y", b"z"]);
    let before = kv.stats().unwrap();
    assert_eq!(before.keyspaces, 3);
    for n in 0..7_u8 {
        commit(&*kv, |batch| batch.put(b"x", [n], vec![n; 1_000]));
    }
    let mut failing = Batch::new();
    failing.require(b"x", [0], None);
    assert!(kv.commit(&failing, Durability::Sync).is_err());
    kv.drop_keyspace(b"y").unwrap();
    let after = kv.stats().unwrap();
    assert_eq!(
        (after.keyspaces, after.commits),
        (2, before.commits + 7),
        "a failed commit is none"
    );
    assert!(after.bytes > 0, "{after:?}");
}

/// An error has its operation and keyspace, and shows nothing of what was written.
pub fn k12_an_error_names_its_place_and_no_value(subject: &KvSubject) {
    let kv = subject.open_with(&[b"k"]);
    commit(&*kv, |batch| batch.put(b"k", b"a", b"stored-secret"));
    let mut batch = Batch::new();
    batch.require(b"k", b"a", Some(b"expected-secret"));
    batch.put(b"k", b"b", b"written-secret");
    let mut nowhere = Batch::new();
    nowhere.put(b"nowhere", b"b", b"written-secret");
    let mut too_long = Batch::new();
    too_long.put(b"k", vec![b'k'; kv.limits().max_key_len + 1], b"written-secret");

    let cases = [
        (
            kv.commit(&batch, Durability::Sync).unwrap_err(),
            KvOperation::Commit,
            &b"k"[..],
        ),
        (
            kv.commit(&nowhere, Durability::Sync).unwrap_err(),
            KvOperation::Commit,
            b"nowhere",
        ),
        (
            kv.commit(&too_long, Durability::Sync).unwrap_err(),
            KvOperation::Commit,
            b"k",
        ),
        (
            kv.get(b"nowhere", b"b").unwrap_err(),
            KvOperation::Get,
            b"nowhere",
        ),
        (kv.get(b"k", b"").unwrap_err(), KvOperation::Get, b"k"),
    ];
    for (error, operation, keyspace) in cases {
        assert_eq!(
            (error.operation(), error.keyspace()),
            (operation, Some(keyspace)),
            "{error}"
        );
        let shown = whole(&error);
        assert!(!shown.contains("secret"), "{shown}");
        assert!(!error.to_string().contains('\n'), "one line: {error}");
        assert!(error.to_string().contains(&operation.to_string()), "{error}");
    }
    let refused = kv.create_keyspace(b"").unwrap_err();
    assert_eq!(
        refused.kind(),
        &KvErrorKind::Empty {
            what: "keyspace name"
        }
    );
}

fn whole(error: &KvError) -> String {
    let mut shown = format!("{error} {error:?}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        shown.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    shown
}
