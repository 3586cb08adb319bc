use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use layerstore_engine::HashMapEngine;
use layerstore_record::{Cost, Key, Record};
use tokio::sync::Notify;

use crate::lock::lock;

/// What the engine adds to the memory of a record.
const ENTRY: u64 = HashMapEngine::OVERHEAD.0;

/// The memory that records may take, in records or bytes: a hard limit, shared by the stores that hold it.
pub struct Budget {
    limit: Limit,
    used: AtomicU64,
    freed: Notify,
    /// The stores that can make room. Held only to copy the list.
    tenants: Mutex<Vec<Weak<dyn Tenant>>>,
    /// Records that left memory and still stand in the data store's queue: they count until they are let go.
    queued: Mutex<Vec<(Weak<Record>, u64)>>,
}

/// How a budget is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// As much as there is.
    Unlimited,
    /// A number of records.
    Count(u64),
    /// A number of bytes.
    Cost(Cost),
}

/// A store that can make room.
pub(crate) trait Tenant: Send + Sync + 'static {
    /// Evicts one record; tells whether one was found.
    fn evict_one(&self) -> bool;
}

/// Memory that was set aside for a write; given back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<Budget>,
    amount: u64,
}

impl Budget {
    /// Makes a budget with this limit.
    #[must_use]
    pub fn new(limit: Limit) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicU64::new(0),
            freed: Notify::new(),
            tenants: Mutex::default(),
            queued: Mutex::default(),
        })
    }

    /// Makes a budget without a limit.
    #[must_use]
    pub fn unlimited() -> Arc<Self> {
        Self::new(Limit::Unlimited)
    }

    /// Makes a budget of a number of records.
    #[must_use]
    pub fn count(records: u64) -> Arc<Self> {
        Self::new(Limit::Count(records))
    }

    /// Makes a budget of a number of bytes.
    #[must_use]
    pub fn cost(cost: Cost) -> Arc<Self> {
        Self::new(Limit::Cost(cost))
    }

    /// Returns the limit.
    #[must_use]
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// Returns what is in use, reservations and queued records included, in the limit's unit (bytes where there is none).
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }

    /// Adds a store that can make room.
    pub(crate) fn join(&self, tenant: Weak<dyn Tenant>) {
        let mut tenants = lock(&self.tenants);
        tenants.retain(|tenant| tenant.strong_count() > 0);
        tenants.push(tenant);
    }

    /// Returns what a record takes.
    pub(crate) fn charge(&self, key: &Key, record: &Record) -> u64 {
        match self.limit {
            Limit::Count(_) => 1,
            Limit::Cost(_) | Limit::Unlimited => record.cost(key).0.saturating_add(ENTRY),
        }
    }

    /// Tells whether a record of this charge could ever fit.
    pub(crate) fn could_fit(&self, charge: u64) -> bool {
        charge <= self.most()
    }

    /// Sets memory aside, if there is room now.
    pub(crate) fn try_reserve(self: &Arc<Self>, amount: u64) -> Option<Reservation> {
        if amount == 0 {
            // Also where more is in use than there should be: what takes no more than before is not refused.
            return Some(self.reserved(0));
        }
        let most = self.most();
        let room = |used: u64| used.checked_add(amount).filter(|sum| *sum <= most);
        let taken = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, room);
        if taken.is_err()
            && !(self.settle_queued()
                && self
                    .used
                    .fetch_update(Ordering::AcqRel, Ordering::Acquire, room)
                    .is_ok())
        {
            return None;
        }
        Some(self.reserved(amount))
    }

    fn reserved(self: &Arc<Self>, amount: u64) -> Reservation {
        Reservation {
            budget: Arc::clone(self),
            amount,
        }
    }

    /// Gives memory back.
    pub(crate) fn give_back(&self, amount: u64) {
        if amount > 0 {
            self.used.fetch_sub(amount, Ordering::AcqRel);
            self.freed.notify_waiters();
        }
    }

    /// Gives the memory of a record back once the data store has confirmed it, or nobody holds it any more.
    pub(crate) fn give_back_after(&self, record: &Arc<Record>, amount: u64) {
        lock(&self.queued).push((Arc::downgrade(record), amount));
    }

    /// Returns what becomes ready when memory is given back after this call.
    pub(crate) fn freed(&self) -> tokio::sync::futures::Notified<'_> {
        self.freed.notified()
    }

    /// Asks the other stores to make room for one record.
    pub(crate) fn evict_elsewhere(&self) -> bool {
        let tenants = lock(&self.tenants).clone();
        tenants
            .iter()
            .filter_map(Weak::upgrade)
            .any(|tenant| tenant.evict_one())
    }

    /// Gives back what queued records took that were let go; tells whether that was anything.
    fn settle_queued(&self) -> bool {
        let mut freed = 0_u64;
        lock(&self.queued).retain(|(record, amount)| {
            let held = record
                .upgrade()
                .is_some_and(|record| record.last_stored().is_none());
            freed += if held { 0 } else { *amount };
            held
        });
        self.give_back(freed);
        freed > 0
    }

    fn most(&self) -> u64 {
        match self.limit {
            Limit::Unlimited => u64::MAX,
            Limit::Count(records) => records,
            Limit::Cost(cost) => cost.0,
        }
    }
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget")
            .field("limit", &self.limit)
            .field("used", &self.used())
            .finish_non_exhaustive()
    }
}

impl Reservation {
    /// Keeps `used` of what was set aside, which is the record's from now on.
    pub(crate) fn settle(mut self, used: u64) {
        if used > self.amount {
            // What it replaces has become smaller meanwhile: the record is in memory and counts.
            self.budget.used.fetch_add(used - self.amount, Ordering::AcqRel);
            self.amount = 0;
        } else {
            self.amount -= used;
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.give_back(self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_that_is_not_kept_is_given_back() {
        let budget = Budget::count(2);
        let one = budget.try_reserve(1).unwrap();
        budget.try_reserve(1).unwrap().settle(1);
        assert!(budget.try_reserve(1).is_none());
        drop(one);
        assert_eq!(budget.used(), 1);
        assert!(budget.try_reserve(1).is_some());
    }
}
