//! What each verb makes of what a key holds. Decides, and does nothing.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use layerstore_observer::RemoveReason;
use layerstore_record::{
    Expiry, Key, MAX_DEPTH, Merged, Millis, Provenance, Record, RecordKind, RecordValue, Value, Version,
};

use crate::core::Core;
use crate::error::{RecordErrorKind, RecordStoreError};
use crate::expiry::{end_reason, expiry_of, is_live};
use crate::request::{Compute, ComputeFn, MergeSource, NewValue, WriteOptions};

/// A verb with what it was given.
pub(crate) enum Op {
    Write {
        value: NewValue,
        options: WriteOptions,
        when: When,
    },
    Compute(ComputeFn),
    Merge {
        value: RecordValue,
        source: MergeSource,
        options: WriteOptions,
    },
    SetExpiry(WriteOptions),
    Remove,
    /// The removal of a record that has ended.
    Expire,
    /// The write of an idle deadline that reads have moved.
    PersistIdle,
    /// The write of a backup by its new owner.
    Promote,
}

/// When a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Whatever is there, known or not.
    Blind,
    /// Whatever is there; it has to be known.
    Known,
    /// Where there is no record.
    Absent,
    /// Where the record has this version.
    Version(Version),
}

/// What a key holds, as far as is known under its gate.
#[derive(Debug, Clone)]
pub(crate) enum Held {
    /// Not known: the key is not in memory, and nobody asked.
    Unknown,
    /// No record.
    Absent,
    /// This one, in memory; or a tombstone.
    Memory(Arc<Record>),
    /// This one, read from the data store just now; or a tombstone.
    Store(Arc<Record>),
}

/// What a verb wants done.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Nothing.
    Keep,
    /// This write.
    Write(Draft),
}

/// A record without its version.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) content: Content,
    pub(crate) expiry: Expiry,
    pub(crate) provenance: Provenance,
    pub(crate) reason: RemoveReason,
    /// Whether observers are told: not of a deadline that moves.
    pub(crate) is_silent: bool,
}

/// What the record will hold.
#[derive(Debug)]
pub(crate) enum Content {
    Plain(Arc<Value>),
    Stamped(RecordValue),
    /// What it holds.
    Same,
    /// A tombstone of what it holds.
    Removed,
    /// The record that it holds, version and all.
    AsIs,
}

impl Op {
    /// Returns the verb, as errors and spans name it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Write { when, .. } => match when {
                When::Blind => "set",
                When::Known => "put",
                When::Absent => "put_if_absent",
                When::Version(_) => "replace",
            },
            Self::Compute(_) => "compute",
            Self::Merge { .. } => "merge",
            Self::SetExpiry(_) => "set_expiry",
            Self::Remove => "remove",
            Self::Expire => "expire",
            Self::PersistIdle => "persist_idle",
            Self::Promote => "promote",
        }
    }

    /// Tells whether the verb has to know what is there.
    pub(crate) fn needs_current(&self) -> bool {
        !matches!(
            self,
            Self::Write {
                when: When::Blind,
                ..
            }
        )
    }

    /// Decides, given what the key holds.
    pub(crate) fn decide(
        &mut self,
        core: &Core,
        (key, held): (&Key, &Held),
        now: Millis,
    ) -> Result<Plan, RecordStoreError> {
        let live = held.live(now);
        match self {
            Self::Write { value, options, when } => match when {
                When::Absent if live.is_some() => Ok(Plan::Keep),
                When::Version(expected) if live.map(|live| live.version()) != Some(*expected) => {
                    let conflict = core.error(RecordErrorKind::Conflict, "replace");
                    Err(conflict.with_current(live.map(|live| live.version())))
                }
                _ => core.draft(value, options, now, Provenance::Client),
            },
            Self::Compute(compute) => match catch_unwind(AssertUnwindSafe(|| compute(live))) {
                Err(_) => Err(core.error(RecordErrorKind::Panicked, "compute")),
                Ok(Compute::Keep) => Ok(Plan::Keep),
                Ok(Compute::Put(value)) => {
                    core.draft(&value, &WriteOptions::default(), now, Provenance::Client)
                }
                Ok(Compute::PutWith(value, options)) => core.draft(&value, &options, now, Provenance::Client),
                Ok(Compute::Remove) => Ok(remove(core, key, held, now)),
            },
            Self::Merge {
                value,
                source,
                options,
            } => merge(core, held, value, *source, options, now),
            Self::SetExpiry(periods) => match live {
                None => Ok(Plan::Keep),
                Some(_) => Ok(same(core.expiry(periods, now)?, Provenance::Client)),
            },
            Self::Remove => Ok(remove(core, key, held, now)),
            Self::Expire => {
                let ended = held.record().and_then(|record| end_reason(record, now));
                Ok(ended.map_or(Plan::Keep, |reason| removal(held.record(), reason)))
            }
            Self::PersistIdle => Ok(live.map_or(Plan::Keep, persist_idle)),
            Self::Promote => Ok(held.record().map_or(Plan::Keep, promote)),
        }
    }
}

impl Held {
    /// Returns the record, a tombstone or one that has ended included.
    pub(crate) fn record(&self) -> Option<&Arc<Record>> {
        match self {
            Self::Unknown | Self::Absent => None,
            Self::Memory(record) | Self::Store(record) => Some(record),
        }
    }

    /// Becomes the record.
    pub(crate) fn into_record(self) -> Option<Arc<Record>> {
        match self {
            Self::Unknown | Self::Absent => None,
            Self::Memory(record) | Self::Store(record) => Some(record),
        }
    }

    /// Returns the record, if it is a value that has not ended.
    pub(crate) fn live(&self, now: Millis) -> Option<&Arc<Record>> {
        self.record().filter(|record| is_live(record, now))
    }
}

impl Core {
    /// Works out the end of a record that is written now.
    fn expiry(&self, options: &WriteOptions, now: Millis) -> Result<Expiry, RecordStoreError> {
        expiry_of(options, &self.config, now).map_err(|error| {
            let what = error.to_string();
            RecordStoreError::new(RecordErrorKind::InvalidExpiry, "write", &self.map, what).because(error)
        })
    }

    fn draft(
        &self,
        value: &NewValue,
        options: &WriteOptions,
        now: Millis,
        provenance: Provenance,
    ) -> Result<Plan, RecordStoreError> {
        let content = match value {
            NewValue::Plain(value) => Content::Plain(Arc::clone(value)),
            NewValue::Stamped(value) => Content::Stamped(value.clone()),
        };
        let is_tombstone = matches!(&content, Content::Stamped(value) if value.is_tombstone());
        let expiry = if is_tombstone {
            Expiry::NEVER
        } else {
            self.expiry(options, now)?
        };
        Ok(Plan::Write(Draft {
            content,
            expiry,
            provenance,
            reason: RemoveReason::Removed,
            is_silent: false,
        }))
    }

    /// Refuses a value that is nested too deep to be read back.
    pub(crate) fn check_depth(&self, op: &Op) -> Result<(), RecordStoreError> {
        let deepest = match op {
            Op::Write {
                value: NewValue::Plain(value),
                ..
            } => value.depth(),
            Op::Write {
                value: NewValue::Stamped(value),
                ..
            }
            | Op::Merge { value, .. } => depth(value),
            _ => 0,
        };
        self.check_levels(deepest, op.name())
    }

    pub(crate) fn check_levels(
        &self,
        levels: usize,
        operation: &'static str,
    ) -> Result<(), RecordStoreError> {
        if levels <= MAX_DEPTH {
            return Ok(());
        }
        let what = format!("arrays and maps may stand {MAX_DEPTH} deep within each other");
        let kind = RecordErrorKind::TooDeep;
        Err(RecordStoreError::new(kind, operation, &self.map, what))
    }
}

impl Content {
    /// Returns how deep what a computation or a merge made is nested.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::Plain(value) => value.depth(),
            Self::Stamped(value) => depth(value),
            Self::Same | Self::Removed | Self::AsIs => 0,
        }
    }

    /// Returns the kind of what it makes of what is held.
    pub(crate) fn kind(&self, held: &Held) -> RecordKind {
        match self {
            Self::Plain(_) => RecordKind::Lww,
            Self::Stamped(value) => value.kind(),
            Self::Same | Self::Removed | Self::AsIs => held
                .record()
                .map_or(RecordKind::Lww, |record| record.value().kind()),
        }
    }
}

pub(crate) fn depth(value: &RecordValue) -> usize {
    match value {
        RecordValue::Lww { value, .. } => value.depth(),
        RecordValue::OrMap { entries, .. } => {
            entries.iter().map(|(_, value)| value.depth()).max().unwrap_or(0)
        }
        _ => 0,
    }
}

fn merge(
    core: &Core,
    held: &Held,
    value: &RecordValue,
    source: MergeSource,
    options: &WriteOptions,
    now: Millis,
) -> Result<Plan, RecordStoreError> {
    let merged = match held.record().map(|record| remaining(core, record, now)) {
        None => Merged::Changed(value.clone()),
        Some(remaining) => remaining.merge(value).map_err(|error| {
            let what = error.to_string();
            RecordStoreError::new(RecordErrorKind::KindMismatch, "merge", &core.map, what).because(error)
        })?,
    };
    match merged {
        Merged::Unchanged => Ok(Plan::Keep),
        Merged::Changed(value) => core.draft(&NewValue::Stamped(value), options, now, source.provenance()),
    }
}

/// Returns what a record still says at `now`: of an OR-Map that has ended, that its entries were removed, swept or not.
/// A last-writer-wins value that has ended loses to what was written later, and stands in the way of what was not.
fn remaining<'a>(core: &Core, record: &'a Record, now: Millis) -> Cow<'a, RecordValue> {
    let has_entries = matches!(record.value(), RecordValue::OrMap { .. });
    if has_entries && end_reason(record, now).is_some() {
        Cow::Owned(record.value().removed(core.hlc.tick()))
    } else {
        Cow::Borrowed(record.value())
    }
}

/// Removes what is there. Where there is nothing, but a write of unknown outcome may still land, a tombstone keeps it out.
fn remove(core: &Core, key: &Key, held: &Held, now: Millis) -> Plan {
    if let Some(live) = held.live(now) {
        return removal(Some(live), RemoveReason::Removed);
    }
    let fence = core.unresolved.fence(key, held.record().map(|held| &**held));
    fence.map_or(Plan::Keep, |removed| {
        tombstone(
            Content::Stamped(removed.removed(core.hlc.tick())),
            RemoveReason::Removed,
        )
    })
}

fn removal(held: Option<&Arc<Record>>, reason: RemoveReason) -> Plan {
    held.map_or(Plan::Keep, |_| tombstone(Content::Removed, reason))
}

fn tombstone(content: Content, reason: RemoveReason) -> Plan {
    Plan::Write(Draft {
        content,
        expiry: Expiry::NEVER,
        provenance: Provenance::Client,
        reason,
        is_silent: false,
    })
}

fn same(expiry: Expiry, provenance: Provenance) -> Plan {
    Plan::Write(Draft {
        content: Content::Same,
        expiry,
        provenance,
        reason: RemoveReason::Removed,
        is_silent: false,
    })
}

fn persist_idle(record: &Arc<Record>) -> Plan {
    let last_access = record.access().last_access();
    if !record.expiry().has_moved(last_access) {
        return Plan::Keep;
    }
    Plan::Write(Draft {
        content: Content::Same,
        expiry: record.expiry().moved_to(last_access),
        provenance: Provenance::Client,
        reason: RemoveReason::Removed,
        is_silent: true,
    })
}

fn promote(record: &Arc<Record>) -> Plan {
    Plan::Write(Draft {
        content: Content::AsIs,
        expiry: record.expiry(),
        provenance: Provenance::Backup,
        reason: RemoveReason::Removed,
        is_silent: false,
    })
}
