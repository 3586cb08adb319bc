//! K8: keyspaces come and go.

use layerstore_kv::{Batch, Durability, KvErrorKind};

use super::KvSubject;
use super::subject::{commit, get, keys};

/// Each call says whether it changed anything; the list is in byte order.
pub fn k8_creating_and_dropping_say_what_was_there(subject: &KvSubject) {
    let kv = subject.open();
    assert!(kv.keyspaces().unwrap().is_empty());
    for name in [&b"b"[..], b"\xFF", b"a", b"ab"] {
        assert!(kv.create_keyspace(name).unwrap());
        assert!(!kv.create_keyspace(name).unwrap());
    }
    commit(&*kv, |batch| batch.put(b"a", b"kept", b"1"));
    assert!(
        !kv.create_keyspace(b"a").unwrap(),
        "creating again empties nothing"
    );
    assert!(kv.drop_keyspace(b"b").unwrap());
    assert!(!kv.drop_keyspace(b"b").unwrap());
    let kv = subject.reopen(kv);
    assert_eq!(
        kv.keyspaces().unwrap(),
        vec![b"a".to_vec(), b"ab".to_vec(), b"\xFF".to_vec()]
    );
    assert_eq!(get(&*kv, b"a", b"kept").as_deref(), Some(&b"1"[..]));
}

/// Dropped is gone: at once, after reopening, and under a keyspace of the same name.
pub fn k8_a_dropped_keyspace_is_gone(subject: &KvSubject) {
    let mut kv = subject.open_with(&[b"k", b"other"]);
    for round in 0..3 {
        let mut batch = Batch::new();
        (0..50).for_each(|n: u8| batch.put(b"k", [n], [round]));
        batch.put(b"other", [round], b"1");
        assert!(kv.commit(&batch, Durability::Sync).is_ok());

        assert!(kv.drop_keyspace(b"k").unwrap());
        assert_eq!(
            kv.get(b"k", &[1]).unwrap_err().kind(),
            &KvErrorKind::UnknownKeyspace
        );
        assert!(
            kv.commit(&batch, Durability::Sync).is_err(),
            "a dropped keyspace takes no writes"
        );
        if round != 1 {
            kv = subject.reopen(kv);
            assert_eq!(kv.keyspaces().unwrap(), vec![b"other".to_vec()]);
        }
        assert!(kv.create_keyspace(b"k").unwrap());
        assert!(keys(&*kv, b"k").is_empty(), "round {round}");
        kv = subject.reopen(kv);
        assert!(keys(&*kv, b"k").is_empty(), "round {round}, reopened");
        assert_eq!(keys(&*kv, b"other").len(), usize::from(round) + 1);
    }
}
