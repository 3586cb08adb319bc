//! One key's write on its way: the steps between its gate and its acknowledgement, none of which waits.

use std::sync::Arc;

use layerstore_data_store::{Expect, Outcome as StoreOutcome, StoreError, Write, WriteResult};
use layerstore_engine::{ColdRecord, Lookup};
use layerstore_observer::ObserverError;
use layerstore_record::{Millis, Record, RecordValue, Version};

use crate::budget::Reservation;
use crate::core::Core;
use crate::counters::count;
use crate::error::{RecordErrorKind, RecordStoreError};
use crate::expiry::is_live;
use crate::gate::Pass;
use crate::kind::PendingKind;
use crate::op::{Content, Draft, Held, Op, Plan};

/// How often a write is tried again because the data store holds something newer, before it is given up.
pub(crate) const MAX_ATTEMPTS: u32 = 8;

/// A write behind its gate.
pub(crate) struct Entry {
    // Fields are dropped in this order: what was set aside is given back before the next writer passes.
    pub(crate) reservation: Option<Reservation>,
    kind: Option<PendingKind>,
    pub(crate) op: Op,
    pub(crate) held: Option<Held>,
    pub(crate) draft: Option<Draft>,
    pub(crate) record: Option<Arc<Record>>,
    pub(crate) now: Millis,
    /// What the record takes of the budget, once that was asked.
    charge: u64,
    /// Whether what is held says what memory has of the key.
    knows_memory: bool,
    /// Whether memory turned out to be older than the data store, which is to be asked.
    distrusts_memory: bool,
    attempts: u32,
    pub(crate) pass: Pass,
}

/// A write that stands, or had nothing to change.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// The live record that was there, where that is known.
    pub(crate) previous: Option<Arc<Record>>,
    /// The live record that is there now.
    pub(crate) current: Option<Arc<Record>>,
    pub(crate) version: Option<Version>,
    pub(crate) observer_error: Option<ObserverError>,
}

/// What a look at memory says.
pub(crate) enum Looked {
    /// It is known, or need not be.
    Ready,
    /// The data store has to be asked.
    Load,
    /// The engine's disk tier has to be asked.
    Cold(Box<dyn ColdRecord>),
}

/// What becomes of a write that the data store has answered.
pub(crate) enum Judged {
    /// It is stored.
    Applied,
    /// Something newer is in the way: begin again.
    Again,
    /// It was refused, and nothing was written.
    Failed(RecordStoreError),
    /// Nobody knows.
    Unknown(RecordStoreError),
}

impl Entry {
    pub(crate) fn new(pass: Pass, op: Op) -> Self {
        Self {
            reservation: None,
            kind: None,
            op,
            held: None,
            draft: None,
            record: None,
            now: Millis::default(),
            charge: 0,
            knows_memory: false,
            distrusts_memory: false,
            attempts: 0,
            pass,
        }
    }

    /// Finds out what the key holds, as far as memory says.
    pub(crate) fn look(&mut self, core: &Core) -> Looked {
        if self.held.is_some() {
            return Looked::Ready;
        }
        if self.distrusts_memory && !core.is_null {
            return Looked::Load;
        }
        let lookup = core.memory.engine.lookup(self.pass.key());
        self.knows_memory = !matches!(lookup, Lookup::Cold(_));
        let held = match lookup {
            Lookup::Hit(record) => Held::Memory(record),
            Lookup::Cold(cold) if self.op.needs_current() => return Looked::Cold(cold),
            Lookup::Cold(_) => Held::Unknown,
            Lookup::Miss if core.is_null => Held::Absent,
            Lookup::Miss if self.trusts_absence() && core.absent.remembers(self.pass.key(), core.now()) => {
                Held::Absent
            }
            Lookup::Miss if self.op.needs_current() => return Looked::Load,
            Lookup::Miss => Held::Unknown,
        };
        self.held = Some(held);
        Looked::Ready
    }

    /// Tells whether knowing that there is no value is enough: a merge has to see the tombstone that may be there.
    fn trusts_absence(&self) -> bool {
        !matches!(self.op, Op::Merge { .. })
    }

    /// Decides what to write; `None` when there is nothing to change.
    pub(crate) fn decide(&mut self, core: &Core) -> Result<Option<()>, RecordStoreError> {
        if self.draft.is_some() {
            return Ok(Some(()));
        }
        self.now = core.now();
        let held = self.held.get_or_insert(Held::Unknown);
        let Plan::Write(draft) = self.op.decide(core, (self.pass.key(), held), self.now)? else {
            return Ok(None);
        };
        // What a write brings was checked before its gate; what a computation or a merge has made was not.
        if !matches!(self.op, Op::Write { .. }) {
            core.check_levels(draft.content.depth(), self.op.name())?;
        }
        let kind = core.kind.claim(draft.content.kind(held)).map_err(|error| {
            let what = error.to_string();
            RecordStoreError::new(RecordErrorKind::KindMismatch, self.op.name(), &core.map, what)
                .because(error)
        })?;
        self.kind = kind;
        self.draft = Some(draft);
        Ok(Some(()))
    }

    /// Gives the write its version, above everything that is known of the key; `false` where nothing was decided.
    pub(crate) fn stamp(&mut self, core: &Core) -> bool {
        if self.record.is_none() {
            self.record = self.stamped(core);
        }
        self.record.is_some()
    }

    fn stamped(&self, core: &Core) -> Option<Arc<Record>> {
        let (draft, held) = (self.draft.as_ref()?, self.held.as_ref()?);
        let before = held.record();
        if let Some(before) = before {
            core.hlc.resume_above(before.version());
        }
        if let (Content::AsIs, Some(record)) = (&draft.content, before) {
            return Some(Arc::clone(record));
        }
        // By the time of the decision: one look at the wall clock is enough.
        let version = Version::new(core.hlc.tick_at(self.now));
        let value = draft.value(before, version);
        let live = held.live(self.now);
        let updated = match draft.content {
            Content::Same => before.map_or(self.now, |before| before.updated()),
            _ => self.now,
        };
        let record = Record::builder(value, version)
            .created(live.map_or(self.now, |live| live.created()))
            .updated(updated)
            .expiry(draft.expiry)
            .build();
        if let Some(live) = live {
            record.access().carry_over_at(live.access(), self.now);
        }
        Some(Arc::new(record))
    }

    /// Returns the memory that the write takes more than what is there; refuses what could never fit.
    pub(crate) fn growth(&mut self, core: &Core) -> Result<u64, RecordStoreError> {
        let (key, Some(record)) = (self.pass.key(), &self.record) else {
            return Ok(0);
        };
        core.check_stored_size(key, record, self.op.name())?;
        if !core.keeps(record) {
            return Ok(0);
        }
        self.charge = core.memory.budget.charge(key, record);
        core.check_size(key, self.charge, self.op.name())?;
        Ok(self.charge.saturating_sub(self.charged(core)))
    }

    /// Returns what the record takes of the budget, by the time its growth is known.
    pub(crate) fn charge(&self) -> u64 {
        self.charge
    }

    /// Returns what memory has of the key and takes of the budget. The gate is held: what was seen there is still there.
    fn charged(&self, core: &Core) -> u64 {
        let key = self.pass.key();
        match &self.held {
            Some(Held::Memory(held)) if self.knows_memory => core.memory.budget.charge(key, held),
            Some(_) if self.knows_memory => 0,
            _ => core.memory.charged(key),
        }
    }

    /// Puts the write together as the data store takes it; `None` before it was stamped.
    pub(crate) fn to_write(&self, core: &Core) -> Option<Write> {
        let record = Arc::clone(self.record.as_ref()?);
        let write = Write::new(core.map.clone(), self.pass.key().clone(), record);
        Some(match self.expectation(core) {
            Some(expect) => write.expecting(expect),
            None => write,
        })
    }

    /// What the data store must hold for a write that was decided on what is known.
    fn expectation(&self, core: &Core) -> Option<Expect> {
        if !self.op.needs_current() || !core.limits.compare_and_set || core.memory.is_backup(self.pass.key())
        {
            return None;
        }
        match self.held.as_ref()? {
            Held::Unknown => None,
            Held::Absent => Some(Expect::Absent),
            Held::Memory(record) | Held::Store(record) => {
                // One that has ended here may not have ended there yet: its persisted end comes later. And one that
                // reads have kept alive has ended there, where the data store was away and could not be told.
                let is_live = is_live(record, self.now) && !has_ended_below(record, self.now);
                is_live.then(|| Expect::Version(record.version()))
            }
        }
    }

    /// Takes the data store's answer.
    pub(crate) fn judge(&mut self, core: &Core, result: WriteResult) -> Judged {
        match result {
            WriteResult::Applied => Judged::Applied,
            WriteResult::Stale { current } => {
                core.hlc.resume_above(current);
                self.again(core, Some(current))
            }
            WriteResult::Conflict { current } => self.again(core, current),
            WriteResult::Rejected(error) => self.refused(core, error),
        }
    }

    fn again(&mut self, core: &Core, current: Option<Version>) -> Judged {
        self.attempts += 1;
        let is_promotion = matches!(self.op, Op::Promote);
        if is_promotion {
            core.drop_stale_backup(self.pass.key());
        }
        if is_promotion || self.attempts >= MAX_ATTEMPTS {
            let kind = RecordErrorKind::Conflict;
            let what = format!("the data store held something newer {} times", self.attempts);
            let error = RecordStoreError::new(kind, self.op.name(), &core.map, what);
            return Judged::Failed(error.at_key(self.pass.key()).with_current(current));
        }
        count(&core.counters.stale_retries);
        self.record = None;
        if current.is_none() && self.outlives_what_is_stored(core.now()) {
            // To the data store it has ended since it was looked at: what memory knows stands, and nothing is expected.
            self.now = core.now();
        } else if self.op.needs_current() {
            // What was decided was decided on something older: ask the data store, and decide anew.
            self.distrusts_memory = true;
            self.knows_memory = false;
            self.held = None;
            self.draft = None;
            self.reservation = None;
        }
        Judged::Again
    }

    /// Tells whether reads keep a record alive in memory that the data store takes for one that has ended.
    fn outlives_what_is_stored(&self, now: Millis) -> bool {
        match &self.held {
            Some(Held::Memory(record)) => is_live(record, now) && has_ended_below(record, now),
            _ => false,
        }
    }

    fn refused(&self, core: &Core, error: StoreError) -> Judged {
        let outcome = error.outcome();
        let error = RecordStoreError::of_store(self.op.name(), &core.map, error).at_key(self.pass.key());
        let error = core.note_error(error);
        match outcome {
            StoreOutcome::NotApplied => Judged::Failed(error),
            StoreOutcome::Unknown => Judged::Unknown(error),
        }
    }

    /// Takes what settles the map's kind, now that the write stands.
    pub(crate) fn settle_kind(&mut self) {
        if let Some(kind) = self.kind.take() {
            kind.settle();
        }
    }
}

/// Tells whether a record has ended as far as was persisted of it.
fn has_ended_below(record: &Record, now: Millis) -> bool {
    record.expiry().persisted_end().is_some_and(|end| end <= now)
}

impl Draft {
    fn value(&self, before: Option<&Arc<Record>>, version: Version) -> RecordValue {
        let timestamp = version.timestamp();
        match (&self.content, before) {
            (Content::Plain(value), _) => RecordValue::Lww {
                value: Arc::clone(value),
                timestamp,
            },
            (Content::Stamped(value), _) => value.clone(),
            (Content::Removed, Some(before)) => before.value().removed(timestamp),
            (Content::Same | Content::AsIs, Some(before)) => before.value().clone(),
            (Content::Removed | Content::Same | Content::AsIs, None) => RecordValue::Tombstone { timestamp },
        }
    }
}
