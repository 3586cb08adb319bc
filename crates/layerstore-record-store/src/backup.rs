//! Copies kept for another owner, and what becomes of them when this process becomes the owner (provenance *backup*).

use std::ops::Bound;
use std::sync::Arc;

use layerstore_engine::Lookup;
use layerstore_observer::{MutationEvent, Ownership, PreviousValue};
use layerstore_record::{Key, Millis, Provenance, Record};

use crate::core::Core;
use crate::entry::Entry;
use crate::error::{RecordErrorKind, RecordStoreError};
use crate::expiry::{end_reason, is_live};
use crate::gate::Pass;
use crate::job::Job;
use crate::op::Op;
use crate::outcome::{Outcome, PromoteReport};
use crate::telling::Ancestry;

/// How many backups are written with one call of the data store.
const BATCH: usize = 1_000;

impl Core {
    /// Keeps a copy of another owner's record.
    pub(crate) async fn put_backup(
        self: &Arc<Self>,
        key: &Key,
        record: Arc<Record>,
    ) -> Result<Outcome<()>, RecordStoreError> {
        self.check_open("put_backup")?;
        let pass = self.pass(key, "put_backup").await?;
        // The lookup ends before the wait: a guard of the engine must not be held across it.
        let lookup = self.memory.engine.lookup(key);
        let held = match lookup {
            Lookup::Hit(held) => Some(held),
            Lookup::Miss => None,
            Lookup::Cold(cold) => self.thaw(cold, "put_backup").await?,
        };
        if let Some(held) = held.as_ref().filter(|held| held.version() >= record.version()) {
            let error = self.error(RecordErrorKind::NotNewer, "put_backup");
            return Err(error.at_key(key).with_current(Some(held.version())));
        }
        let kind = self.kind.claim(record.value().kind()).map_err(|error| {
            let what = error.to_string();
            let kind = RecordErrorKind::KindMismatch;
            RecordStoreError::new(kind, "put_backup", &self.map, what).because(error)
        })?;
        self.check_levels(crate::op::depth(record.value()), "put_backup")
            .map_err(|error| error.at_key(key))?;
        let charge = self.memory.budget.charge(key, &record);
        self.check_size(key, charge, "put_backup")?;
        let growth = charge.saturating_sub(self.memory.charged(key));
        let reservation = self.wait_for_room(growth, "put_backup", &self.patience()).await?;
        if let Some(kind) = kind {
            kind.settle();
        }
        if let Some(held) = &held {
            record.access().carry_over(held.access());
        }
        self.memory.add_backup(key);
        self.memory.put(key, &record, charge, reservation);
        self.absent.forget(key);
        self.loads.poison(key);
        self.counters.write();
        let observer_error = self.tell_backup(&pass, held.as_ref(), &record);
        Ok(Outcome {
            value: (),
            version: Some(record.version()),
            observer_error,
        })
    }

    fn tell_backup(
        &self,
        pass: &Pass,
        held: Option<&Arc<Record>>,
        record: &Arc<Record>,
    ) -> Option<layerstore_observer::ObserverError> {
        let key = pass.key();
        let held = held.filter(|held| is_live(held, self.now()));
        let event = match (record.is_tombstone(), held) {
            (true, held) => MutationEvent::Remove {
                key,
                tombstone: Some(record),
                previous: held.map_or(PreviousValue::Absent, PreviousValue::Known),
                reason: layerstore_observer::RemoveReason::Removed,
            },
            (false, None) => MutationEvent::Put { key, record },
            (false, Some(held)) => MutationEvent::Update {
                key,
                record,
                previous: PreviousValue::Known(held),
            },
        };
        let from = (Provenance::Backup, Ownership::Backup);
        self.announcer
            .tell(&self.counters, (&Ancestry::here(), pass.op()), from, event)
    }

    /// Writes every backup to the data store, under its version.
    pub(crate) async fn promote(self: &Arc<Self>) -> Result<PromoteReport, RecordStoreError> {
        self.check_open("promote")?;
        let mut report = PromoteReport::default();
        let mut start = Bound::Unbounded;
        loop {
            let keys = self.memory.backups(start.as_ref(), Bound::Unbounded, BATCH);
            let Some(last) = keys.last().cloned() else {
                return Ok(report);
            };
            let passes = self.pass_all(&keys, "promote", &self.patience()).await?;
            // Between the list and the gates some may have been overwritten: they are no backups any more.
            let still = passes
                .into_iter()
                .filter(|pass| self.memory.is_backup(pass.key()));
            let now = self.now();
            let still = still.inspect(|pass| self.bury_if_ended(pass, now));
            let entries = still
                .enumerate()
                .map(|(at, pass)| (at, Entry::new(pass, Op::Promote)));
            let entries: Vec<_> = entries.collect();
            let keys: Vec<_> = entries
                .iter()
                .map(|(_, entry)| entry.pass.key().clone())
                .collect();
            let job = Job::new(Arc::clone(self), Ancestry::here(), entries);
            let ran = self.tasks.spawn(job.run()).await;
            let results = ran.map_err(|error| {
                let kind = RecordErrorKind::OutcomeUnknown;
                self.error(kind, "promote").because(error)
            })?;
            for (at, result) in results {
                self.note_promoted(&keys[at], result.map(drop), &mut report);
            }
            start = Bound::Excluded(last);
        }
    }

    fn note_promoted(&self, key: &Key, result: Result<(), RecordStoreError>, report: &mut PromoteReport) {
        match result {
            Ok(()) => report.promoted += 1,
            Err(error) if error.kind() == RecordErrorKind::Conflict => report.stale += 1,
            Err(error) => report.failed.push((key.clone(), error)),
        }
    }

    fn bury_if_ended(&self, pass: &Pass, now: Millis) {
        let held = self.memory.record(pass.key());
        if let Some(ended) = held.filter(|held| end_reason(held, now).is_some()) {
            self.bury_backup(pass.key(), &ended, now);
            self.tell_ended(pass, &ended, now, true);
        }
    }

    /// Leaves a tombstone in place of a backup that has ended, under its owner's version: nothing older may be taken for the
    /// newest, neither what the data store has of the key nor a backup that comes late. The caller holds the gate.
    pub(crate) fn bury_backup(&self, key: &Key, ended: &Record, now: Millis) {
        let at = ended.version().timestamp().max(ended.value().timestamp());
        let tombstone = Record::builder(ended.value().removed(at), ended.version())
            .created(ended.created())
            .updated(now)
            .build();
        // It takes no more than what it replaces: there is nothing to wait for.
        if let Some(reservation) = self.memory.budget.try_reserve(0) {
            let charge = self.memory.budget.charge(key, &tombstone);
            self.memory.put(key, &Arc::new(tombstone), charge, reservation);
        }
    }

    /// Drops a backup that is older than what the data store holds. The caller holds the gate.
    pub(crate) fn drop_stale_backup(&self, key: &Key) {
        self.memory.remove_backup(key);
        self.forget(key);
    }
}
