//! A clock that a test owns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use layerstore_record::{Clock, Millis};

/// A wall clock that stands still until the test moves it. Clones show the same time.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use layerstore_record::{Clock, Hlc, Millis, NodeId};
/// use layerstore_testkit::clock::ManualClock;
///
/// let clock = ManualClock::at(Millis(1_000));
/// let hlc = Hlc::new(NodeId(1), clock.shared());
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(hlc.tick().millis(), Millis(2_000));
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock {
    millis: Arc<AtomicU64>,
}

impl ManualClock {
    /// The time at which a clock starts unless told otherwise: 2026-01-01, so that dates in failures look like dates.
    pub const START: Millis = Millis(1_767_225_600_000);

    /// Makes a clock that shows [`START`](Self::START).
    #[must_use]
    pub fn new() -> Self {
        Self::at(Self::START)
    }

    /// Makes a clock that shows this time.
    #[must_use]
    pub fn at(now: Millis) -> Self {
        Self {
            millis: Arc::new(AtomicU64::new(now.0)),
        }
    }

    /// Returns the clock as what takes one expects it; it goes on showing the same time as this one.
    #[must_use]
    pub fn shared(&self) -> Arc<dyn Clock> {
        Arc::new(self.clone())
    }

    /// Moves the clock ahead, by whole milliseconds.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        let ahead = |now: u64| Some(now.saturating_add(by));
        // The closure always gives a value, so the update cannot fail.
        let _ = self
            .millis
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, ahead);
    }

    /// Sets the clock, back as well as ahead, as an operator might.
    pub fn set(&self, now: Millis) {
        self.millis.store(now.0, Ordering::Release);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        Millis(self.millis.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_show_the_time_that_was_set() {
        let clock = ManualClock::new();
        let seen = clock.shared();
        assert_eq!(seen.now(), ManualClock::START);
        clock.advance(Duration::from_millis(5));
        assert_eq!(seen.now(), ManualClock::START.plus(5));
        clock.set(Millis(3));
        assert_eq!(seen.now(), Millis(3));
    }
}
