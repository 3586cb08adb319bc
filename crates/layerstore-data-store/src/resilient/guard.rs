use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use layerstore_record::Clock;

use super::metrics;
use crate::breaker::{Breaker, BreakerPolicy, BreakerState, Permit};
use crate::error::{ErrorKind, StoreError};

/// The breaker of one store: shared by all its calls, which ask before each try and tell how it ended.
pub(super) struct Guard {
    store: &'static str,
    clock: Arc<dyn Clock>,
    /// Where the breaker stands and why; never locked across an await.
    state: Mutex<State>,
}

struct State {
    breaker: Breaker,
    /// The failure that was heard of last: the reason that calls get which are not made.
    last: Option<StoreError>,
}

impl Guard {
    pub(super) fn new(store: &'static str, policy: BreakerPolicy, clock: Arc<dyn Clock>) -> Self {
        metrics::breaker(store, BreakerState::Closed);
        Self {
            store,
            clock,
            state: Mutex::new(State {
                breaker: Breaker::new(policy),
                last: None,
            }),
        }
    }

    /// Lets a try of `operation` through, or says why not.
    pub(super) fn admit(&self, operation: &'static str) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut state = self.state();
        let Permit::Wait { until } = state.breaker.ask(now) else {
            metrics::breaker(self.store, state.breaker.state());
            return Ok(());
        };
        let what = format!(
            "not tried: the store has failed too often in a row; it is tried again in {} ms",
            until.since(now)
        );
        let refused = StoreError::new(ErrorKind::Unavailable, self.store, operation, what);
        Err(match state.last.clone() {
            Some(last) => refused.because(last),
            None => refused,
        })
    }

    /// Notes how a try ended: `error` where it failed.
    pub(super) fn tell(&self, error: Option<&StoreError>) {
        let now = self.clock.now();
        let mut state = self.state();
        let before = state.breaker.state();
        match error {
            Some(error) if is_down(error) => {
                state.breaker.failed(now);
                state.last = Some(error.clone());
            }
            _ => state.breaker.succeeded(),
        }
        let after = state.breaker.state();
        metrics::breaker(self.store, after);
        match (before, after) {
            (BreakerState::Closed, BreakerState::Open) => {
                tracing::warn!(store = self.store, error = ?error.map(ToString::to_string), "the breaker of a data store opens");
            }
            (BreakerState::Open | BreakerState::HalfOpen, BreakerState::Closed) => {
                tracing::info!(store = self.store, "the breaker of a data store closes");
            }
            _ => {}
        }
    }

    pub(super) fn breaker_state(&self) -> BreakerState {
        self.state().breaker.state()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells whether an error says that the store is down: any other shows that it answers.
fn is_down(error: &StoreError) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout)
}
