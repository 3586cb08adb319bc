//! How accepted writes get into the log, and only then into the queue.

use layerstore_data_store::{Write, WriteResult};
use tokio::time::{Instant, timeout};

use crate::STORE;
use crate::accept::{Step, rejected};
use crate::failpoints::Failpoint;
use crate::log::{Appended, DurableLog, EncodedEntry, Entries, LogError};
use crate::queue::Arrival;
use crate::shared::Shared;

impl Shared {
    /// Appends what was accepted to the log, as many writes at a time as a segment takes, and puts each part into the queue.
    pub(crate) async fn log_and_enqueue(&self, writes: &[Write], steps: &mut [Step]) {
        let mut group: Vec<(usize, EncodedEntry)> = Vec::new();
        let mut bytes = 0;
        for (number, write) in writes.iter().enumerate() {
            if !matches!(steps[number], Step::Accept(_)) {
                continue;
            }
            match EncodedEntry::of_write(write, Vec::new()) {
                Err(error) => steps[number] = rejected(write, error.into_store_error(STORE, "apply")),
                Ok(entry) => {
                    if bytes + entry.payload.len() > self.limits.record_bytes && !group.is_empty() {
                        self.log_group(writes, steps, std::mem::take(&mut group)).await;
                        bytes = 0;
                    }
                    bytes += entry.payload.len();
                    group.push((number, entry));
                }
            }
        }
        if !group.is_empty() {
            self.log_group(writes, steps, group).await;
        }
    }

    async fn log_group(&self, writes: &[Write], steps: &mut [Step], group: Vec<(usize, EncodedEntry)>) {
        let numbers: Vec<usize> = group.iter().map(|(number, _)| *number).collect();
        let entries = group.into_iter().map(|(_, entry)| entry).collect();
        match self.append(entries, writes, &numbers).await {
            Ok(first) => {
                for (number, sequence) in numbers.into_iter().zip(first..) {
                    self.enqueue_one(&writes[number], &mut steps[number], Some(sequence));
                }
            }
            Err(error) => {
                let is_full = error.is_full();
                for number in numbers {
                    let (write, step) = (&writes[number], &mut steps[number]);
                    let error = || error.clone().into_store_error(STORE, "apply");
                    if is_full {
                        self.refuse_or_go_through(
                            std::slice::from_ref(write),
                            std::slice::from_mut(step),
                            error,
                        );
                    } else {
                        *step = rejected(write, error());
                    }
                }
            }
        }
    }

    /// Appends to the log; waits for room in it where that is what writes do.
    async fn append(
        &self,
        entries: Vec<EncodedEntry>,
        writes: &[Write],
        numbers: &[usize],
    ) -> Result<u64, LogError> {
        let Some(log) = &self.log else {
            return Err(LogError::Closed);
        };
        let deadline = Instant::now() + self.options.patience;
        let mut stats = log.watch();
        let mut entries = entries;
        loop {
            stats.mark_unchanged();
            let full = match self.append_once(log, Entries::Many(entries)).await {
                Ok(appended) => return Ok(appended.first.0),
                Err(error) if error.is_full() && self.waits() => error,
                Err(error) => return Err(error),
            };
            // Something was done meanwhile, or freed: the disk tells nobody, so that it is asked again from time to time.
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(full);
            }
            let _ = timeout(left.min(self.options.patience / 10), stats.changed()).await;
            entries = numbers
                .iter()
                .filter_map(|number| EncodedEntry::of_write(&writes[*number], Vec::new()).ok())
                .collect();
        }
    }

    /// Appends to the log, where there is room now.
    pub(crate) async fn append_once(&self, log: &DurableLog, entries: Entries) -> Result<Appended, LogError> {
        let patience = self.options.patience;
        let passed = self.failpoints.reach(Failpoint::LogAppend).await;
        passed.map_err(|_| LogError::Busy(patience))?;
        let appended = log.append_entries(entries).await?;
        let passed = self.failpoints.reach(Failpoint::LogAppended).await;
        passed.map(|()| appended).map_err(|_| {
            // As where the answer is lost: nobody is told, and nobody will say that it is done.
            self.done((appended.first.0..=appended.last.0).collect());
            LogError::Timeout(patience)
        })
    }

    /// Acknowledges a write.
    pub(crate) fn enqueue_one(&self, write: &Write, step: &mut Step, sequence: Option<u64>) {
        let Step::Accept(place) = *step else { return };
        let arrival = Arrival::of(&write.key, std::sync::Arc::clone(&write.record), sequence);
        let now = self.now();
        let needless = self.queue().accept(place, &write.key, arrival, now);
        self.done(needless);
        *step = Step::Answer(WriteResult::Applied);
    }
}
