//! Makes a stored write true in memory, and tells observers; or drops what cannot be trusted any more. Under the gate.

use std::sync::Arc;

use layerstore_observer::{MutationEvent, ObserverError, Ownership, PreviousValue};
use layerstore_record::{Key, Provenance, Record};

use crate::core::Core;
use crate::counters::count;
use crate::entry::{Entry, Written};
use crate::expiry::{end_reason, is_live};
use crate::op::{Content, Draft, Held, Op};
use crate::telling::Ancestry;

impl Core {
    /// Tells whether memory keeps this record: every value, and tombstones that nobody else keeps.
    pub(crate) fn keeps(&self, record: &Record) -> bool {
        !self.is_fenced()
            && (!record.is_tombstone() || self.is_null && !self.config.tombstone_horizon.is_zero())
    }

    /// Answers a verb that had nothing to change.
    pub(crate) fn finish_kept(&self, entry: Entry) -> Written {
        // The time of the decision: what was seen then is what is answered, though it may have ended since.
        let now = entry.now;
        let held = entry.held.unwrap_or(Held::Unknown);
        let live = match held {
            // It was loaded to be judged: let it stay.
            Held::Store(record) => {
                let (found, _) = self.install(
                    &entry.pass,
                    Some(record),
                    crate::install::Reading::Now,
                    crate::eviction_run::Room::Make,
                );
                found.filter(|found| is_live(found, now))
            }
            held => held.live(now).cloned(),
        };
        Written {
            previous: live.clone(),
            current: live,
            version: None,
            observer_error: None,
        }
    }

    /// Makes an applied write true.
    pub(crate) fn commit(&self, mut entry: Entry, ancestry: &Ancestry) -> Written {
        let (Some(record), Some(draft)) = (entry.record.take(), entry.draft.take()) else {
            return Written::default();
        };
        entry.settle_kind();
        self.note_stored(entry.pass.key(), &record);
        self.unresolved.resolve(entry.pass.key());
        // Before memory changes: who comes once the write is seen must not join a load that may have read before it. A load
        // that begins in between sees the write, which the data store has.
        self.loads.poison(entry.pass.key());
        self.keep(&mut entry, &draft, &record);
        self.counters.write();
        let observer_error = if draft.is_silent {
            None
        } else {
            self.tell_written(&entry, &draft, &record, ancestry)
        };
        let (now, version) = (entry.now, record.version());
        let previous = entry.held.take().and_then(Held::into_record);
        Written {
            previous: previous.filter(|record| is_live(record, now)),
            current: Some(record).filter(|record| is_live(record, now)),
            version: Some(version),
            observer_error,
        }
    }

    /// Drops the memory copy of a key whose data store record nobody knows: the next read loads.
    pub(crate) fn forget(&self, key: &Key) {
        // A backup exists nowhere else: it stays, and what the data store may hold is fenced by a later version.
        if !self.is_null && !self.memory.is_backup(key) {
            self.memory.remove(key);
        }
        self.absent.forget(key);
        self.loads.poison(key);
    }

    /// Marks a record as stored, unless the data store says that it is still on its way.
    fn note_stored(&self, key: &Key, record: &Record) {
        if !self.is_null && self.store.is_loadable(&self.map, key) {
            record.mark_stored(self.now());
        }
    }

    fn keep(&self, entry: &mut Entry, draft: &Draft, record: &Arc<Record>) {
        let key = entry.pass.key();
        self.memory.remove_backup(key);
        if !self.keeps(record) {
            self.memory.remove(key);
            if self.is_fenced() {
                return;
            }
            return self.absent.remember(key, self.now());
        }
        self.absent.forget(key);
        let is_new = !matches!(entry.held, Some(Held::Memory(_)));
        if is_new && !matches!(draft.content, Content::AsIs) {
            self.credit(&entry.pass, record);
        }
        match entry.reservation.take() {
            Some(reservation) => self.memory.put(key, record, entry.charge(), reservation),
            // Unreachable by the steps of a write, which reserve first; a record that does not fit is not kept.
            None => drop(self.memory.remove(key)),
        }
    }

    fn tell_written(
        &self,
        entry: &Entry,
        draft: &Draft,
        record: &Arc<Record>,
        ancestry: &Ancestry,
    ) -> Option<ObserverError> {
        let key = entry.pass.key();
        let held = entry.held.as_ref().unwrap_or(&Held::Unknown);
        let tell = |event| {
            let from = (draft.provenance, Ownership::Owner);
            self.announcer
                .tell(&self.counters, (ancestry, entry.pass.op()), from, event)
        };
        let mut error = None;
        let ended = held
            .record()
            .and_then(|before| Some((before, end_reason(before, entry.now)?)));
        if let Some((before, reason)) = ended.filter(|_| !matches!(entry.op, Op::Expire)) {
            // It had ended and nobody swept it: observers hear of its end before they hear of the new one.
            error = tell(MutationEvent::Remove {
                key,
                tombstone: None,
                previous: PreviousValue::Known(before),
                reason,
            });
            count(&self.counters.expirations);
        }
        if matches!(entry.op, Op::Expire) {
            count(&self.counters.expirations);
        }
        let previous = match (held, held.live(entry.now)) {
            (Held::Unknown, _) => PreviousValue::Unknown,
            (_, Some(before)) => PreviousValue::Known(before),
            (_, None) => match (&entry.op, held.record()) {
                (Op::Expire, Some(before)) => PreviousValue::Known(before),
                _ => PreviousValue::Absent,
            },
        };
        let told = tell(event_of(draft, key, record, previous));
        error.or(told)
    }

    /// Answers for a write whose outcome nobody knows.
    pub(crate) fn drop_unknown(&self, entry: &Entry) {
        count(&self.counters.unknown);
        if let Some(record) = &entry.record {
            self.unresolved.note(entry.pass.key(), record);
        }
        self.forget(entry.pass.key());
    }
}

fn event_of<'a>(
    draft: &Draft,
    key: &'a Key,
    record: &'a Arc<Record>,
    previous: PreviousValue<'a>,
) -> MutationEvent<'a> {
    match (draft.provenance, record.is_tombstone(), previous) {
        (Provenance::Replication, _, _) => MutationEvent::ReplicationPut {
            key,
            record,
            previous,
        },
        (_, true, _) => MutationEvent::Remove {
            key,
            tombstone: Some(record),
            previous,
            reason: draft.reason,
        },
        (Provenance::Backup, false, _) | (_, false, PreviousValue::Absent) => {
            MutationEvent::Put { key, record }
        }
        (_, false, _) => MutationEvent::Update {
            key,
            record,
            previous,
        },
    }
}
