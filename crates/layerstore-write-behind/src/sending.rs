//! How writes get to the store behind: in time, and not at all for a while when it is down.

use std::time::Duration;

use layerstore_data_store::{
    Breaker, BreakerPolicy, BreakerState, ErrorKind, Permit, StoreError, Write, WriteResult,
};
use layerstore_record::Millis;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::accept::reject_all;
use crate::failpoints::Failpoint;
use crate::shared::Shared;

/// How the store behind does.
#[derive(Debug)]
pub(crate) struct Sending {
    /// Stands before everything. What failed before says nothing new when it fails again, and does not open it.
    breaker: Breaker,
    /// Stands before what failed before.
    retries: Breaker,
    /// When the store behind took something last, or was first asked.
    taken: Option<Duration>,
    /// Why it failed to take something last.
    pub(crate) last_error: Option<StoreError>,
    /// Keeps keys that failed together apart.
    pub(crate) rng: fastrand::Rng,
}

/// What failed before may fail on for so long, while nothing else is taken either, until it is left alone but for probes: 1 s.
const GRACE: Duration = Duration::from_secs(1);

impl Sending {
    pub(crate) fn new(policy: BreakerPolicy, seed: u64) -> Self {
        Self {
            breaker: Breaker::new(policy),
            retries: Breaker::new(policy),
            taken: None,
            last_error: None,
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// Returns where the two breakers stand: the one that lets less through.
    pub(crate) fn state(&self) -> BreakerState {
        match self.breaker.state() {
            BreakerState::Closed => self.retries.state(),
            state => state,
        }
    }

    fn took(&mut self, now: Duration) {
        self.taken = Some(now);
        self.breaker.succeeded();
        self.retries.succeeded();
    }

    fn failed(&mut self, is_retry: bool, now: Duration) {
        if !is_retry {
            self.breaker.failed(millis(now));
        }
        let since = now.saturating_sub(*self.taken.get_or_insert(now));
        if since >= GRACE {
            self.retries.failed(millis(now));
        }
    }

    fn ask(&mut self, is_retry: bool, now: Duration) -> Permit {
        // A probe of what failed before says as well as any whether the store is back.
        match self.breaker.ask(millis(now)) {
            Permit::Call if is_retry => self.retries.ask(millis(now)),
            permit => permit,
        }
    }
}

/// Whether a batch may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Free,
    /// One write may go, to see whether the store is back.
    Probe,
    /// Counted from when the store was opened.
    ClosedUntil(Duration),
}

impl Shared {
    /// Makes writes, and ends in time.
    pub(crate) async fn send(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        let asked = writes.clone();
        let made = async {
            self.reach(Failpoint::Apply, "apply").await?;
            let answers = self.inner.apply(writes).await;
            let heard = self.reach(Failpoint::Applied, "apply").await;
            heard.map(|()| answers).map_err(StoreError::with_unknown_outcome)
        };
        match timeout(self.options.call_timeout, made).await {
            Ok(Err(error)) => reject_all(&asked, &error),
            Ok(Ok(mut answers)) => {
                let what = "the store behind left out an answer: it breaks its contract";
                let error = self
                    .error(ErrorKind::Corrupt, "apply", what)
                    .with_unknown_outcome();
                let unanswered = asked.get(answers.len()..).unwrap_or_default();
                answers.extend(reject_all(unanswered, &error));
                answers
            }
            Err(_) => reject_all(&asked, &self.no_answer("apply").with_unknown_outcome()),
        }
    }

    /// Makes the error of a call that the store behind did not answer in time.
    pub(crate) fn no_answer(&self, operation: &'static str) -> StoreError {
        let what = format!(
            "no answer of the store behind within {} ms",
            self.options.call_timeout.as_millis()
        );
        self.error(ErrorKind::Timeout, operation, what)
    }

    /// Asks whether a batch may go now.
    pub(crate) fn way(&self, is_retry: bool, now: Duration) -> Way {
        match self.sending().ask(is_retry, now) {
            Permit::Call => Way::Free,
            Permit::Probe => Way::Probe,
            Permit::Wait { until } => Way::ClosedUntil(Duration::from_millis(until.0)),
        }
    }

    /// Takes note of whether the store behind took a batch, or anything of it.
    pub(crate) fn heard(&self, is_retry: bool, failure: Option<&StoreError>, now: Duration) {
        let (before, after) = {
            let mut sending = self.sending();
            let before = sending.state();
            match failure {
                Some(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout) => {
                    sending.failed(is_retry, now);
                }
                _ => sending.took(now),
            }
            if let Some(error) = failure {
                sending.last_error = Some(error.clone());
            }
            (before, sending.state())
        };
        let store = self.inner.name();
        match (before, after) {
            (BreakerState::Closed, BreakerState::Open) => {
                let pending = self.queue().counts().records;
                warn!(store, pending, error = ?failure.map(ToString::to_string), "the store behind is down: writes wait in the queue");
            }
            (BreakerState::Open | BreakerState::HalfOpen, BreakerState::Closed) => {
                info!(store, "the store behind is back");
                // What failed while it was down need not wait for the pauses that it had earned.
                self.queue().retry_now();
            }
            _ => {}
        }
    }
}

fn millis(time: Duration) -> Millis {
    Millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
