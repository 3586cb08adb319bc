//! Where SlateDB's work runs, and how a caller that blocks waits for it.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

/// How long the end waits for work that blocks, which nothing can cut short.
const END_DEADLINE: Duration = Duration::from_secs(5);

/// A runtime of its own: SlateDB's tasks go on whatever the callers' runtimes do, and end with it.
#[derive(Debug)]
pub(crate) struct Driver {
    /// Taken when this is dropped.
    runtime: Option<Runtime>,
    handle: Handle,
    deadline: Duration,
}

/// No answer came within the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Late;

impl Driver {
    pub(crate) fn start(threads: usize, deadline: Duration) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("slatedb")
            .enable_all()
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
            deadline,
        })
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Runs something, and waits for it on this thread, up to the deadline; what is late is given up. It begins on this thread, and goes on
    /// there where it has to wait: most reads find everything in memory, and a change of threads for each would cost several times as much.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Late> {
        self.run_within(self.deadline, work)
    }

    /// Starts something there that nobody waits for; it ends with this at the latest.
    pub(crate) fn start_work(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.handle.spawn(work));
    }

    /// Runs something there, and waits for it as a task, up to the deadline.
    pub(crate) async fn run_async<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Late> {
        let deadline = self.deadline;
        // The deadline is kept there: the caller's runtime may be one without time.
        let task = self
            .handle
            .spawn(async move { tokio::time::timeout(deadline, work).await });
        match task.await {
            Ok(Ok(answer)) => Ok(answer),
            _ => Err(Late),
        }
    }

    pub(crate) fn run_within<T: Send + 'static>(
        &self,
        deadline: Duration,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Late> {
        let mut work = Box::pin(work);
        if let Poll::Ready(answer) = self.begin(work.as_mut())? {
            return Ok(answer);
        }
        let (reply, answer) = mpsc::sync_channel(1);
        let task = self.handle.spawn(async move {
            // Nobody waits for an answer that is late.
            let _ = reply.send(work.await);
        });
        answer.recv_timeout(deadline).map_err(|_| {
            task.abort();
            Late
        })
    }

    /// Does as much as can be done without waiting.
    fn begin<T>(&self, work: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Result<Poll<T>, Late> {
        // What it starts is started there.
        let _inside = self.handle.enter();
        let mut context = Context::from_waker(Waker::noop());
        // A panic would end a task there, and nobody here.
        catch_unwind(AssertUnwindSafe(|| work.poll(&mut context))).map_err(|_| Late)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else {
            return;
        };
        // Its threads are joined: detaching one that is just about to end is a use after free in glibc before 2.41 (its bug 19951).
        // Waiting for them is nothing that a thread of an async runtime may do through tokio, so another thread does.
        let runtime = Arc::new(Mutex::new(Some(runtime)));
        let ending = Arc::clone(&runtime);
        let end = move || take(&ending).map(|runtime| runtime.shutdown_timeout(END_DEADLINE));
        match thread::Builder::new().name("slatedb-end".to_owned()).spawn(end) {
            Ok(ended) => drop(ended.join()),
            Err(_) => drop(take(&runtime).map(Runtime::shutdown_background)),
        }
    }
}

fn take(runtime: &Mutex<Option<Runtime>>) -> Option<Runtime> {
    runtime.lock().unwrap_or_else(PoisonError::into_inner).take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_waited_for_on_any_thread_and_given_up_when_it_is_late() {
        let driver = Driver::start(1, Duration::from_secs(60)).unwrap();
        assert_eq!(driver.run(async { 7 }), Ok(7));
        let later = async {
            tokio::task::yield_now().await;
            thread::current().name().map(ToOwned::to_owned)
        };
        assert_eq!(driver.run(later), Ok(Some("slatedb".to_owned())));
        let here = thread::current().id();
        assert_eq!(driver.run(async { thread::current().id() }), Ok(here));
        let (dropped, seen) = mpsc::sync_channel::<()>(1);
        let held = async move {
            let _held = dropped;
            std::future::pending::<()>().await;
        };
        assert_eq!(driver.run_within(Duration::from_millis(1), held), Err(Late));
        assert!(
            seen.recv_timeout(Duration::from_secs(60)).is_err(),
            "it is dropped"
        );
    }

    #[test]
    fn who_waits_for_what_panics_is_told_that_no_answer_came() {
        let driver = Driver::start(1, Duration::from_secs(60)).unwrap();
        assert_eq!(driver.run(async { panic!("at once") }), Err::<(), _>(Late));
        let later = async {
            tokio::task::yield_now().await;
            panic!("later")
        };
        assert_eq!(driver.run(later), Err::<(), _>(Late));
    }
}
