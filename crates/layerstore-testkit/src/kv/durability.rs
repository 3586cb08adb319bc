//! K9: what is durable, and when.

use layerstore_kv::{Batch, Committed, Durability, KvBackend};

use super::KvSubject;
use super::subject::keys;

fn one(key: u32) -> Batch {
    let mut batch = Batch::new();
    batch.put(b"k", key.to_be_bytes(), b"v");
    batch
}

fn syncs(kv: &dyn KvBackend) -> u64 {
    kv.stats().unwrap().syncs
}

/// The answers say what was reached, and each claim of durability had a sync of its own.
pub fn k9_sync_answers_durable_and_buffered_until_persist(subject: &KvSubject) {
    let kv = subject.open_with(&[b"k"]);
    let before = syncs(&*kv);
    assert_eq!(kv.commit(&one(1), Durability::Sync).unwrap(), Committed::Durable);
    assert_eq!(syncs(&*kv), before + 1);
    assert_eq!(
        kv.commit(&one(2), Durability::Buffered).unwrap(),
        Committed::NotYet
    );
    assert_eq!(syncs(&*kv), before + 1, "a buffered commit waits for no sync");
    kv.persist().unwrap();
    assert_eq!(syncs(&*kv), before + 2);
    assert_eq!(
        kv.commit(&Batch::new(), Durability::Sync).unwrap(),
        Committed::Durable
    );
    assert_eq!(syncs(&*kv), before + 3, "an empty batch with Sync is a persist");
}

/// Synced and persisted batches are there after reopening, in any mixture.
pub fn k9_what_was_durable_is_there_after_reopening(subject: &KvSubject) {
    let mut kv = subject.open_with(&[b"k"]);
    for round in 0..4 {
        for n in 0..25 {
            let durability = if n % 5 == 4 {
                Durability::Sync
            } else {
                Durability::Buffered
            };
            assert!(kv.commit(&one(round * 100 + n), durability).is_ok());
        }
        assert!(kv.commit(&one(round * 100 + 25), Durability::Buffered).is_ok());
        kv.persist().unwrap();
        kv = subject.reopen(kv);
        assert_eq!(keys(&*kv, b"k").len(), (round as usize + 1) * 26);
    }
}
