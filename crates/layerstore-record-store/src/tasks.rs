//! Owns the tasks of a store: loads and writes run to their end whoever stops waiting for them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::error::Elapsed;

/// The tasks of one store. Dropping the store signals; the tasks end by their own deadlines.
pub(crate) struct Tasks {
    runtime: Handle,
    closed: AtomicBool,
    active: AtomicUsize,
    /// Those of them that wait for work in the background, and have none that anybody would miss.
    background: AtomicUsize,
    /// Woken when the last task has ended, and when the store is closed.
    changed: Notify,
}

/// Counts a task for as long as it lives.
struct Active(Arc<Tasks>);

/// Counts a task as one in the background.
struct Background(Arc<Tasks>);

impl Tasks {
    pub(crate) fn new(runtime: Handle) -> Arc<Self> {
        Arc::new(Self {
            runtime,
            closed: AtomicBool::new(false),
            active: AtomicUsize::new(0),
            background: AtomicUsize::new(0),
            changed: Notify::new(),
        })
    }

    /// Runs a task to its end.
    pub(crate) fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.active.fetch_add(1, Ordering::AcqRel);
        let active = Active(Arc::clone(self));
        self.runtime.spawn(async move {
            let _active = active;
            task.await
        })
    }

    /// Runs what waits for all others to its end; not counted as one of them.
    pub(crate) fn spawn_last<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.runtime.spawn(task)
    }

    /// Runs a task that waits for work until the store is closed.
    pub(crate) fn spawn_background(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        self.background.fetch_add(1, Ordering::AcqRel);
        let background = Background(Arc::clone(self));
        drop(self.spawn(async move {
            let _background = background;
            task.await;
        }));
    }

    /// Makes a future part of the store's runtime, whichever thread polls it: it may wait, spawn and use timers.
    pub(crate) async fn inside<F: Future>(&self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|context| {
            let _inside = self.runtime.enter();
            future.as_mut().poll(context)
        })
        .await
    }

    /// Waits for something, up to a deadline.
    pub(crate) async fn within<F: Future>(
        &self,
        deadline: Duration,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        // The timer is made where it is first polled, which is inside.
        self.inside(async { tokio::time::timeout(deadline, future).await })
            .await
    }

    /// Returns how many tasks there are.
    fn active(&self) -> usize {
        self.active.load(Ordering::Acquire)
    }

    /// Returns how many loads and writes are under way.
    pub(crate) fn under_way(&self) -> usize {
        let background = self.background.load(Ordering::Acquire);
        self.active().saturating_sub(background)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Signals the end; tells whether this call was the first.
    pub(crate) fn close(&self) -> bool {
        let first = !self.closed.swap(true, Ordering::AcqRel);
        self.changed.notify_waiters();
        first
    }

    /// Ends when the store is closed.
    pub(crate) async fn closing(&self) {
        loop {
            let changed = self.changed.notified();
            if self.is_closed() {
                return;
            }
            changed.await;
        }
    }

    /// Waits for all tasks, up to a deadline; returns how many are left.
    pub(crate) async fn drain(&self, deadline: Duration) -> usize {
        let drained = async {
            loop {
                let changed = self.changed.notified();
                if self.active() == 0 {
                    return;
                }
                changed.await;
            }
        };
        // Running into the deadline is not an error here: the count says what is left.
        let _ = self.within(deadline, drained).await;
        self.active()
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if self.0.active.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.changed.notify_waiters();
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.background.fetch_sub(1, Ordering::AcqRel);
    }
}
