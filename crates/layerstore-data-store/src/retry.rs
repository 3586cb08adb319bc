use std::time::Duration;

use crate::backoff::BackoffPolicy;
use crate::error::{Outcome, StoreError};
use crate::store::MapDataStore;
use crate::store_ext::unanswered;
use crate::write::{Write, WriteResult};

/// Tells time and waits, for [`retry`]; tests bring their own, a runtime's timer does for everyone else.
pub trait Pause {
    /// Returns how long ago the operation began.
    fn elapsed(&self) -> Duration;

    /// Waits.
    fn pause(&mut self, wait: Duration) -> impl Future<Output = ()> + Send;
}

/// Tries an operation again while it fails in a way that a retry may cure, waiting longer each time.
///
/// The operation must be one that may be made twice: reads, and writes, which their versions make idempotent. So a
/// write whose outcome is unknown is resolved by making it again: the answer to the repeated write tells what holds.
///
/// # Errors
/// The first error that no retry cures, as it is; or the last one, when tries or time are used up. If the outcome of
/// any try is unknown and no later one told, the error says so, whatever the last try alone would say.
pub async fn retry<T, F, R, P>(
    policy: BackoffPolicy,
    rng: &mut fastrand::Rng,
    pause: &mut P,
    mut operation: F,
) -> Result<T, StoreError>
where
    F: FnMut() -> R,
    R: Future<Output = Result<T, StoreError>>,
    P: Pause,
{
    let mut backoff = policy.start();
    let mut unknown = false;
    loop {
        let error = match operation().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        unknown |= error.outcome() == Outcome::Unknown;
        let wait = if error.is_retryable() {
            backoff.next(pause.elapsed(), rng)
        } else {
            None
        };
        match wait {
            Some(wait) => {
                tracing::debug!(error = %error, attempt = backoff.failed(), ?wait, "a data store call is retried");
                pause.pause(wait).await;
            }
            None if unknown => return Err(error.with_unknown_outcome()),
            None => return Err(error),
        }
    }
}

/// Makes writes, and makes those again that failed in a way that a retry may cure; answers for each, in the order given.
///
/// Every try is a batch of what is still open. As of [`retry`], a write whose outcome is unknown is resolved by making it
/// again, and where no try told, its error says that the outcome is unknown.
pub async fn retry_writes<S, P>(
    store: &S,
    writes: Vec<Write>,
    policy: BackoffPolicy,
    rng: &mut fastrand::Rng,
    pause: &mut P,
) -> Vec<WriteResult>
where
    S: MapDataStore + ?Sized,
    P: Pause,
{
    retry_batches(store.name(), writes, policy, rng, pause, |writes| {
        store.apply(writes)
    })
    .await
}

/// Does what [`retry_writes`] does, by whatever makes a batch of writes.
pub(crate) async fn retry_batches<F, R, P>(
    store: &'static str,
    writes: Vec<Write>,
    policy: BackoffPolicy,
    rng: &mut fastrand::Rng,
    pause: &mut P,
    mut apply: F,
) -> Vec<WriteResult>
where
    F: FnMut(Vec<Write>) -> R,
    R: Future<Output = Vec<WriteResult>>,
    P: Pause,
{
    let mut backoff = policy.start();
    let mut answers: Vec<Option<WriteResult>> = writes.iter().map(|_| None).collect();
    let mut open: Vec<OpenWrite> = writes.into_iter().enumerate().map(OpenWrite::new).collect();
    while !open.is_empty() {
        let made = apply(open.iter().map(|open| open.write.clone()).collect()).await;
        let failed = settle(open, made, &mut answers, store);
        let wait = if failed.is_empty() {
            None
        } else {
            backoff.next(pause.elapsed(), rng)
        };
        let Some(wait) = wait else {
            for (OpenWrite { place, unknown, .. }, error) in failed {
                let error = if unknown {
                    error.with_unknown_outcome()
                } else {
                    error
                };
                answers[place] = Some(WriteResult::Rejected(error));
            }
            break;
        };
        tracing::debug!(
            writes = failed.len(),
            attempt = backoff.failed(),
            ?wait,
            "writes are retried"
        );
        pause.pause(wait).await;
        open = failed.into_iter().map(|(open, _)| open).collect();
    }
    answers.into_iter().flatten().collect()
}

/// A write that is not settled yet.
struct OpenWrite {
    /// Where its answer belongs.
    place: usize,
    write: Write,
    /// Whether an earlier try may have made it.
    unknown: bool,
}

impl OpenWrite {
    fn new((place, write): (usize, Write)) -> Self {
        Self {
            place,
            write,
            unknown: false,
        }
    }
}

/// Fills in the answers that stand, and returns the writes that may be tried again, with their errors.
fn settle(
    open: Vec<OpenWrite>,
    made: Vec<WriteResult>,
    answers: &mut [Option<WriteResult>],
    store: &'static str,
) -> Vec<(OpenWrite, StoreError)> {
    let mut failed = Vec::new();
    let mut made = made.into_iter();
    for mut open in open {
        let answer = made.next().unwrap_or_else(|| unanswered(&open.write, store));
        let WriteResult::Rejected(error) = answer else {
            answers[open.place] = Some(answer);
            continue;
        };
        open.unknown |= error.outcome() == Outcome::Unknown;
        if error.is_retryable() {
            failed.push((open, error));
        } else {
            let error = if open.unknown {
                error.with_unknown_outcome()
            } else {
                error
            };
            answers[open.place] = Some(WriteResult::Rejected(error));
        }
    }
    failed
}
