mod explain;
mod plan;
mod selection;
mod walk;

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::RandomState;
use layerstore_record::{Key, Record};
use layerstore_record_store::{RecordStoreError, TryGet};

use crate::index::{Index, Scope};
use crate::order::{Direction, Order};
use crate::pages::{PAGE, Pages};
use crate::partitions::Partitions;
use crate::path::Path;
use crate::predicate::Predicate;
use plan::Plan;
use selection::Selection;
use walk::Walk;

pub use explain::{Access, Explanation};
pub(crate) use walk::Front;

/// Asks for records by what they hold: which, in what order, and how many. Everything, in key order, unless told otherwise.
///
/// What is in memory is looked at without counting as a read. What an index finds and memory does not have is read from the data
/// store, and stays in memory as any read does; reading through everything leaves memory as it is.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Query {
    pub(crate) predicate: Predicate,
    pub(crate) order: Option<Order>,
    pub(crate) limit: Option<usize>,
    scope: Scope,
}

/// What a query found, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answer {
    /// The records, in the order asked for.
    pub records: Vec<(Key, Arc<Record>)>,
    /// How they were found.
    pub explanation: Explanation,
}

impl Query {
    /// Asks for the records that this means.
    pub fn of(predicate: Predicate) -> Self {
        Self {
            predicate,
            order: None,
            limit: None,
            scope: Scope::Stored,
        }
    }

    /// Orders them by the values at a path, in the order of [`Term`](crate::Term), and by key where those are equal. Records without a value there come
    /// last; of several values the first in the direction counts.
    pub fn order_by(mut self, path: impl Into<Path>, direction: Direction) -> Self {
        let path = path.into();
        self.order = Some(Order { path, direction });
        self
    }

    /// Asks for so many at most, the first ones.
    pub fn limit(mut self, records: usize) -> Self {
        self.limit = Some(records);
        self
    }

    /// Asks for what is in memory alone; nothing is read from the data store.
    pub fn resident(mut self) -> Self {
        self.scope = Scope::Resident;
        self
    }

    /// Answers the query, by an index where one of these serves.
    ///
    /// # Errors
    /// When records cannot be read: an answer is whole or an error.
    pub async fn run(
        &self,
        partitions: &Partitions,
        indexes: &[Arc<Index>],
    ) -> Result<Answer, RecordStoreError> {
        let mut reading = Reading {
            query: self,
            partitions,
            selection: Selection::new(self.limit),
            examined: 0,
        };
        let plan = Plan::of(&self.predicate, indexes, self.scope);
        if let Some(walk) = Walk::of(self, plan.as_ref(), indexes) {
            if reading.in_order(&walk).await? {
                return Ok(reading.answer(walk.access()));
            }
            reading.restart();
        }
        if let Some(plan) = plan {
            let indexes: Vec<_> = plan.indexes().collect();
            reading.by_key(plan.find(), &indexes).await?;
            // What came into doubt while it was asked may have missed some.
            if plan.stands() {
                return Ok(reading.answer(plan.access()));
            }
            reading.restart();
        }
        reading.through_everything().await?;
        Ok(reading.answer(Access::Everything))
    }
}

/// A query under way.
struct Reading<'a> {
    query: &'a Query,
    partitions: &'a Partitions,
    selection: Selection,
    examined: usize,
}

impl Reading<'_> {
    /// Looks at more and more of the first records of an order; tells whether these were enough.
    async fn in_order(&mut self, walk: &Walk<'_>) -> Result<bool, RecordStoreError> {
        let mut of_each = walk.first_step();
        while let Some(Front { keys, next }) = walk.front(of_each) {
            self.restart();
            self.by_key(keys, &[walk.index()]).await?;
            if !walk.stands() {
                return Ok(false);
            }
            if self.selection.is_full_before(next.as_ref()) {
                return Ok(true);
            }
            // Those without a value come after all of these, and are not in the index.
            if next.is_none() {
                return Ok(false);
            }
            of_each = of_each.saturating_mul(2);
        }
        Ok(false)
    }

    /// Looks at the records of these keys, which are sorted: as far as the limit, where the order is theirs.
    async fn by_key(&mut self, keys: Vec<Key>, indexes: &[&Arc<Index>]) -> Result<(), RecordStoreError> {
        let mut left = keys.as_slice();
        let mut page = self.selection.limit().clamp(1, PAGE);
        while !left.is_empty() && !self.is_settled_by_key() {
            let (some, others) = left.split_at(page.min(left.len()));
            let gone = self.look_at(some).await?;
            self.forget(&gone, indexes).await?;
            tokio::task::yield_now().await;
            (left, page) = (others, (2 * page).min(PAGE));
        }
        Ok(())
    }

    /// Tells whether what was found stands before everything with a later key.
    fn is_settled_by_key(&self) -> bool {
        self.query.order.is_none() && self.selection.is_full()
    }

    /// Judges the records of these keys; returns the keys that have none.
    async fn look_at(&mut self, keys: &[Key]) -> Result<Vec<Key>, RecordStoreError> {
        let mut gone = Vec::new();
        let mut elsewhere: Vec<Vec<Key>> = vec![Vec::new(); self.partitions.all().len()];
        for key in keys {
            let Some(store) = self.partitions.of(key) else {
                continue;
            };
            match store.peek(key) {
                TryGet::Hit(record) => self.judge(key, record),
                TryGet::NeedsLoad if self.query.scope == Scope::Stored => {
                    elsewhere[self.partitions.index_of(key)].push(key.clone());
                }
                TryGet::Absent | TryGet::NeedsLoad => gone.push(key.clone()),
            }
        }
        for (store, keys) in self.partitions.all().iter().zip(elsewhere) {
            if keys.is_empty() {
                continue;
            }
            for (key, record) in keys.iter().zip(store.get_all(&keys).await?) {
                match record {
                    Some(record) => self.judge(key, record),
                    None => gone.push(key.clone()),
                }
            }
        }
        Ok(gone)
    }

    /// Has indexes forget keys that led nowhere, where they were told nothing of them since: observers do not hear of all that
    /// ends out of memory.
    async fn forget(&mut self, gone: &[Key], indexes: &[&Arc<Index>]) -> Result<(), RecordStoreError> {
        for index in indexes {
            let stamped = gone.iter().filter_map(|key| Some((key, index.stamp(key)?)));
            for (key, stamp) in stamped.collect::<Vec<_>>() {
                if !self.is_there(key, index.scope()).await? {
                    index.drop_unchanged(key, stamp);
                }
            }
        }
        Ok(())
    }

    async fn is_there(&self, key: &Key, scope: Scope) -> Result<bool, RecordStoreError> {
        let Some(store) = self.partitions.of(key) else {
            return Ok(false);
        };
        match (store.peek(key), scope) {
            (TryGet::Hit(_), _) => Ok(true),
            (TryGet::Absent, _) | (_, Scope::Resident) => Ok(false),
            // Who asks for what is in memory alone has the data store left in peace.
            (TryGet::NeedsLoad, Scope::Stored) if self.query.scope == Scope::Resident => Ok(true),
            (TryGet::NeedsLoad, Scope::Stored) => store.contains(key).await,
        }
    }

    async fn through_everything(&mut self) -> Result<(), RecordStoreError> {
        // What is in memory may be shown twice, and have changed in between: the first showing counts.
        let mut shown: HashSet<Key, RandomState> = HashSet::default();
        for store in self.partitions.all() {
            let mut next = Some(Pages::first(self.query.scope));
            while let Some(pages) = next.take() {
                let page = pages.read(&**store).await?;
                // In key order what comes after this page may stand behind all that is wanted.
                let last = page.records.last().map(|(key, _)| key.clone());
                next = page.next;
                for (key, record) in page.records {
                    if page.is_in_key_order || shown.insert(key.clone()) {
                        self.judge(&key, record);
                    }
                }
                let is_last_wanted =
                    || self.is_settled_by_key() && self.selection.is_before_key(last.as_ref());
                if page.is_in_key_order && is_last_wanted() {
                    next = None;
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    fn judge(&mut self, key: &Key, record: Arc<Record>) {
        self.examined += 1;
        if self.query.predicate.holds(&record) {
            self.selection.offer(self.query.order.as_ref(), key, record);
        }
    }

    fn restart(&mut self) {
        self.selection = Selection::new(self.query.limit);
    }

    fn answer(self, access: Access) -> Answer {
        let records = self.selection.into_records();
        let explanation = Explanation {
            access,
            examined: self.examined,
            returned: records.len(),
        };
        Answer { records, explanation }
    }
}
