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

impl Core {
    /// Installs what a load found; returns what is there now, and whether it was installed. The caller holds the gate, and has
    /// made sure that no mutation came between.
    pub(crate) fn install(
        &self,
        pass: &Pass,
        found: Option<Arc<Record>>,
        reading: Reading,
        room: Room,
    ) -> (Option<Arc<Record>>, bool) {
        let key = pass.key();
        let held = match self.memory.engine.lookup(key) {
            Lookup::Hit(held) => Some(held),
            Lookup::Miss => None,
            // What is in the engine's disk tier is no older than what the data store has.
            Lookup::Cold(_) => return (found, false),
        };
        let newer = |held: &Arc<Record>| {
            found
                .as_ref()
                .is_none_or(|found| held.version() >= found.version())
        };
        if let Some(held) = held.filter(newer) {
            self.note_reading(key, &held, reading);
            return (Some(held), false);
        }
        let Some(record) = found else {
            self.absent.remember(key, self.now());
            return (None, false);
        };
        self.kind.learn(record.value().kind());
        if record.is_tombstone() {
            self.absent.remember(key, self.now());
            return (Some(record), false);
        }
        self.prepare_loaded(key, &record, reading);
        if self.is_fenced() || record.is_expired(self.now()) {
            return (Some(record), false);
        }
        let Some(reservation) = self.make_room(self.memory.growth(key, &record), room) else {
            return (Some(record), false);
        };
        self.credit(key, &record);
        self.memory.put(key, &record, reservation);
        self.absent.forget(key);
        self.tell_loaded(pass, &record);
        (Some(record), true)
    }

    /// Credits a key that comes back into memory with the hits that its policy remembers.
    pub(crate) fn credit(&self, key: &Key, record: &Record) {
        for _ in 0..self.config.eviction.admitted(self.gates.hash(key)) {
            record.access().touch(record.access().last_access());
        }
    }

    fn tell_loaded(&self, pass: &Pass, record: &Arc<Record>) {
        let event = MutationEvent::Load {
            key: pass.key(),
            record,
        };
        let from = (Provenance::Load, Ownership::Owner);
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
