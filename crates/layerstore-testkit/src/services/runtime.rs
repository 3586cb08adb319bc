//! Waiting for a service from anywhere: in a test with a paused clock, in a `drop`, in another runtime.

use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;

/// Runs a future to its end on a thread and a runtime of its own, and waits for it.
///
/// # Errors
/// What the future says, or that it took longer than `deadline`.
pub(super) fn block_on<T: Send>(
    deadline: Duration,
    future: impl Future<Output = Result<T, String>> + Send,
) -> Result<T, String> {
    let run = || {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("no runtime can be made: {error}"))?;
        let ended = runtime.block_on(async { tokio::time::timeout(deadline, future).await });
        ended.unwrap_or_else(|_| Err(format!("no answer within {deadline:?}")))
    };
    thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|panic| resume_unwind(panic))
}

/// Runs what blocks beside the caller's runtime and waits for it without blocking a worker.
pub(super) async fn aside<T: Send + 'static>(blocking: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(blocking).await {
        Ok(done) => done,
        Err(error) => resume_unwind(error.into_panic()),
    }
}
