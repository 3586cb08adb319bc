//! Brings what was read from the data store into memory: only where memory has none or an older one (provenance *load*).

use std::sync::Arc;

use layerstore_engine::Lookup;
use layerstore_observer::{MutationEvent, Ownership};
use layerstore_record::{AccessStats, Key, Provenance, Record};

use crate::core::Core;
use crate::eviction_run::Room;
use crate::gate::Pass;
use crate::telling::Ancestry;

/// Whether bringing a record into memory counts as reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Somebody asked for it.
    Now,
    /// Nobody did: its idle time goes on from where it stood.
    NotYet,
}

/// What became of what a load found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Installed {
    /// It is in memory.
    Yes,
    /// There was nothing to install: nothing was found, or what was has ended, or memory has it, or has something newer.
    Needless,
    /// Memory is full.
    NoRoom,
}

impl Core {
    /// Installs what a load found; returns what is there now, and whether it was installed. The caller holds the gate, and has
    /// made sure that no mutation came between.
    pub(crate) fn install(
        &self,
        pass: &Pass,
        found: Option<Arc<Record>>,
        reading: Reading,
        room: Room,
    ) -> (Option<Arc<Record>>, Installed) {
        let key = pass.key();
        let held = match self.memory.engine.lookup(key) {
            Lookup::Hit(held) => Some(held),
            Lookup::Miss => None,
            // What is in the engine's disk tier is no older than what the data store has.
            Lookup::Cold(_) => return (found, Installed::Needless),
        };
        let newer = |held: &Arc<Record>| {
            found
                .as_ref()
                .is_none_or(|found| held.version() >= found.version())
        };
        if let Some(held) = held.as_ref().filter(|held| newer(held)) {
            self.note_reading(key, held, reading);
            return (Some(Arc::clone(held)), Installed::Needless);
        }
        let Some(record) = found else {
            self.absent.remember(key, self.now());
            return (None, Installed::Needless);
        };
        self.kind.learn(record.value().kind());
        // What is kept for another owner and is older than what the data store has is of no use to anybody.
        let owned_as = if self.memory.is_backup(key) {
            Ownership::Backup
        } else {
            Ownership::Owner
        };
        self.memory.remove_backup(key);
        let older = held.map(|held| (held, owned_as));
        if record.is_tombstone() {
            self.drop_older(pass, older);
            self.absent.remember(key, self.now());
            return (Some(record), Installed::Needless);
        }
        self.prepare_loaded(key, &record, reading);
        if self.is_fenced() || record.is_expired(self.now()) {
            self.drop_older(pass, older);
            return (Some(record), Installed::Needless);
        }
        let charge = self.memory.budget.charge(key, &record);
        let growth = charge.saturating_sub(self.memory.charged(key));
        let Some(reservation) = self.make_room(growth, room) else {
            self.drop_older(pass, older);
            return (Some(record), Installed::NoRoom);
        };
        self.credit(pass, &record);
        self.memory.put(key, &record, charge, reservation);
        self.absent.forget(key);
        // To be loaded for a reader is to be read: scans have to know, as of any read that moves the end.
        if reading == Reading::Now && record.expiry().has_moved(record.access().last_access()) {
            self.note_moved(key);
        }
        self.tell_loaded(pass, &record);
        (Some(record), Installed::Yes)
    }

    /// Credits a key that comes back into memory with the hits that its policy remembers.
    pub(crate) fn credit(&self, pass: &Pass, record: &Record) {
        for _ in 0..self.config.eviction.admitted(pass.hash()) {
            record.access().touch(record.access().last_access());
        }
    }

    /// Takes out of memory what is older than what was found and is not installed: nobody may read it any more.
    fn drop_older(&self, pass: &Pass, older: Option<(Arc<Record>, Ownership)>) {
        let Some((older, owned_as)) = older else { return };
        self.memory.remove(pass.key());
        if older.is_tombstone() {
            return;
        }
        let event = MutationEvent::Evict {
            key: pass.key(),
            record: &older,
        };
        self.tell_load(pass, owned_as, event);
    }

    fn tell_loaded(&self, pass: &Pass, record: &Arc<Record>) {
        let event = MutationEvent::Load {
            key: pass.key(),
            record,
        };
        self.tell_load(pass, Ownership::Owner, event);
    }

    fn tell_load(&self, pass: &Pass, owned_as: Ownership, event: MutationEvent<'_>) {
        let from = (Provenance::Load, owned_as);
        // A load has no outcome to carry the error: it is counted and logged.
        let _ = self
            .announcer
            .tell(&self.counters, (&Ancestry::default(), pass.op()), from, event);
    }

    /// Gives a loaded record its access statistics, and notes that the data store has it.
    pub(crate) fn prepare_loaded(&self, key: &Key, record: &Record, reading: Reading) {
        let now = self.now();
        let read = match reading {
            Reading::Now => Some(now),
            Reading::NotYet => record.expiry().last_access_after_reload(),
        };
        if let Some(read) = read {
            record.access().carry_over(&AccessStats::new(read));
        }
        if record.last_stored().is_none() && self.store.is_loadable(&self.map, key) {
            record.mark_stored(now);
        }
    }
}
