//! Decides what becomes of a write: the one rule book of D1, D2 and D5 that every store follows.
//!
//! Pure. A store looks up what it holds, asks [`judge`], and does what the verdict says, under whatever lock or
//! transaction makes the two steps one.

use layerstore_record::{Millis, Record, Version};

use crate::error::{ErrorKind, StoreError};
use crate::write::{Expect, Write, WriteResult};

/// The two floors of a map; they only rise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Floors {
    /// Writes at or below are stale, and what is stored at or below is as good as gone.
    pub cleared: Version,
    /// Writes at or below to keys that hold nothing, not even a tombstone, cannot be judged.
    pub purged: Version,
}

/// What is stored under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The version of the record or tombstone.
    pub version: Version,
    /// Whether it is a value that has not ended: neither a tombstone nor expired.
    pub is_live: bool,
}

/// What to do with a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Store it.
    Apply,
    /// It is stored already: do nothing, and say [`Applied`](WriteResult::Applied).
    Repeated,
    /// Do nothing: something newer is there.
    Stale {
        /// The version that stands in the way.
        current: Version,
    },
    /// Do nothing: the condition does not hold.
    Conflict {
        /// The version of the value that is there.
        current: Option<Version>,
    },
    /// Do nothing: what might have fenced it was purged.
    BelowHorizon {
        /// The floor that it would have to be above.
        purged: Version,
    },
}

/// Judges the write of `version` to a key that holds `held`.
///
/// The fence comes before the condition: a stale write is stale whatever it expects, and a repeated one applied.
///
/// ```
/// use layerstore_data_store::{Floors, Held, Verdict, judge};
/// use layerstore_record::{Millis, NodeId, Timestamp, Version};
///
/// let version = |millis| Version::new(Timestamp::new(Millis(millis), 0, NodeId(1)));
/// let held = Some(Held { version: version(2), is_live: true });
/// assert_eq!(judge(held, Floors::default(), version(3), None), Verdict::Apply);
/// assert_eq!(judge(held, Floors::default(), version(1), None), Verdict::Stale { current: version(2) });
/// ```
#[must_use]
pub fn judge(held: Option<Held>, floors: Floors, version: Version, expect: Option<Expect>) -> Verdict {
    if version <= floors.cleared {
        let held = held.map_or(Version::ZERO, |held| held.version);
        return Verdict::Stale {
            current: held.max(floors.cleared),
        };
    }
    // A clear that was cut short leaves rows below its floor: they are gone, though their bytes are there.
    let held = held.filter(|held| !floors.hide(held.version));
    match held {
        Some(held) if held.version == version => return Verdict::Repeated,
        Some(held) if held.version > version => {
            return Verdict::Stale {
                current: held.version,
            };
        }
        None if version <= floors.purged => {
            return Verdict::BelowHorizon {
                purged: floors.purged,
            };
        }
        Some(_) | None => {}
    }
    let current = held.filter(|held| held.is_live).map(|held| held.version);
    let holds = match expect {
        None => true,
        Some(Expect::Absent) => current.is_none(),
        Some(Expect::Version(expected)) => current == Some(expected),
    };
    if holds {
        Verdict::Apply
    } else {
        Verdict::Conflict { current }
    }
}

/// Judges the restatement of `version` for a key that holds `held`: the same version in another form.
///
/// ```
/// use layerstore_data_store::{Floors, Held, Verdict, judge_restatement};
/// use layerstore_record::{Millis, NodeId, Timestamp, Version};
///
/// let version = |millis| Version::new(Timestamp::new(Millis(millis), 0, NodeId(1)));
/// let held = Some(Held { version: version(2), is_live: true });
/// assert_eq!(judge_restatement(held, Floors::default(), version(2)), Verdict::Apply);
/// assert_eq!(judge_restatement(held, Floors::default(), version(3)), Verdict::Conflict { current: Some(version(2)) });
/// ```
#[must_use]
pub fn judge_restatement(held: Option<Held>, floors: Floors, version: Version) -> Verdict {
    match judge(held, floors, version, Some(Expect::Version(version))) {
        // A value alone has forms: a tombstone of the very version is another write, and what has ended stays as it is.
        Verdict::Repeated if held.is_some_and(|held| held.is_live) => Verdict::Apply,
        // What is absent needs no fence here: a restatement never puts it there.
        Verdict::Repeated | Verdict::BelowHorizon { .. } => Verdict::Conflict { current: None },
        other => other,
    }
}

impl Floors {
    /// Tells whether what is stored with this version was cleared, so that no reader may see it.
    #[must_use]
    pub fn hide(&self, version: Version) -> bool {
        version <= self.cleared
    }

    /// Tells whether a purge up to `horizon` at `now` may drop this record, given what was persisted of it.
    #[must_use]
    pub fn may_purge(&self, record: &Record, horizon: Version, now: Millis) -> bool {
        self.hide(record.version()) || (record.version() <= horizon && !Held::of(record, now).is_live)
    }
}

impl Held {
    /// Describes a stored record at `now`, by its persisted end.
    #[must_use]
    pub fn of(record: &Record, now: Millis) -> Self {
        let ended = record.expiry().persisted_end().is_some_and(|end| end <= now);
        Self {
            version: record.version(),
            is_live: !record.is_tombstone() && !ended,
        }
    }

    /// Tells whether a reader may see a stored record at `now`: a live value, or a tombstone, above the cleared floor.
    #[must_use]
    pub fn is_visible(record: &Record, floors: Floors, now: Millis) -> bool {
        !floors.hide(record.version()) && (record.is_tombstone() || Self::of(record, now).is_live)
    }
}

impl Verdict {
    /// Tells whether the write is to be stored.
    #[must_use]
    pub fn is_apply(self) -> bool {
        self == Self::Apply
    }

    /// Turns the verdict into the answer to `write`, once what it asks for is done.
    pub fn into_result(self, write: &Write, store: &'static str) -> WriteResult {
        match self {
            Self::Apply | Self::Repeated => WriteResult::Applied,
            Self::Stale { current } => WriteResult::Stale { current },
            Self::Conflict { current } => WriteResult::Conflict { current },
            Self::BelowHorizon { purged } => {
                let what = format!(
                    "version {} is not above the purged floor {purged}",
                    write.version()
                );
                let error = StoreError::new(ErrorKind::BelowHorizon, store, "apply", what);
                WriteResult::Rejected(error.in_map(&write.map).at_key(&write.key))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use layerstore_record::{Expiry, NodeId, RecordValue, Timestamp};

    use super::*;

    fn version(millis: u64) -> Version {
        Version::new(Timestamp::new(Millis(millis), 0, NodeId(1)))
    }

    fn live(millis: u64) -> Option<Held> {
        Some(Held {
            version: version(millis),
            is_live: true,
        })
    }

    fn gone(millis: u64) -> Option<Held> {
        Some(Held {
            version: version(millis),
            is_live: false,
        })
    }

    #[test]
    fn the_table_of_verdicts() {
        use Expect::{Absent, Version as Is};
        use Verdict::{Apply, Repeated};
        let stale = |at| Verdict::Stale { current: version(at) };
        let conflict = |at: Option<u64>| Verdict::Conflict {
            current: at.map(version),
        };
        let below = |at| Verdict::BelowHorizon { purged: version(at) };
        // held, cleared, purged, version, expect => verdict
        let table = [
            (None, 0, 0, 5, None, Apply),
            (None, 0, 0, 5, Some(Absent), Apply),
            (None, 0, 0, 5, Some(Is(version(4))), conflict(None)),
            (live(4), 0, 0, 5, None, Apply),
            (live(4), 0, 0, 5, Some(Absent), conflict(Some(4))),
            (live(4), 0, 0, 5, Some(Is(version(4))), Apply),
            (live(4), 0, 0, 5, Some(Is(version(3))), conflict(Some(4))),
            (gone(4), 0, 0, 5, None, Apply),
            (gone(4), 0, 0, 5, Some(Absent), Apply),
            (gone(4), 0, 0, 5, Some(Is(version(4))), conflict(None)),
            (live(5), 0, 0, 5, None, Repeated),
            (live(5), 0, 0, 5, Some(Absent), Repeated),
            (live(5), 0, 0, 5, Some(Is(version(1))), Repeated),
            (gone(5), 0, 0, 5, Some(Is(version(1))), Repeated),
            (live(6), 0, 0, 5, None, stale(6)),
            (live(6), 0, 0, 5, Some(Absent), stale(6)),
            (gone(6), 0, 0, 5, None, stale(6)),
            (gone(6), 0, 0, 5, Some(Is(version(6))), stale(6)),
            // The cleared floor: at it and below it stale, above it as if nothing were held below it.
            (None, 5, 0, 5, None, stale(5)),
            (None, 6, 0, 5, Some(Absent), stale(6)),
            (live(5), 5, 0, 5, None, stale(5)),
            (live(7), 6, 0, 5, None, stale(7)),
            (live(3), 4, 0, 5, Some(Absent), Apply),
            (live(3), 4, 0, 5, Some(Is(version(3))), conflict(None)),
            // The purged floor: only where nothing is held that could tell.
            (None, 0, 5, 5, None, below(5)),
            (None, 0, 6, 5, Some(Absent), below(6)),
            (None, 0, 4, 5, None, Apply),
            (live(3), 0, 6, 5, None, Apply),
            (gone(3), 0, 6, 5, None, Apply),
            (live(5), 0, 6, 5, None, Repeated),
            (live(3), 3, 6, 5, None, below(6)),
            // Both floors: the cleared one speaks first.
            (None, 5, 9, 5, None, stale(5)),
        ];
        for (held, cleared, purged, write, expect, verdict) in table {
            let floors = Floors {
                cleared: version(cleared),
                purged: version(purged),
            };
            let case =
                format!("{held:?} cleared {cleared} purged {purged} write {write} expecting {expect:?}");
            assert_eq!(judge(held, floors, version(write), expect), verdict, "{case}");
        }
    }

    #[test]
    fn only_the_very_version_of_a_value_is_restated() {
        let conflict = |at: Option<u64>| Verdict::Conflict {
            current: at.map(version),
        };
        let stale = |at| Verdict::Stale { current: version(at) };
        // held, cleared, purged, version => verdict
        let table = [
            (live(5), 0, 0, 5, Verdict::Apply),
            (live(5), 4, 9, 5, Verdict::Apply),
            (gone(5), 0, 0, 5, conflict(None)),
            (live(6), 0, 0, 5, stale(6)),
            (gone(6), 0, 0, 5, stale(6)),
            (live(4), 0, 0, 5, conflict(Some(4))),
            (gone(4), 0, 0, 5, conflict(None)),
            (None, 0, 0, 5, conflict(None)),
            (None, 0, 9, 5, conflict(None)),
            (live(5), 5, 0, 5, stale(5)),
            (live(7), 6, 0, 5, stale(7)),
            (None, 6, 0, 5, stale(6)),
            (live(3), 4, 0, 5, conflict(None)),
        ];
        for (held, cleared, purged, write, verdict) in table {
            let floors = Floors {
                cleared: version(cleared),
                purged: version(purged),
            };
            let case = format!("{held:?} cleared {cleared} purged {purged} restate {write}");
            assert_eq!(judge_restatement(held, floors, version(write)), verdict, "{case}");
        }
    }

    #[test]
    fn whatever_is_held_only_a_newer_version_above_the_floors_is_applied() {
        let expects = [None, Some(Expect::Absent), Some(Expect::Version(version(2)))];
        for held in [None, live(1), live(2), live(3), gone(1), gone(2), gone(3)] {
            for (cleared, purged, write) in (0..125).map(|case| (case % 5, case / 5 % 5, case / 25)) {
                let floors = Floors {
                    cleared: version(cleared),
                    purged: version(purged),
                };
                for expect in expects {
                    let case = format!("{held:?} {floors:?} {write} {expect:?}");
                    if judge(held, floors, version(write), expect).is_apply() {
                        assert!(write > cleared, "{case}");
                        assert!(held.is_none_or(|held| held.version < version(write)), "{case}");
                        let known = held.is_some_and(|held| !floors.hide(held.version));
                        assert!(known || write > purged, "{case}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_has_ended_is_held_but_neither_live_nor_visible() {
        let at = Timestamp::new(Millis(10), 0, NodeId(1));
        let expiry = Expiry {
            deadline: Some(Millis(20)),
            ..Expiry::NEVER
        };
        let record = Record::builder(RecordValue::lww(1_u64, at), version(10))
            .expiry(expiry)
            .build();
        let floors = Floors::default();
        assert!(Held::of(&record, Millis(19)).is_live && Held::is_visible(&record, floors, Millis(19)));
        assert!(!Held::of(&record, Millis(20)).is_live && !Held::is_visible(&record, floors, Millis(20)));
        assert!(!floors.may_purge(&record, version(10), Millis(19)));
        assert!(floors.may_purge(&record, version(10), Millis(20)));
        assert!(!floors.may_purge(&record, version(9), Millis(20)));
        let tombstone = Record::builder(RecordValue::Tombstone { timestamp: at }, version(10)).build();
        assert!(!Held::of(&tombstone, Millis(0)).is_live && Held::is_visible(&tombstone, floors, Millis(0)));
        let cleared = Floors {
            cleared: version(10),
            ..floors
        };
        assert!(!Held::is_visible(&tombstone, cleared, Millis(0)));
        assert!(cleared.may_purge(&record, version(0), Millis(0)));
    }
}
