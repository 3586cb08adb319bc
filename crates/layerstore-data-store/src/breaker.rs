use std::time::Duration;

use layerstore_record::Millis;

/// A breaker opens after this many failures in a row: 5, more than a store loses to a restart of one of its nodes.
pub const DEFAULT_THRESHOLD: u32 = 5;

/// An open breaker waits this long before it probes: 1 s, doubling to [`DEFAULT_LONGEST_PAUSE`].
pub const DEFAULT_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two probes: 30 s.
pub const DEFAULT_LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// When a breaker opens, and how often it probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    threshold: u32,
    pause: Duration,
    longest_pause: Duration,
}

/// Stops calls to a store that is down, and lets one through from time to time to see whether it is back.
///
/// The circuit breaker of Nygard, "Release It!" (2007): closed while calls succeed, open after a number of failures in a
/// row, half open while a probe is under way. Pure: time is an argument, and where it runs backwards the breaker waits
/// no longer than one pause from then on. Only failures that a retry may cure belong in here.
///
/// ```
/// use layerstore_data_store::{Breaker, BreakerPolicy, BreakerState, Permit};
/// use layerstore_record::Millis;
///
/// let mut breaker = Breaker::new(BreakerPolicy::default().with_threshold(1));
/// assert_eq!(breaker.ask(Millis(0)), Permit::Call);
/// breaker.failed(Millis(0));
/// assert!(matches!(breaker.ask(Millis(1)), Permit::Wait { until } if until == Millis(1_000)));
/// assert_eq!(breaker.ask(Millis(1_000)), Permit::Probe);
/// breaker.succeeded();
/// assert_eq!(breaker.state(), BreakerState::Closed);
/// ```
#[derive(Debug, Clone)]
pub struct Breaker {
    policy: BreakerPolicy,
    state: State,
    /// How long the breaker waits when it opens next.
    pause: Duration,
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// Calls go through.
    Closed,
    /// No call goes through.
    Open,
    /// One call is under way, to see whether the store is back.
    HalfOpen,
}

/// What a breaker says to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Permit {
    /// Make it.
    Call,
    /// Make it, alone: the others wait for what comes of it. Its end must be told, or the breaker takes it for failed
    /// after another pause.
    Probe,
    /// Do not make it.
    Wait {
        /// When to ask again.
        until: Millis,
    },
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed {
        failures: u32,
    },
    /// Opened, or began its probe, at `since`; asks may pass at `until`.
    Open {
        since: Millis,
        until: Millis,
        is_probing: bool,
    },
}

impl BreakerPolicy {
    /// Sets how many failures in a row open the breaker, at least one (default [`DEFAULT_THRESHOLD`]).
    #[must_use]
    pub fn with_threshold(mut self, threshold: u32) -> Self {
        self.threshold = threshold.max(1);
        self
    }

    /// Sets the pause before the first probe, at least 1 ms, and the longest between later ones
    /// (defaults [`DEFAULT_PAUSE`], [`DEFAULT_LONGEST_PAUSE`]).
    #[must_use]
    pub fn with_pause(mut self, first: Duration, longest: Duration) -> Self {
        self.pause = first.max(Duration::from_millis(1));
        self.longest_pause = longest.max(self.pause);
        self
    }
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            threshold: DEFAULT_THRESHOLD,
            pause: DEFAULT_PAUSE,
            longest_pause: DEFAULT_LONGEST_PAUSE,
        }
    }
}

impl Breaker {
    /// Makes a closed breaker.
    #[must_use]
    pub fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            state: State::Closed { failures: 0 },
            pause: policy.pause,
        }
    }

    /// Returns where it stands.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open {
                is_probing: false, ..
            } => BreakerState::Open,
            State::Open { is_probing: true, .. } => BreakerState::HalfOpen,
        }
    }

    /// Asks whether a call may be made at `now`.
    pub fn ask(&mut self, now: Millis) -> Permit {
        let State::Open { since, until, .. } = self.state else {
            return Permit::Call;
        };
        // A wall clock set back must not keep the breaker open for however far it was set back.
        let until = if now < since { self.open(now, false) } else { until };
        if now < until {
            return Permit::Wait { until };
        }
        // Also when a probe was never heard of again: its caller may have gone away.
        self.open(now, true);
        Permit::Probe
    }

    /// Notes that a call succeeded: the store is back.
    pub fn succeeded(&mut self) {
        self.state = State::Closed { failures: 0 };
        self.pause = self.policy.pause;
    }

    /// Notes that a call failed at `now` in a way that says that the store is down.
    pub fn failed(&mut self, now: Millis) {
        match &mut self.state {
            State::Closed { failures } => {
                *failures = failures.saturating_add(1);
                if *failures >= self.policy.threshold {
                    self.open(now, false);
                }
            }
            State::Open { is_probing: true, .. } => {
                self.pause = self.pause.saturating_mul(2).min(self.policy.longest_pause);
                self.open(now, false);
            }
            // A call from before it opened: nothing new.
            State::Open {
                is_probing: false, ..
            } => {}
        }
    }

    /// Waits for one pause from `now`, and returns its end.
    fn open(&mut self, now: Millis, is_probing: bool) -> Millis {
        let until = now.plus(u64::try_from(self.pause.as_millis()).unwrap_or(u64::MAX));
        self.state = State::Open {
            since: now,
            until,
            is_probing,
        };
        until
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn open_at(now: u64) -> Breaker {
        let mut breaker = Breaker::new(BreakerPolicy::default());
        (0..DEFAULT_THRESHOLD).for_each(|_| breaker.failed(Millis(now)));
        breaker
    }

    #[test]
    fn only_failures_in_a_row_open_it() {
        let mut breaker = Breaker::new(BreakerPolicy::default());
        for _ in 0..10 {
            (1..DEFAULT_THRESHOLD).for_each(|_| breaker.failed(Millis(0)));
            breaker.succeeded();
            assert_eq!(
                (breaker.state(), breaker.ask(Millis(0))),
                (BreakerState::Closed, Permit::Call)
            );
        }
        assert_eq!(open_at(0).state(), BreakerState::Open);
    }

    #[test]
    fn one_call_probes_while_the_others_wait() {
        let mut breaker = open_at(0);
        assert_eq!(breaker.ask(Millis(999)), Permit::Wait { until: Millis(1_000) });
        assert_eq!(breaker.ask(Millis(1_000)), Permit::Probe);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert_eq!(breaker.ask(Millis(1_001)), Permit::Wait { until: Millis(2_000) });
        breaker.succeeded();
        assert_eq!(breaker.ask(Millis(1_002)), Permit::Call);
    }

    #[test]
    fn each_failed_probe_doubles_the_pause_up_to_the_longest() {
        let (mut breaker, mut now, mut pauses) = (open_at(0), Millis(0), Vec::new());
        for _ in 0..8 {
            let Permit::Wait { until } = breaker.ask(now) else {
                panic!("an open breaker lets a call through")
            };
            pauses.push(until.since(now));
            now = until;
            assert_eq!(breaker.ask(now), Permit::Probe);
            breaker.failed(now);
        }
        assert_eq!(
            pauses,
            [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]
        );
        breaker.succeeded();
        (0..DEFAULT_THRESHOLD).for_each(|_| breaker.failed(now));
        assert_eq!(
            breaker.ask(now),
            Permit::Wait {
                until: now.plus(1_000)
            },
            "success resets the pause"
        );
    }

    #[test]
    fn a_probe_that_is_never_heard_of_again_does_not_keep_it_half_open_for_ever() {
        let mut breaker = open_at(0);
        assert_eq!(breaker.ask(Millis(1_000)), Permit::Probe);
        assert_eq!(breaker.ask(Millis(2_000)), Permit::Probe);
    }

    #[test]
    fn a_clock_set_back_delays_the_probe_by_one_pause_at_most() {
        let mut breaker = open_at(10_000_000);
        assert_eq!(breaker.ask(Millis(5_000)), Permit::Wait { until: Millis(6_000) });
        assert_eq!(breaker.ask(Millis(6_000)), Permit::Probe);
    }

    proptest! {
        #[test]
        fn an_open_breaker_lets_one_call_through_a_pause(steps in proptest::collection::vec((0_u64..700, 0_u8..3), 1..300)) {
            let (mut breaker, mut now) = (open_at(0), Millis(0));
            let mut last_probe = None;
            for (wait, step) in steps {
                now = now.plus(wait);
                match step {
                    0 => breaker.failed(now),
                    _ => match breaker.ask(now) {
                        Permit::Probe => {
                            let apart = last_probe.map_or(u64::MAX, |last| now.since(last));
                            prop_assert!(apart >= 1_000, "probes {apart} ms apart");
                            last_probe = Some(now);
                        }
                        Permit::Wait { until } => {
                            prop_assert!(until > now && until.since(now) <= 30_000);
                        }
                        Permit::Call => prop_assert!(false, "an open breaker calls without a success"),
                    },
                }
            }
        }
    }
}
