//! Objects in memory, with tags and conditions.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opendal::raw::Service;
use opendal::{Buffer, Builder, Operator, Result};

use super::service::MemoryService;

/// A bucket in memory that keeps conditions atomically, as Amazon S3 does. Clones share it.
///
/// Its tags name contents, not writes: an object that comes to hold the same bytes again has the same tag again, as on
/// services whose ETag is a checksum.
#[derive(Debug, Clone, Default)]
pub struct ObjectMemory {
    objects: Arc<Mutex<BTreeMap<String, Object>>>,
    contest: Arc<Mutex<Contest>>,
    quirk: Option<Quirk>,
}

/// Objects that others always change first.
#[derive(Debug, Default)]
struct Contest {
    suffix: String,
    /// How many more writes come too late.
    left: u32,
}

impl Contest {
    fn comes_first(&mut self, path: &str) -> bool {
        let is_contested = self.left > 0 && path.ends_with(&self.suffix);
        self.left -= u32::from(is_contested);
        is_contested
    }
}

/// An object: its bytes, and what its writer said of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Object {
    pub(super) bytes: Buffer,
    pub(super) user_metadata: HashMap<String, String>,
}

/// In what a service differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quirk {
    /// It answers that it has made a conditional write, whatever the condition, and has made it.
    IgnoresConditions,
    /// It does so with deletions alone.
    IgnoresDeleteConditions,
    /// A listing says that it begins behind a name, and does not.
    IgnoresStartAfter,
}

impl ObjectMemory {
    /// Makes an empty bucket.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the bucket differ from Amazon S3.
    #[must_use]
    pub fn with(mut self, quirk: Quirk) -> Self {
        self.quirk = Some(quirk);
        self
    }

    /// Returns a way to the bucket.
    ///
    /// # Errors
    /// None that is known of.
    pub fn operator(&self) -> Result<Operator> {
        Operator::new(self.clone())
    }

    /// Lets the next `times` writes of paths that end so come too late: their conditions do not hold.
    pub fn contest_next(&self, suffix: &str, times: u32) {
        *self.contest() = Contest {
            suffix: suffix.to_owned(),
            left: times,
        };
    }

    /// Returns the paths of all objects.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    pub(super) fn is(&self, quirk: Quirk) -> bool {
        self.quirk == Some(quirk)
    }

    pub(super) fn get(&self, path: &str) -> Option<Object> {
        self.lock().get(path).cloned()
    }

    /// Writes if `wanted` holds of what is there; tells whether.
    pub(super) fn put(
        &self,
        path: &str,
        object: Object,
        wanted: impl FnOnce(Option<&Object>) -> bool,
    ) -> bool {
        if self.contest().comes_first(path) {
            return false;
        }
        let mut objects = self.lock();
        let holds = self.is(Quirk::IgnoresConditions) || wanted(objects.get(path));
        if holds {
            objects.insert(path.to_owned(), object);
        }
        holds
    }

    /// Deletes if `wanted` holds of what is there; tells whether.
    pub(super) fn delete(&self, path: &str, wanted: impl FnOnce(Option<&Object>) -> bool) -> bool {
        let mut objects = self.lock();
        let ignores = self.is(Quirk::IgnoresConditions) || self.is(Quirk::IgnoresDeleteConditions);
        let holds = ignores || wanted(objects.get(path));
        if holds {
            objects.remove(path);
        }
        holds
    }

    /// Returns the first `limit` paths with a prefix, behind another path, each with the length of its object.
    pub(super) fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Vec<(String, u64)> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after.to_owned()),
            _ => Bound::Included(prefix.to_owned()),
        };
        let objects = self.lock();
        let found = objects.range((start, Bound::Unbounded));
        found
            .take_while(|(path, _)| path.starts_with(prefix))
            .take(limit)
            .map(|(path, object)| (path.clone(), object.bytes.len() as u64))
            .collect()
    }

    fn contest(&self) -> MutexGuard<'_, Contest> {
        self.contest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Object>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Builder for ObjectMemory {
    type Config = ();

    fn build(self) -> Result<impl Service> {
        Ok(MemoryService::new(self))
    }
}
