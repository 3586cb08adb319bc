//! The task that brings what is due to the store behind.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::metrics;
use crate::queue::Kind;
use crate::sending::Way;
use crate::shared::Shared;

/// While something is pending, metrics say how much at least so often: writes that are not due sooner than others wake nobody.
const TELL: Duration = Duration::from_secs(1);

/// The owner of the task.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Taken by whoever waits for its end.
    task: Mutex<Option<JoinHandle<()>>>,
    stop: watch::Sender<bool>,
}

impl Worker {
    pub(crate) fn start(shared: Arc<Shared>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let run = Run { shared, stopped };
        Self {
            task: Mutex::new(Some(tokio::spawn(run.run()))),
            stop,
        }
    }

    /// Ends it: after the batches that are on their way, or at the deadline amid them, which a store takes for repeated later.
    pub(crate) async fn shutdown(&self, deadline: Duration) {
        self.stop.send_replace(true);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut task) = task else { return };
        if timeout(deadline, &mut task).await.is_err() {
            task.abort();
            // Aborted, it ends where it waits next; until then it might still be at work.
            let _ = task.await;
        }
    }

    pub(crate) fn abort(&self) {
        self.stop.send_replace(true);
        if let Some(task) = &*self.task.lock().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }
}

struct Run {
    shared: Arc<Shared>,
    stopped: watch::Receiver<bool>,
}

impl Run {
    async fn run(mut self) {
        let mut on_their_way: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
        while !*self.stopped.borrow() {
            let wait = self.start_batches(&mut on_their_way);
            let is_pending = metrics::tell(&self.shared);
            let wait = wait.into_iter().chain(is_pending.then_some(TELL)).min();
            // Whatever wakes it, the loop looks at what is due.
            tokio::select! {
                _ = self.stopped.wait_for(|stopped| *stopped) => {}
                _ = on_their_way.next(), if !on_their_way.is_empty() => {}
                () = self.shared.work.notified() => {}
                () = sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            }
        }
        while on_their_way.next().await.is_some() {}
    }

    /// Starts what is due; says how long to wait for more, where time alone brings it.
    fn start_batches(&self, on_their_way: &mut FuturesUnordered<BoxFuture<'static, ()>>) -> Option<Duration> {
        while on_their_way.len() < self.shared.options.parallel {
            let mut wait = None;
            let turns = self.shared.queue().turns();
            let started = turns.into_iter().find_map(|kind| match self.start_batch(kind) {
                Start::Batch(batch) => Some(batch),
                Start::Wait(until) => {
                    wait = wait.into_iter().chain(until).min();
                    None
                }
            });
            match started {
                Some(batch) => on_their_way.push(batch),
                None => return wait,
            }
        }
        None
    }

    fn start_batch(&self, kind: Kind) -> Start {
        let (shared, options) = (&self.shared, &self.shared.options);
        let now = shared.now();
        // Timers are exact to the millisecond: one early would find nothing due.
        let wait =
            |until: Duration| Start::Wait(Some(until.saturating_sub(now).max(Duration::from_millis(1))));
        loop {
            let due = shared.queue().next_due(kind);
            match due {
                None => return Start::Wait(None),
                Some(due) if due > now => return wait(due),
                Some(_) => {}
            }
            let most = match shared.way(kind == Kind::Retry, now) {
                Way::Free => options.batch_records.min(shared.limits.batch_records),
                Way::Probe => 1,
                Way::ClosedUntil(until) => return wait(until),
            };
            // Nothing comes where none of what was due is current any more: then the next is looked at.
            let batch = shared.queue().take(kind, now, most, options.batch_bytes);
            if let Some(batch) = batch {
                let shared = Arc::clone(shared);
                return Start::Batch(Box::pin(async move { shared.deliver(batch).await }));
            }
        }
    }
}

enum Start {
    Batch(BoxFuture<'static, ()>),
    /// How long, where time brings something.
    Wait(Option<Duration>),
}
