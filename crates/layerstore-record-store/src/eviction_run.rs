//! Makes room in memory: reserves, and evicts what the policy chooses (clauses S7 and S8).

use std::sync::Arc;
use std::time::Duration;

use layerstore_observer::{MutationEvent, Ownership, PreviousValue};
use layerstore_record::{Key, Millis, Provenance, Record};
use tokio::time::Instant;

use crate::budget::{Reservation, Tenant};
use crate::core::Core;
use crate::counters::count;
use crate::error::{RecordErrorKind, RecordStoreError};
use crate::eviction::Candidate;
use crate::expiry::end_reason;
use crate::gate::Pass;
use crate::lock::lock;
use crate::patience::Patience;
use crate::telling::Ancestry;
use crate::victims::{DRAWN_A_VICTIM, Victim};

/// Whether others may be evicted for what is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Evict until it fits.
    Make,
    /// Take only what is free.
    Find,
}

/// How many samples are drawn before a full memory of records that cannot be evicted is given up on, for now.
const SAMPLES: usize = 4;

impl Core {
    /// Reserves memory without waiting.
    pub(crate) fn make_room(&self, amount: u64, room: Room) -> Option<Reservation> {
        let budget = &self.memory.budget;
        if !budget.could_fit(amount) {
            return None;
        }
        loop {
            if let Some(reservation) = budget.try_reserve(amount) {
                return Some(reservation);
            }
            // Each round evicts a record or ends: there are only so many.
            if room == Room::Find || !(self.evict_one() || budget.evict_elsewhere()) {
                return None;
            }
        }
    }

    /// Refuses a record whose charge is more than the whole budget: there is nothing to wait for.
    pub(crate) fn check_size(
        &self,
        key: &Key,
        charge: u64,
        operation: &'static str,
    ) -> Result<(), RecordStoreError> {
        if self.memory.budget.could_fit(charge) {
            return Ok(());
        }
        let what = format!(
            "it takes {charge} of a budget of {:?}",
            self.memory.budget.limit()
        );
        let kind = RecordErrorKind::TooLarge;
        Err(RecordStoreError::new(kind, operation, &self.map, what).at_key(key))
    }

    /// Reserves memory, waiting for it as long as there is patience.
    pub(crate) async fn wait_for_room(
        self: &Arc<Self>,
        amount: u64,
        operation: &'static str,
        patience: &Patience,
    ) -> Result<Reservation, RecordStoreError> {
        let (started, deadline) = (Instant::now(), patience.deadline());
        let reserved = self.reserve_until(amount, deadline).await;
        patience.take(started.elapsed());
        let over_budget = || {
            count(&self.counters.over_budget);
            let budget = &self.memory.budget;
            let what = format!(
                "{amount} of {:?} wanted, {} in use: raise the budget, or choose an eviction policy that frees some",
                budget.limit(),
                budget.used()
            );
            RecordStoreError::new(RecordErrorKind::OverBudget, operation, &self.map, what)
        };
        reserved.ok_or_else(over_budget)
    }

    /// Reserves memory, if that is possible until then.
    async fn reserve_until(self: &Arc<Self>, amount: u64, deadline: Instant) -> Option<Reservation> {
        let budget = &self.memory.budget;
        loop {
            let freed = budget.freed();
            tokio::pin!(freed);
            // Registered before the try, so that room that is made in between is not missed.
            freed.as_mut().enable();
            if let Some(reservation) = self.make_room(amount, Room::Make) {
                return Some(reservation);
            }
            if Instant::now() >= deadline {
                return None;
            }
            // What has ended takes room that only its removal through the data store gives back.
            Box::pin(self.sweep_once()).await;
            if let Some(reservation) = self.make_room(amount, Room::Make) {
                return Some(reservation);
            }
            let wait = deadline.saturating_duration_since(Instant::now()).min(RETRY);
            let _ = tokio::time::timeout(wait, freed).await;
        }
    }

    /// Removes a record from memory that the data store has, and tells observers. The caller holds the gate.
    pub(crate) fn evict_held(&self, pass: &Pass, record: &Arc<Record>, now: Millis) {
        let key = pass.key();
        if self.is_queued(key, record) {
            self.memory.remove_queued(key);
        } else {
            self.memory.remove(key);
        }
        let event = match end_reason(record, now) {
            None => MutationEvent::Evict { key, record },
            Some(reason) => MutationEvent::Remove {
                key,
                tombstone: None,
                previous: PreviousValue::Known(record),
                reason,
            },
        };
        if record.is_tombstone() {
            return;
        }
        count(&self.counters.evictions);
        let from = (Provenance::Client, Ownership::Owner);
        let _ = self
            .announcer
            .tell(&self.counters, (&Ancestry::here(), pass.op()), from, event);
    }

    /// Tells whether a record may leave memory and come back the same, or is one that nobody will miss.
    pub(crate) fn is_evictable(&self, key: &Key, record: &Record, now: Millis) -> bool {
        if self.memory.is_backup(key) {
            return false;
        }
        if self.is_null {
            return true;
        }
        let expiry = record.expiry();
        // One that has ended by its idle time and whose persisted end is not over would come back to life.
        let comes_back = record.is_expired(now) && expiry.persisted_end().is_none_or(|end| end > now);
        if comes_back || expiry.has_moved(record.access().last_access()) {
            self.note_moved(key);
            return false;
        }
        true
    }

    fn next_victim(&self) -> Option<Victim> {
        lock(&self.victims).take()
    }

    /// Tells whether the data store holds on to a record that is still on its way.
    fn is_queued(&self, key: &Key, record: &Record) -> bool {
        !self.is_null && record.last_stored().is_none() && !self.store.is_loadable(&self.map, key)
    }

    /// Evicts the record that the policy chooses of those that were drawn, the next if a writer is at it, and keeps some more for the next times.
    fn evict_among(&self, mut drawn: Vec<(Key, Arc<Record>)>, rng: &mut fastrand::Rng, now: Millis) -> bool {
        let policy = &self.config.eviction;
        // To evict what the data store's queue holds on to would free nothing.
        drawn.retain(|(key, record)| self.is_evictable(key, record, now) && !self.is_queued(key, record));
        let mut candidates: Vec<_> = drawn.iter().map(|(_, record)| candidate(record, now)).collect();
        let (mut is_done, mut spare) = (false, policy.sample_size() / DRAWN_A_VICTIM);
        loop {
            let chosen = policy.choose(&candidates, rng);
            let Some(chosen) = chosen.filter(|chosen| *chosen < candidates.len()) else {
                return is_done;
            };
            candidates.swap_remove(chosen);
            let (key, record) = drawn.swap_remove(chosen);
            let victim = Victim::of(key, &record);
            if is_done {
                lock(&self.victims).add(victim);
            } else {
                is_done = self.evict_victim(&victim, now);
            }
            spare = spare.saturating_sub(usize::from(is_done));
            if is_done && spare == 0 {
                return true;
            }
        }
    }

    /// Evicts a record, unless a writer is at it, or it is another by now, or was read since it was chosen.
    fn evict_victim(&self, victim: &Victim, now: Millis) -> bool {
        let key = victim.key();
        let Ok(pass) = self.gates.try_pass_to_evict(key) else {
            return false;
        };
        let held = self.memory.record(key).filter(|held| victim.is(held));
        let held = held.filter(|held| self.is_evictable(key, held, now) && !self.is_queued(key, held));
        let Some(held) = held else {
            return false;
        };
        self.evict_held(&pass, &held, now);
        self.config.eviction.evicted(pass.hash(), now);
        true
    }
}

fn candidate(record: &Record, now: Millis) -> Candidate {
    let gone = record.is_tombstone() || record.is_expired(now);
    Candidate {
        hits: if gone { 0 } else { record.access().hits() },
        idle: if gone {
            u64::MAX
        } else {
            now.since(record.access().last_access())
        },
    }
}

impl Tenant for Core {
    fn evict_one(&self) -> bool {
        let sample = self.config.eviction.sample_size();
        if sample == 0 {
            return false;
        }
        let now = self.now();
        while let Some(victim) = self.next_victim() {
            if self.evict_victim(&victim, now) {
                return true;
            }
        }
        let mut rng = lock(&self.victims).fork_rng();
        (0..SAMPLES).any(|_| {
            let drawn = self.memory.engine.sample(&mut rng, sample);
            self.evict_among(drawn, &mut rng, now)
        })
    }
}

/// How long a writer waits for room before it looks again by itself: 50 ms, since a record may have become evictable
/// without any memory being given back.
const RETRY: Duration = Duration::from_millis(50);
