use std::sync::atomic::Ordering;
use std::time::Duration;

use layerstore_data_store::{CloseReport, ErrorKind, FlushError, StoreError};
use layerstore_record::{Key, MapName};
use tokio::time::Instant;
use tracing::warn;

use crate::STORE;
use crate::failpoints::Failpoint;
use crate::shared::Shared;
use crate::worker::Worker;

impl Shared {
    /// Waits until everything accepted before is in the final store: of one key, or of all.
    pub(crate) async fn flush(
        &self,
        deadline: Duration,
        only: Option<(&MapName, &Key)>,
    ) -> Result<(), FlushError> {
        let operation = if only.is_some() { "flush_key" } else { "hard_flush" };
        let failed = |error| FlushError {
            pending: Vec::new(),
            source: Some(error),
        };
        self.check_open(operation).map_err(failed)?;
        let end = Instant::now() + deadline;
        self.drain(end, only, operation).await?;
        let behind = async {
            self.reach(Failpoint::FlushBehind, operation)
                .await
                .map_err(failed)?;
            match only {
                None => self.inner.hard_flush().await?,
                Some((map, key)) => self.inner.flush_key(map, key).await?,
            }
            self.reach(Failpoint::FlushedBehind, operation)
                .await
                .map_err(failed)
        };
        tokio::time::timeout_at(end, behind).await.unwrap_or_else(|_| {
            let what = format!(
                "the store behind did not flush within {} ms",
                deadline.as_millis()
            );
            Err(failed(self.error(ErrorKind::Timeout, operation, what)))
        })
    }

    /// Waits until what is pending now has left the queue; says what has not.
    async fn drain(
        &self,
        end: Instant,
        only: Option<(&MapName, &Key)>,
        operation: &'static str,
    ) -> Result<(), FlushError> {
        let order = self.hurry();
        let ended = self.wait_until(end, |queue| match only {
            None => queue.is_past(order),
            Some((map, key)) => queue.is_key_past(map, key, order),
        });
        let is_past = ended.await;
        // The log gives dead letters again that have reached the store since.
        if is_past && self.retried.swap(false, Ordering::AcqRel) {
            self.forget_done_soon();
        }
        let (pending, fenced) = {
            let queue = self.queue();
            (queue.missing(order, only), queue.fenced())
        };
        if pending.is_empty() {
            return Ok(());
        }
        let reason = match (is_past, fenced) {
            (_, Some(fenced)) => fenced,
            (true, None) => {
                let what = "the store behind refused writes for good: retry or discard the dead letters";
                self.error(ErrorKind::Rejected, operation, what)
            }
            (false, None) => self.too_late(operation),
        };
        Err(FlushError {
            pending,
            source: Some(reason),
        })
    }

    fn too_late(&self, operation: &'static str) -> StoreError {
        let error = self.error(
            ErrorKind::Timeout,
            operation,
            "the store behind did not take all of it in time; it is tried on",
        );
        match self.sending().last_error.clone() {
            Some(last) => error.because(last),
            None => error,
        }
    }

    /// Flushes, ends the worker, closes the log and then the store behind. Each has what the ones before it left of the time.
    pub(crate) async fn close(&self, worker: &Worker, deadline: Duration) -> CloseReport {
        let mut report = CloseReport::default();
        let end = Instant::now() + deadline;
        if self.closed.swap(true, Ordering::AcqRel) {
            return report;
        }
        // A quarter of the time stays for the log and the store behind.
        let drained = self.drain(end - deadline / 4, None, "close").await;
        let left = || end.saturating_duration_since(Instant::now());
        let stopped = self.stage(Failpoint::CloseWorker, left() / 4).await;
        worker.shutdown(left() / 2).await;
        if let Err(error) = drained {
            report.error = error.source;
        }
        report.pending = self.queue().missing(u64::MAX, None);
        if report.pending.is_empty() {
            report.error = None;
        } else {
            warn!(
                store = self.inner.name(),
                pending = report.pending.len(),
                is_logged = self.log.is_some(),
                "a write-behind store was closed with writes pending"
            );
        }
        report.error = report.error.or(stopped.err());
        let logged = self.close_log(left() / 2).await;
        report.error = report.error.or(logged.err());
        match self.stage(Failpoint::CloseBehind, left() / 2).await {
            Ok(()) => {
                let behind = self.inner.close(left()).await;
                report.pending.extend(behind.pending);
                report.error = report.error.or(behind.error);
            }
            Err(error) => report.error = report.error.or(Some(error)),
        }
        self.moved.notify_waiters();
        report
    }

    async fn close_log(&self, deadline: Duration) -> Result<(), StoreError> {
        let Some(log) = &self.log else { return Ok(()) };
        let end = Instant::now() + deadline;
        self.stage(Failpoint::CloseLog, deadline / 2).await?;
        let closed = log.close(end.saturating_duration_since(Instant::now())).await;
        closed
            .map(drop)
            .map_err(|error| error.into_store_error(STORE, "close"))
    }

    /// Passes a step of closing, within its part of the time.
    async fn stage(&self, at: Failpoint, deadline: Duration) -> Result<(), StoreError> {
        let passed = tokio::time::timeout(deadline, self.reach(at, "close")).await;
        passed.unwrap_or_else(|_| {
            Err(self.error(
                ErrorKind::Timeout,
                "close",
                "a part of closing did not end in time",
            ))
        })
    }
}
