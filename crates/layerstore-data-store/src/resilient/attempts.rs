use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::guard::Guard;
use super::metrics;
use crate::backoff::BackoffPolicy;
use crate::error::{ErrorKind, StoreError};
use crate::retry::{Pause, retry, retry_batches};
use crate::write::{Write, WriteResult};

/// What bounds the tries of a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// How long one try may take.
    pub(super) attempt: Duration,
    /// How many tries, how far apart, and how long in all.
    pub(super) backoff: BackoffPolicy,
}

/// One call of a data store: every try of it asks the breaker, ends in time and is counted.
pub(super) struct Call<'a> {
    store: &'static str,
    operation: &'static str,
    guard: &'a Guard,
    bounds: Bounds,
    timer: Timer,
    has_tried: AtomicBool,
}

/// Tokio's clock, from the beginning of a call.
#[derive(Debug, Clone, Copy)]
struct Timer(Instant);

impl Pause for Timer {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn pause(&mut self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}

impl<'a> Call<'a> {
    pub(super) fn new(
        store: &'static str,
        operation: &'static str,
        guard: &'a Guard,
        bounds: Bounds,
    ) -> Self {
        Self {
            store,
            operation,
            guard,
            bounds,
            timer: Timer(Instant::now()),
            has_tried: AtomicBool::new(false),
        }
    }

    /// Allows a single try.
    pub(super) fn once(mut self) -> Self {
        self.bounds.backoff = self.bounds.backoff.with_attempts(1);
        self
    }

    /// Makes a call that may be made twice, as often as it is allowed to.
    pub(super) async fn run<T, F, R>(self, mut rng: fastrand::Rng, mut operation: F) -> Result<T, StoreError>
    where
        F: FnMut() -> R,
        R: Future<Output = Result<T, StoreError>>,
    {
        let (this, mut timer) = (&self, self.timer);
        let done = match this.guard.admit(this.operation) {
            Ok(()) => {
                let tries = || {
                    // Nothing happens before the future is polled.
                    let tried = operation();
                    async move {
                        this.admit_again()?;
                        this.one(tried).await
                    }
                };
                retry(this.bounds.backoff, &mut rng, &mut timer, tries).await
            }
            Err(refused) => Err(refused),
        };
        metrics::called(this.store, this.operation, done.as_ref().err(), timer.elapsed());
        done
    }

    /// Makes writes, and those again that a retry may help.
    pub(super) async fn write<F, R>(
        self,
        mut rng: fastrand::Rng,
        writes: Vec<Write>,
        mut apply: F,
    ) -> Vec<WriteResult>
    where
        F: FnMut(Vec<Write>) -> R,
        R: Future<Output = Vec<WriteResult>>,
    {
        let (this, mut timer) = (&self, self.timer);
        let answers = match this.guard.admit(this.operation) {
            Ok(()) => {
                let tries = |writes: Vec<Write>| {
                    let tried = apply(writes.clone());
                    async move {
                        match this.admit_again() {
                            Ok(()) => this.one_batch(writes, tried).await,
                            Err(refused) => reject(&writes, &refused),
                        }
                    }
                };
                retry_batches(
                    this.store,
                    writes,
                    this.bounds.backoff,
                    &mut rng,
                    &mut timer,
                    tries,
                )
                .await
            }
            Err(refused) => reject(&writes, &refused),
        };
        metrics::called(this.store, this.operation, first_error(&answers), timer.elapsed());
        metrics::written(this.store, &answers);
        answers
    }

    /// Asks the breaker before every try but the first, for which the call was let in.
    fn admit_again(&self) -> Result<(), StoreError> {
        match self.has_tried.swap(true, Ordering::Relaxed) {
            true => self.guard.admit(self.operation),
            false => Ok(()),
        }
    }

    async fn one<T>(&self, tried: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        metrics::tried(self.store, self.operation);
        let limit = self.limit();
        let done = match tokio::time::timeout(limit, tried).await {
            Ok(done) => done,
            Err(_) => Err(self.timed_out(limit)),
        };
        self.guard.tell(done.as_ref().err());
        done
    }

    async fn one_batch(
        &self,
        writes: Vec<Write>,
        tried: impl Future<Output = Vec<WriteResult>>,
    ) -> Vec<WriteResult> {
        metrics::tried(self.store, self.operation);
        let limit = self.limit();
        let answers = match tokio::time::timeout(limit, tried).await {
            Ok(answers) => answers,
            Err(_) => reject(&writes, &self.timed_out(limit).with_unknown_outcome()),
        };
        // One write that was judged shows that the store answers.
        let all_failed = answers
            .iter()
            .all(|answer| matches!(answer, WriteResult::Rejected(_)));
        self.guard.tell(first_error(&answers).filter(|_| all_failed));
        answers
    }

    /// Returns how long the next try may take: no longer than is left of the whole.
    fn limit(&self) -> Duration {
        let left = self.bounds.backoff.total().saturating_sub(self.timer.elapsed());
        self.bounds.attempt.min(left)
    }

    fn timed_out(&self, limit: Duration) -> StoreError {
        let what = format!(
            "no answer within {} ms; look at the store, or allow more time",
            limit.as_millis()
        );
        StoreError::new(ErrorKind::Timeout, self.store, self.operation, what)
    }
}

/// Answers for every write with the same error, made its own.
pub(super) fn reject(writes: &[Write], error: &StoreError) -> Vec<WriteResult> {
    writes
        .iter()
        .map(|write| WriteResult::Rejected(error.clone().in_map(&write.map).at_key(&write.key)))
        .collect()
}

fn first_error(answers: &[WriteResult]) -> Option<&StoreError> {
    answers.iter().find_map(|answer| match answer {
        WriteResult::Rejected(error) => Some(error),
        _ => None,
    })
}
