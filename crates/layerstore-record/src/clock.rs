use std::time::{SystemTime, UNIX_EPOCH};

/// A point of wall-clock time in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millis(pub u64);

impl Millis {
    /// Returns the time `millis` milliseconds later, at most the largest time there is.
    #[must_use]
    pub fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Returns how many milliseconds have passed since `earlier`; 0 when it lies in the future.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Tells the time. Everything that depends on time takes one, so that tests can own it.
pub trait Clock: Send + Sync + 'static {
    /// Returns the current wall-clock time. It may step back; callers must cope.
    fn now(&self) -> Millis;

    /// Returns the time as of the last tick of the system's timer, where that is cheaper to ask for: up to some ten milliseconds ago. For
    /// what only has to be about right, such as when a record was last read; never for whether one has ended.
    fn coarse_now(&self) -> Millis {
        self.now()
    }
}

/// The machine's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the wall clock"
    )]
    fn now(&self) -> Millis {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    /// A quarter of the processor time of [`now`](Clock::now): the kernel keeps it ready (`CLOCK_REALTIME_COARSE`).
    #[cfg(target_os = "linux")]
    fn coarse_now(&self) -> Millis {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let millis = u64::try_from(time.tv_nsec).unwrap_or_default() / 1_000_000;
        Millis(seconds.saturating_mul(1_000).saturating_add(millis))
    }
}
