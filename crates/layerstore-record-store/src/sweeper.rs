//! Sweeps: removes what has ended, persists idle deadlines that reads have moved, drops old tombstones (clause S6).

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use layerstore_engine::{Cursor, Lookup, Slot};
use layerstore_observer::{MutationEvent, Ownership, PreviousValue};
use layerstore_record::{Key, Millis, Provenance, Record, RecordValue};

use crate::config::ExpiryPolicy;
use crate::core::Core;
use crate::counters::count;
use crate::entry::Entry;
use crate::expiry::end_reason;
use crate::gate::Pass;
use crate::job::Job;
use crate::lock::lock;
use crate::op::Op;
use crate::outcome::SweepReport;
use crate::telling::Ancestry;

/// How many sweep intervals one round through memory takes: a minute at the default interval.
const ROUND: usize = 60;

impl Core {
    /// Looks at the next records of memory. Boxed, since a write that waits for room sweeps.
    pub(crate) fn sweep_once(self: &Arc<Self>) -> Pin<Box<dyn Future<Output = SweepReport> + Send + '_>> {
        Box::pin(async move {
            let mut report = SweepReport::default();
            let mut writes = self.take_moved();
            let page = {
                let mut cursor = lock(&self.sweep.cursor);
                let page = self.memory.engine.fetch(&cursor, self.config.sweep_batch);
                *cursor = page.next.clone().unwrap_or_default();
                page
            };
            report.visited = page.slots.len();
            let now = self.now();
            for (key, slot) in page.slots {
                // What lies in the engine's disk tier is judged when it is read.
                if let Slot::Resident(record) = slot {
                    self.visit(&key, &record, now, &mut writes, &mut report);
                }
            }
            self.write_swept(writes, &mut report).await;
            report
        })
    }

    /// Sweeps in the background, until the store is closed or dropped.
    pub(crate) async fn sweep_in_background(core: Weak<Self>, interval: std::time::Duration) {
        loop {
            let Some(strong) = core.upgrade() else {
                return;
            };
            let tasks = Arc::clone(&strong.tasks);
            let woken = {
                // Only the parts that are waited on are held meanwhile: the task does not keep the store alive.
                let wake = Arc::clone(&strong.sweep.wake);
                async move { wake.notified().await }
            };
            drop(strong);
            tokio::select! {
                () = tasks.closing() => return,
                _ = tokio::time::timeout(interval, woken) => {}
            }
            let Some(strong) = core.upgrade() else {
                return;
            };
            let share = strong.memory.engine.len() / ROUND;
            let mut visited = 0;
            // What reads have moved is not left to the next interval: a burst of them may be many batches.
            while (visited <= share || strong.has_moved_any()) && !strong.tasks.is_closed() {
                let report = strong.sweep_once().await;
                visited += report.visited.max(1);
                tokio::task::yield_now().await;
            }
        }
    }

    /// Persists all that readers have moved, a batch after another; used when closing, when no reader moves anything any more.
    pub(crate) async fn persist_moved(self: &Arc<Self>) -> SweepReport {
        let mut report = SweepReport::default();
        let moved: Vec<_> = std::mem::take(&mut *lock(&self.sweep.moved))
            .into_iter()
            .collect();
        for some in moved.chunks(self.config.sweep_batch) {
            let writes = self.verbs_of_moved(some.to_vec());
            self.write_swept(writes, &mut report).await;
        }
        if !self.sweep.forgot_moved.load(Ordering::Relaxed) {
            return report;
        }
        // There were more than are kept in mind: all of memory is looked through.
        let mut cursor = Some(Cursor::start());
        while let Some(at) = cursor {
            let page = self.memory.engine.fetch(&at, self.config.sweep_batch);
            let mut writes = Vec::new();
            for (key, slot) in page.slots {
                if let Slot::Resident(record) = slot
                    && self.is_to_persist(&key, &record)
                {
                    writes.push((key, Op::PersistIdle));
                }
            }
            self.write_swept(writes, &mut report).await;
            cursor = page.next;
        }
        report
    }

    fn has_moved_any(&self) -> bool {
        !lock(&self.sweep.moved).is_empty()
    }

    /// Tells whether reads have moved the idle deadline of a record so far that it is to be written.
    fn is_to_persist(&self, key: &Key, record: &Record) -> bool {
        let moved = record.expiry().has_moved(record.access().last_access());
        moved && !self.is_null && !self.memory.is_backup(key)
    }

    fn take_moved(&self) -> Vec<(Key, Op)> {
        let mut moved = lock(&self.sweep.moved);
        let some: Vec<_> = moved.iter().take(self.config.sweep_batch).cloned().collect();
        for key in &some {
            moved.remove(key);
        }
        drop(moved);
        self.verbs_of_moved(some)
    }

    fn verbs_of_moved(&self, moved: Vec<Key>) -> Vec<(Key, Op)> {
        let now = self.now();
        let verb = |key: Key| match self.memory.engine.lookup(&key) {
            Lookup::Hit(record) if end_reason(&record, now).is_some() => Some((key, Op::Expire)),
            // What became cold since it was read is read again for its deadline: lost, it would end early.
            Lookup::Hit(_) | Lookup::Cold(_) => Some((key, Op::PersistIdle)),
            Lookup::Miss => None,
        };
        moved.into_iter().filter_map(verb).collect()
    }

    fn visit(
        &self,
        key: &Key,
        record: &Arc<Record>,
        now: Millis,
        writes: &mut Vec<(Key, Op)>,
        report: &mut SweepReport,
    ) {
        if record.is_tombstone() {
            if self.is_old_tombstone(record, now) && self.drop_ended(key, record, now) {
                report.tombstones += 1;
            }
        } else if end_reason(record, now).is_none() {
            if self.is_to_persist(key, record) {
                writes.push((key.clone(), Op::PersistIdle));
            }
        } else if self.leaves_removals(key, record) {
            writes.push((key.clone(), Op::Expire));
        } else if self.is_null || self.memory.is_backup(key) {
            report.expired += usize::from(self.drop_ended(key, record, now));
        } else if self.config.expiry == ExpiryPolicy::ThroughStore {
            writes.push((key.clone(), Op::Expire));
        } else if record.expiry().persisted_end().is_some_and(|end| end <= now) {
            // Until then the data store would give it back: it stays in memory, where it is known to have ended.
            report.expired += usize::from(self.drop_ended(key, record, now));
        }
    }

    /// Tells whether memory alone has to remember that the entries of this ended OR-Map were removed: a peer's older state
    /// would bring them back otherwise. Of a last-writer-wins value a cache keeps nothing: it loses by choice.
    fn leaves_removals(&self, key: &Key, record: &Record) -> bool {
        let has_entries = matches!(record.value(), RecordValue::OrMap { .. });
        has_entries && self.is_null && !self.config.tombstone_horizon.is_zero() && !self.memory.is_backup(key)
    }

    /// Tells whether nobody needs to be told of a removal any more. Backups keep theirs until they are promoted, where there is
    /// a data store that may have to hear of it.
    fn is_old_tombstone(&self, record: &Record, now: Millis) -> bool {
        let horizon = u64::try_from(self.config.tombstone_horizon.as_millis()).unwrap_or(u64::MAX);
        record.updated().plus(horizon) <= now
    }

    /// Removes from memory alone what has ended, unless a writer is at it or has been.
    fn drop_ended(&self, key: &Key, record: &Arc<Record>, now: Millis) -> bool {
        let Ok(pass) = self.gates.try_pass(key) else {
            return false;
        };
        let held = self.memory.record(key).filter(|held| Arc::ptr_eq(held, record));
        // A reader may have moved the end since the page was read.
        let Some(held) = held.filter(|held| held.is_tombstone() || held.is_expired(now)) else {
            return false;
        };
        let was_backup = self.memory.is_backup(key);
        match (was_backup, held.is_tombstone()) {
            (true, true) if !self.is_null => return false,
            (true, false) => self.bury_backup(key, &held, now),
            _ => {
                self.memory.remove(key);
                self.memory.remove_backup(key);
            }
        }
        self.tell_ended(&pass, &held, now, was_backup);
        true
    }

    /// Tells observers that a record has ended. The caller holds the gate.
    pub(crate) fn tell_ended(&self, pass: &Pass, record: &Arc<Record>, now: Millis, was_backup: bool) {
        let Some(reason) = end_reason(record, now) else {
            return;
        };
        count(&self.counters.expirations);
        let event = MutationEvent::Remove {
            key: pass.key(),
            tombstone: None,
            previous: PreviousValue::Known(record),
            reason,
        };
        let from = if was_backup {
            (Provenance::Backup, Ownership::Backup)
        } else {
            (Provenance::Client, Ownership::Owner)
        };
        let _ = self
            .announcer
            .tell(&self.counters, (&Ancestry::here(), pass.op()), from, event);
    }

    /// Makes the sweep's writes with one call of the data store; keys that a writer is at are left to the next sweep.
    async fn write_swept(self: &Arc<Self>, writes: Vec<(Key, Op)>, report: &mut SweepReport) {
        let mut entries = Vec::with_capacity(writes.len());
        let mut expiring = Vec::with_capacity(writes.len());
        for (key, op) in writes {
            // A key that was taken twice is busy the second time.
            let pass = self.gates.try_pass(&key).ok();
            // What is kept for another owner is not written, though reads here have moved its idle deadline.
            if let Some(pass) = pass.filter(|_| !self.memory.is_backup(&key)) {
                expiring.push(matches!(op, Op::Expire));
                entries.push((entries.len(), Entry::new(pass, op)));
            }
        }
        if entries.is_empty() {
            return;
        }
        // In a task of its own, as every write (S3): who sweeps may go away, and observers hear of what was removed.
        let job = Job::new(Arc::clone(self), Ancestry::here(), entries);
        let Ok(results) = self.tasks.spawn(job.run()).await else {
            report.failed += expiring.len();
            return;
        };
        for (place, result) in results {
            match result {
                Ok(written) if written.version.is_none() => {}
                Ok(_) if expiring[place] => report.expired += 1,
                Ok(_) => report.persisted += 1,
                Err(error) => {
                    report.failed += 1;
                    tracing::debug!(map = %self.map, %error, "a sweep could not write; the next one tries again");
                }
            }
        }
    }
}
