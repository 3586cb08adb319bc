//! Compares what an observer was told of a key with what the clients of a history know.

use std::collections::BTreeSet;
use std::sync::Arc;

use layerstore_observer::{OwnedEvent, OwnedMutation, OwnedPrevious, RemoveReason};
use layerstore_record::{Millis, Record, Version};
use layerstore_testkit::records::key;

use crate::facts::Facts;
use crate::stage::number;

/// What the clients know of a key.
pub(crate) struct Known<'a> {
    pub(crate) index: u64,
    pub(crate) facts: &'a Facts,
    /// The versions of all acknowledged writes but clears.
    pub(crate) acknowledged: BTreeSet<Version>,
    /// Whether a call of unknown outcome may have removed the record, of which nobody was told.
    pub(crate) maybe_removed: bool,
}

/// Follows the events of a key, each of which must go on from where the one before it ended.
struct Chain<'a> {
    known: &'a Known<'a>,
    last: Option<u64>,
    /// The versions of the writes, in the order of their telling.
    told: BTreeSet<Version>,
    /// Those that no client made: removals of what had ended.
    ends: BTreeSet<Version>,
}

/// Checks the events of a key.
///
/// That the versions rise, `order_violations` says. Here: each event's previous value is that of the event before it,
/// where that is known, and exactly the acknowledged writes were told. The model has each write's version above the one
/// before, so this order is that of the linearized calls.
pub(crate) fn check(told: &[OwnedMutation], known: &Known<'_>) -> Result<(), String> {
    let key = key(known.index);
    let mut chain = Chain {
        known,
        last: None,
        told: BTreeSet::new(),
        ends: BTreeSet::new(),
    };
    for (place, mutation) in told.iter().enumerate() {
        let is_clear = matches!(mutation.event, OwnedEvent::Clear { .. });
        if is_clear || mutation.key() == Some(&key) {
            chain
                .follow(&mutation.event)
                .map_err(|what| format!("event {place}, {}: {what}", mutation.event.name()))?;
        }
    }
    let missing: Vec<_> = known.acknowledged.difference(&chain.told).collect();
    if !missing.is_empty() {
        return Err(format!("acknowledged and never told: {missing:?}"));
    }
    let invented = chain
        .told
        .iter()
        .filter(|version| !known.acknowledged.contains(version) && !chain.ends.contains(version));
    match invented.collect::<Vec<_>>() {
        none if none.is_empty() => Ok(()),
        some => Err(format!("told and never acknowledged: {some:?}")),
    }
}

impl Chain<'_> {
    fn follow(&mut self, event: &OwnedEvent) -> Result<(), String> {
        match event {
            OwnedEvent::Clear { .. } => self.last = None,
            OwnedEvent::Put { record, .. } => {
                self.expect_nothing(record.updated())?;
                self.wrote(record);
            }
            OwnedEvent::Update { record, previous, .. } => {
                self.expect(previous, record.updated())?;
                self.wrote(record);
            }
            OwnedEvent::Remove {
                tombstone,
                previous,
                reason,
                ..
            } => {
                let at = tombstone.as_ref().map_or(Millis(u64::MAX), |left| left.updated());
                self.expect(previous, at)?;
                self.last = None;
                if let Some(tombstone) = tombstone {
                    self.told.insert(tombstone.version());
                    if *reason != RemoveReason::Removed {
                        self.ends.insert(tombstone.version());
                    }
                }
            }
            OwnedEvent::Evict { record, .. } | OwnedEvent::Load { record, .. } => {
                self.expect_record(record)?;
                self.last = Some(number(record));
            }
            other => return Err(format!("{} was not asked for", other.name())),
        }
        Ok(())
    }

    fn wrote(&mut self, record: &Arc<Record>) {
        self.last = Some(number(record));
        self.told.insert(record.version());
    }

    fn expect(&self, previous: &OwnedPrevious, at: Millis) -> Result<(), String> {
        match previous {
            OwnedPrevious::Known(record) => self.expect_record(record),
            OwnedPrevious::Absent => self.expect_nothing(at),
            OwnedPrevious::Unknown => Ok(()),
        }
    }

    /// A write of unknown outcome is told by nobody, and may turn up.
    fn expect_record(&self, record: &Arc<Record>) -> Result<(), String> {
        let number = number(record);
        if self.last == Some(number) || self.known.facts.is_unknown(number) {
            return Ok(());
        }
        Err(format!("{number} was there; told before was {:?}", self.last))
    }

    /// A record may have ended out of memory, of which nobody is told; and so may one of unknown outcome that replaced it.
    fn expect_nothing(&self, at: Millis) -> Result<(), String> {
        let facts = self.known.facts;
        let Some(last) = self.last else {
            return Ok(());
        };
        let ended = facts.ends(last).is_some_and(|(earliest, _)| earliest <= at);
        if ended || self.known.maybe_removed || facts.may_have_come_and_gone(self.known.index, at) {
            return Ok(());
        }
        let ends = facts.ends(last);
        Err(format!(
            "nothing was there at {at:?}; told before was {last}, which ends at {ends:?}"
        ))
    }
}
