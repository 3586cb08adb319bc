use std::time::Duration;

/// The wait before the first retry is at most this: 50 ms, a few round trips to a store in the same region.
pub const DEFAULT_BASE: Duration = Duration::from_millis(50);

/// No wait is longer than this: 10 s, so that a store that is back is found soon.
pub const DEFAULT_CAP: Duration = Duration::from_secs(10);

/// How often an operation is tried in all: 6, about 3 s of waiting at most with the other defaults.
pub const DEFAULT_ATTEMPTS: u32 = 6;

/// How long the tries of one operation may take in all: 30 s.
pub const DEFAULT_TOTAL: Duration = Duration::from_secs(30);

/// How to wait between the tries of an operation: exponentially longer, with full jitter, a bounded number of times.
///
/// The wait after the `n`th failed try is drawn evenly from zero to `min(cap, base * 2^(n-1))`: "full jitter" of
/// Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015), which of the variants compared there
/// needs the fewest calls while clients that failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffPolicy {
    base: Duration,
    cap: Duration,
    attempts: u32,
    total: Duration,
}

/// The waits of one operation. Pure: time passes as an argument, chance comes in.
///
/// ```
/// use std::time::Duration;
/// use layerstore_data_store::BackoffPolicy;
///
/// let mut rng = fastrand::Rng::with_seed(7);
/// let mut backoff = BackoffPolicy::default().with_attempts(3).start();
/// assert!(backoff.next(Duration::ZERO, &mut rng).is_some());
/// assert!(backoff.next(Duration::from_millis(80), &mut rng).is_some());
/// // Three tries have failed: it is time to say so.
/// assert_eq!(backoff.next(Duration::from_millis(200), &mut rng), None);
/// ```
#[derive(Debug, Clone)]
pub struct Backoff {
    policy: BackoffPolicy,
    failed: u32,
}

impl BackoffPolicy {
    /// Tries once and never waits.
    pub const NEVER: Self = Self {
        base: Duration::ZERO,
        cap: Duration::ZERO,
        attempts: 1,
        total: Duration::ZERO,
    };

    /// Sets what the longest first wait is, which doubles from there (default [`DEFAULT_BASE`]).
    #[must_use]
    pub fn with_base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// Sets the longest wait of all (default [`DEFAULT_CAP`]).
    #[must_use]
    pub fn with_cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// Sets how often an operation is tried in all, at least once (default [`DEFAULT_ATTEMPTS`]).
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Sets how long all tries and waits may take together (default [`DEFAULT_TOTAL`]).
    #[must_use]
    pub fn with_total(mut self, total: Duration) -> Self {
        self.total = total;
        self
    }

    /// Begins the waits of one operation.
    #[must_use]
    pub fn start(self) -> Backoff {
        Backoff {
            policy: self,
            failed: 0,
        }
    }

    /// Returns the longest wait after `failed` tries, at least one.
    #[must_use]
    pub fn ceiling(&self, failed: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failed.saturating_sub(1));
        self.base.saturating_mul(doubled).min(self.cap)
    }

    /// Returns how long all tries and waits may take together.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.total
    }
}

impl Default for BackoffPolicy {
    fn default() -> Self {
        Self {
            base: DEFAULT_BASE,
            cap: DEFAULT_CAP,
            attempts: DEFAULT_ATTEMPTS,
            total: DEFAULT_TOTAL,
        }
    }
}

impl Backoff {
    /// Counts a failed try, `elapsed` after the first began, and returns how long to wait before the next.
    ///
    /// `None` when there is to be no other: all were made, or the wait would end after the total.
    pub fn next(&mut self, elapsed: Duration, rng: &mut fastrand::Rng) -> Option<Duration> {
        self.failed = self.failed.saturating_add(1);
        if self.failed >= self.policy.attempts {
            return None;
        }
        let ceiling = self.policy.ceiling(self.failed);
        let nanos = u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX);
        let wait = Duration::from_nanos(rng.u64(0..=nanos));
        (elapsed.saturating_add(wait) < self.policy.total).then_some(wait)
    }

    /// Returns how many tries have failed.
    #[must_use]
    pub fn failed(&self) -> u32 {
        self.failed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn waits(policy: BackoffPolicy, seed: u64) -> Vec<Duration> {
        let (mut rng, mut backoff) = (fastrand::Rng::with_seed(seed), policy.start());
        std::iter::from_fn(|| backoff.next(Duration::ZERO, &mut rng)).collect()
    }

    #[test]
    fn ceilings_double_up_to_the_cap() {
        let policy = BackoffPolicy::default();
        let ceilings = [1, 2, 3, 4, 8, 9, 40, u32::MAX].map(|failed| policy.ceiling(failed).as_millis());
        assert_eq!(ceilings, [50, 100, 200, 400, 6_400, 10_000, 10_000, 10_000]);
    }

    #[test]
    fn waits_spread_over_the_whole_of_zero_to_the_ceiling() {
        let policy = BackoffPolicy::default().with_attempts(2);
        let all: Vec<u128> = (0..4_000)
            .map(|seed| waits(policy, seed)[0].as_micros())
            .collect();
        // Full jitter: each tenth of 50 ms gets about a tenth of the waits.
        for tenth in 0..10 {
            let within = all.iter().filter(|wait| **wait / 5_000 == tenth).count();
            assert!(
                (300..500).contains(&within),
                "{within} of 4,000 waits lie in tenth {tenth}"
            );
        }
    }

    #[test]
    fn no_try_begins_after_the_total() {
        let policy = BackoffPolicy::default()
            .with_total(Duration::from_secs(1))
            .with_attempts(100);
        let (mut rng, mut backoff) = (fastrand::Rng::with_seed(1), policy.start());
        assert_eq!(backoff.next(Duration::from_secs(1), &mut rng), None);
        assert_eq!(backoff.failed(), 1);
        assert_eq!(waits(BackoffPolicy::NEVER, 1), []);
    }

    proptest! {
        #[test]
        fn waits_are_bounded_in_number_length_and_sum(
            seed: u64,
            base in 0_u64..100_000,
            cap in 0_u64..100_000,
            attempts in 0_u32..50,
            total in 0_u64..1_000_000,
        ) {
            let policy = BackoffPolicy::default()
                .with_base(Duration::from_micros(base))
                .with_cap(Duration::from_micros(cap))
                .with_attempts(attempts)
                .with_total(Duration::from_micros(total));
            let (mut rng, mut backoff) = (fastrand::Rng::with_seed(seed), policy.start());
            let (mut elapsed, mut number) = (Duration::ZERO, 0);
            while let Some(wait) = backoff.next(elapsed, &mut rng) {
                number += 1;
                elapsed += wait;
                prop_assert!(wait <= policy.ceiling(number));
                prop_assert!(wait <= Duration::from_micros(cap));
            }
            prop_assert!(number < attempts.max(1));
            prop_assert!(elapsed <= Duration::from_micros(total));
        }
    }
}
