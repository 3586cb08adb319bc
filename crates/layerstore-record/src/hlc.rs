use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use thiserror::Error;

use crate::clock::{Clock, Millis};
use crate::timestamp::{NodeId, Timestamp};
use crate::version::Version;

/// How far ahead of our wall clock a peer's timestamp may lie: 1 minute, well above what NTP leaves.
pub const DEFAULT_MAX_DRIFT: Duration = Duration::from_secs(60);

/// A hybrid logical clock: it follows the wall clock, and only rises.
///
/// **R-clock**: no reading comes twice or below an earlier one, whatever the number of threads and wherever the wall clock
/// goes; every reading is above all that was observed or resumed from; a peer too far ahead is refused, and changes nothing.
///
/// Lock-free. After 65,536 readings within one millisecond it runs ahead of the wall clock by one.
///
/// ```
/// use std::sync::Arc;
/// use layerstore_record::{Hlc, NodeId, SystemClock};
///
/// let clock = Hlc::new(NodeId::random(), Arc::new(SystemClock));
/// let (one, two) = (clock.next_version(), clock.next_version());
/// assert!(one < two);
/// ```
pub struct Hlc {
    node: NodeId,
    clock: Arc<dyn Clock>,
    max_drift: Duration,
    /// The last reading: milliseconds and counter as one number.
    last: AtomicU64,
}

/// A peer's timestamp lies too far ahead of our wall clock to be believed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "node {node:016x} reads a time {ahead:?} ahead of ours, more than the {allowed:?} allowed: \
     set the clocks of the two machines right"
)]
pub struct ClockDrift {
    /// The peer whose clock is ahead.
    pub node: u64,
    /// How far ahead it is.
    pub ahead: Duration,
    /// How far ahead it may be.
    pub allowed: Duration,
}

impl Hlc {
    /// Makes a clock that has read nothing yet.
    #[must_use]
    pub fn new(node: NodeId, clock: Arc<dyn Clock>) -> Self {
        Self {
            node,
            clock,
            max_drift: DEFAULT_MAX_DRIFT,
            last: AtomicU64::new(0),
        }
    }

    /// Sets how far ahead a peer's timestamp may lie (default [`DEFAULT_MAX_DRIFT`]).
    #[must_use]
    pub fn with_max_drift(mut self, max_drift: Duration) -> Self {
        self.max_drift = max_drift;
        self
    }

    /// Returns this clock's node id.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Returns the wall-clock time.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Returns about the wall-clock time, as [`Clock::coarse_now`] does.
    #[must_use]
    pub fn coarse_now(&self) -> Millis {
        self.clock.coarse_now()
    }

    /// Reads the clock: above every earlier reading and everything observed.
    pub fn tick(&self) -> Timestamp {
        self.tick_at(self.clock.now())
    }

    /// Reads the clock where the wall clock was just read, for who does not want to read it twice.
    pub fn tick_at(&self, now: Millis) -> Timestamp {
        let wall = Timestamp::new(now, 0, self.node).ticks();
        let before = self
            .last
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| Some(next(last, wall)));
        let (Ok(last) | Err(last)) = before;
        Timestamp::from_ticks(next(last, wall), self.node)
    }

    /// Reads the clock as a version.
    pub fn next_version(&self) -> Version {
        Version::new(self.tick())
    }

    /// Takes note of a **peer's** timestamp, so that every later reading is above it.
    ///
    /// # Errors
    /// [`ClockDrift`] when it would pull us further ahead of our wall clock than allowed; the clock is unchanged.
    pub fn observe(&self, peer: Timestamp) -> Result<(), ClockDrift> {
        // What lies behind us pulls nothing. After our wall clock was set back, that is every peer's time.
        if peer.ticks() <= self.last.load(Ordering::Acquire) {
            return Ok(());
        }
        let ahead = Duration::from_millis(peer.millis().since(self.clock.now()));
        if ahead > self.max_drift {
            return Err(ClockDrift {
                node: peer.node().0,
                ahead,
                allowed: self.max_drift,
            });
        }
        self.last.fetch_max(peer.ticks(), Ordering::AcqRel);
        Ok(())
    }

    /// Resumes above a version of **our own store**, however far ahead of the wall clock it lies:
    /// a wall clock that was set back must not stall writes.
    pub fn resume_above(&self, version: Version) {
        let ticks = version.timestamp().ticks();
        // Nearly always above already: a look does not take the number away from other threads.
        if self.last.load(Ordering::Acquire) < ticks {
            self.last.fetch_max(ticks, Ordering::AcqRel);
        }
    }
}

/// The reading after `last` when the wall clock shows `wall`.
fn next(last: u64, wall: u64) -> u64 {
    wall.max(last.saturating_add(1))
}
