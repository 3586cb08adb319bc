//! A backend under test.

use std::path::Path;
use std::sync::Arc;

use layerstore_kv::{Batch, Direction, Durability, KeyRange, KvBackend, KvItem, KvRead, KvResult};
use tempfile::TempDir;

type OpenAt = Box<dyn Fn(&Path) -> KvResult<Arc<dyn KvBackend>> + Send + Sync>;

/// How to make the backend under test, with a directory of its own.
pub struct KvSubject {
    open: OpenAt,
    persistent: bool,
    dir: TempDir,
}

impl KvSubject {
    /// A backend that forgets everything when it is dropped.
    pub fn volatile<B: KvBackend>(make: impl Fn() -> B + Send + Sync + 'static) -> Self {
        Self::new(Box::new(move |_| Ok(Arc::new(make()))), false)
    }

    /// A backend that keeps everything in a directory.
    pub fn persistent<B: KvBackend>(open: impl Fn(&Path) -> KvResult<B> + Send + Sync + 'static) -> Self {
        Self::new(Box::new(move |dir| Ok(Arc::new(open(dir)?))), true)
    }

    fn new(open: OpenAt, persistent: bool) -> Self {
        Self {
            open,
            persistent,
            dir: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    /// Opens it; a persistent one shows what the last that was dropped held.
    ///
    /// # Panics
    /// When it does not open.
    #[must_use]
    pub fn open(&self) -> Arc<dyn KvBackend> {
        (self.open)(self.dir.path()).expect("the backend opens")
    }

    /// Opens it with these keyspaces.
    ///
    /// # Panics
    /// When it does not open, or a keyspace cannot be created.
    #[must_use]
    pub fn open_with(&self, keyspaces: &[&[u8]]) -> Arc<dyn KvBackend> {
        let kv = self.open();
        for name in keyspaces {
            kv.create_keyspace(name).expect("a keyspace is created");
        }
        kv
    }

    /// Tells whether it keeps everything when it is dropped and opened again.
    #[must_use]
    pub fn is_persistent(&self) -> bool {
        self.persistent
    }

    /// Drops a persistent backend and opens it again; gives a volatile one back.
    ///
    /// # Panics
    /// When it does not open.
    #[must_use]
    pub fn reopen(&self, kv: Arc<dyn KvBackend>) -> Arc<dyn KvBackend> {
        if !self.persistent {
            return kv;
        }
        drop(kv);
        self.open()
    }
}

/// Commits a batch made by `fill`, buffered.
pub(crate) fn commit(kv: &dyn KvBackend, fill: impl FnOnce(&mut Batch)) {
    let mut batch = Batch::new();
    fill(&mut batch);
    let _may_be_lost_by_a_crash = kv
        .commit(&batch, Durability::Buffered)
        .expect("the batch is committed");
}

/// Reads one key as text.
pub(crate) fn get(kv: &(impl KvRead + ?Sized), keyspace: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    kv.get(keyspace, key).expect("the key is read")
}

/// Reads a whole range.
pub(crate) fn rows(
    kv: &(impl KvRead + ?Sized),
    keyspace: &[u8],
    range: KeyRange,
    direction: Direction,
) -> Vec<KvItem> {
    let scan = kv.scan(keyspace, range, direction).expect("the scan starts");
    scan.collect::<KvResult<_>>()
        .expect("the scan ends without an error")
}

/// Reads the keys of a whole keyspace, ascending.
pub(crate) fn keys(kv: &(impl KvRead + ?Sized), keyspace: &[u8]) -> Vec<Vec<u8>> {
    rows(kv, keyspace, KeyRange::all(), Direction::Forward)
        .into_iter()
        .map(|(key, _)| key)
        .collect()
}
