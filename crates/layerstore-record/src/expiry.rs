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

    /// Returns when the record ends as far as was persisted, without the reads since.
    #[must_use]
    pub fn persisted_end(&self) -> Option<Millis> {
        [self.deadline, self.idle_deadline].into_iter().flatten().min()
    }
}

/// An expiry as a record holds it: most records have a deadline at most, and take 16 bytes for it instead of 48.
#[derive(Debug, Clone)]
pub(crate) struct PackedExpiry {
    /// The deadline, or [`NO_DEADLINE`]. Counts only if nothing is boxed.
    deadline: u64,
    boxed: Option<Box<Expiry>>,
}

const NO_DEADLINE: u64 = u64::MAX;

impl PackedExpiry {
    pub(crate) fn new(expiry: Expiry) -> Self {
        let deadline = expiry.deadline.map_or(NO_DEADLINE, |at| at.0);
        let packed = Self {
            deadline,
            boxed: None,
        };
        // Also a deadline that reads as none.
        if packed.unpack() == expiry {
            return packed;
        }
        Self {
            deadline,
            boxed: Some(Box::new(expiry)),
        }
    }

    pub(crate) fn unpack(&self) -> Expiry {
        match &self.boxed {
            Some(expiry) => **expiry,
            None => Expiry {
                deadline: (self.deadline != NO_DEADLINE).then_some(Millis(self.deadline)),
                ..Expiry::NEVER
            },
        }
    }

    /// As [`Expiry::is_over`].
    pub(crate) fn is_over(&self, now: Millis, last_access: Millis) -> bool {
        self.unpack().is_over(now, last_access)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.boxed.as_deref().map_or(0, size_of_val)
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
