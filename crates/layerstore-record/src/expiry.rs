use std::time::Duration;

use thiserror::Error;

use crate::clock::Millis;

/// When a record ends: absolute, so that a reload keeps what remained.
///
/// **R-expiry**: a record is over from its end on, to the millisecond: the sooner of its deadline and of its idle deadline,
/// which every read moves ahead. What was given is what comes back; a period that does not fit the calendar is refused.
///
/// ```
/// use std::time::Duration;
/// use layerstore_record::{Expiry, Millis};
///
/// let made = Millis(1_000);
/// let expiry = Expiry::starting(made, Some(Duration::from_secs(10)), Some(Duration::from_secs(3)))?;
/// assert_eq!(expiry.ends(made), Some(Millis(4_000)));
/// // A read moves the idle deadline, never beyond the time to live.
/// assert_eq!(expiry.ends(Millis(3_500)), Some(Millis(6_500)));
/// assert_eq!(expiry.ends(Millis(9_999)), Some(Millis(11_000)));
/// assert!(expiry.is_over(Millis(4_000), made) && !expiry.is_over(Millis(3_999), made));
/// # Ok::<(), layerstore_record::ExpiryError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Expiry {
    /// The record ends at this time, whatever happens (time to live).
    pub deadline: Option<Millis>,
    /// The record ends when it was not read for this long, in milliseconds.
    pub max_idle: Option<u64>,
    /// The idle deadline as last persisted; reads move the true one ahead of it.
    pub idle_deadline: Option<Millis>,
}

/// A period that does not fit the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a {what} of {period:?} is {why}: use 1 ms to about 8,900 years, or none")]
pub struct ExpiryError {
    /// "time to live" or "maximum idle time".
    pub what: &'static str,
    /// The refused period.
    pub period: Duration,
    /// What is wrong with it.
    pub why: &'static str,
}

/// An idle deadline is persisted again when reads moved it by this share of the period, a tenth.
const PERSIST_SHARE: u64 = 10;

/// What was persisted of an idle deadline counts as later by this share of the period, a fifth: twice what reads may have
/// moved it unseen, so that a reload ends a record late and never early, though the last write of it came late.
const GRACE_SHARE: u64 = 5;

/// The latest deadline: the last millisecond that a timestamp holds.
const LAST: u64 = (1 << 48) - 1;

impl Expiry {
    /// Never ends.
    pub const NEVER: Self = Self {
        deadline: None,
        max_idle: None,
        idle_deadline: None,
    };

    /// Works out the end of a record made at `now`.
    ///
    /// # Errors
    /// [`ExpiryError`] for a period under 1 ms or one that ends after the calendar does.
    pub fn starting(
        now: Millis,
        ttl: Option<Duration>,
        max_idle: Option<Duration>,
    ) -> Result<Self, ExpiryError> {
        let ttl = ttl
            .map(|period| millis(now, "time to live", period))
            .transpose()?;
        let max_idle = max_idle
            .map(|period| millis(now, "maximum idle time", period))
            .transpose()?;
        Ok(Self {
            deadline: ttl.map(|ttl| now.plus(ttl)),
            max_idle,
            idle_deadline: max_idle.map(|idle| now.plus(idle)),
        })
    }

    /// Tells whether the record has ended at `now`, given when it was last read.
    #[must_use]
    pub fn is_over(&self, now: Millis, last_access: Millis) -> bool {
        self.ends(last_access).is_some_and(|end| end <= now)
    }

    /// Returns when the record ends, given when it was last read.
    #[must_use]
    pub fn ends(&self, last_access: Millis) -> Option<Millis> {
        let touched = self.max_idle.map(|idle| last_access.plus(idle));
        let idle = touched.max(self.idle_deadline);
        [self.deadline, idle].into_iter().flatten().min()
    }

    /// Returns when the record ends as far as was persisted: reads since may have moved an idle deadline unseen, so it is
    /// taken a fifth of the period later, rather late than early.
    #[must_use]
    pub fn persisted_end(&self) -> Option<Millis> {
        let grace = self.max_idle.unwrap_or_default() / GRACE_SHARE;
        let idle = self.idle_deadline.map(|end| end.plus(grace));
        [self.deadline, idle].into_iter().flatten().min()
    }

    /// Tells whether reads moved the idle deadline so far that it is to be persisted again: by a tenth of the period.
    #[must_use]
    pub fn has_moved(&self, last_access: Millis) -> bool {
        let (Some(idle), Some(persisted)) = (self.max_idle, self.idle_deadline) else {
            return false;
        };
        let moved = last_access.plus(idle).since(persisted);
        moved > 0 && moved >= idle / PERSIST_SHARE
    }

    /// Brings the idle deadline up to the last read, to be persisted.
    #[must_use]
    pub fn moved_to(&self, last_access: Millis) -> Self {
        let idle_deadline = self.max_idle.map(|idle| last_access.plus(idle));
        Self {
            idle_deadline: idle_deadline.max(self.idle_deadline),
            ..*self
        }
    }

    /// Returns when a record that comes back from a data store was last read, at the latest: at its end, idle time ago.
    #[must_use]
    pub fn last_access_after_reload(&self) -> Option<Millis> {
        let idle = self.max_idle?;
        let end = self.idle_deadline?.plus(idle / GRACE_SHARE);
        Some(Millis(end.0.saturating_sub(idle)))
    }
}

fn millis(now: Millis, what: &'static str, period: Duration) -> Result<u64, ExpiryError> {
    let refused = |why| ExpiryError { what, period, why };
    let millis = u64::try_from(period.as_millis()).map_err(|_| refused("too long"))?;
    if millis == 0 {
        return Err(refused("too short"));
    }
    match now.0.checked_add(millis) {
        Some(end) if end <= LAST => Ok(millis),
        _ => Err(refused("too long")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_record_ends_exactly_in_memory_and_late_after_a_reload() {
        let idle = Expiry::starting(Millis(1_000), None, Some(Duration::from_millis(100))).unwrap();
        assert!(!idle.is_over(Millis(1_099), Millis(1_000)) && idle.is_over(Millis(1_100), Millis(1_000)));
        assert!(!idle.has_moved(Millis(1_009)) && idle.has_moved(Millis(1_010)));
        // Read at 1,009 and not persisted: the true end is 1,109, and a reload must not end it before.
        assert_eq!(idle.persisted_end(), Some(Millis(1_120)));
        let moved = idle.moved_to(Millis(1_010));
        assert_eq!(
            (moved.idle_deadline, moved.has_moved(Millis(1_010))),
            (Some(Millis(1_110)), false)
        );
        assert_eq!(moved.last_access_after_reload(), Some(Millis(1_030)));
    }

    #[test]
    fn the_time_to_live_ends_a_record_whatever_is_read() {
        let both = Expiry::starting(
            Millis(0),
            Some(Duration::from_millis(50)),
            Some(Duration::from_millis(40)),
        );
        let both = both.unwrap();
        assert_eq!(both.ends(Millis(0)), Some(Millis(40)));
        assert_eq!(both.ends(Millis(30)), Some(Millis(50)));
        assert_eq!(both.persisted_end(), Some(Millis(48)));
    }
}
