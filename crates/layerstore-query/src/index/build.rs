use std::collections::VecDeque;
use std::sync::Arc;

use layerstore_record_store::{RecordStore, RecordStoreError};

use super::phase::Generation;
use super::{Index, lock};
use crate::error::QueryError;
use crate::pages::Pages;
use crate::partitions::Partitions;

/// Builds an index step by step, while writes go on. Dropped before the end it leaves the index unusable, and whole otherwise.
#[must_use = "an index is built by its steps"]
pub struct IndexBuild<'a> {
    index: &'a Index,
    generation: Generation,
    left: VecDeque<(Arc<dyn RecordStore>, Pages)>,
    report: BuildReport,
}

/// How far a build has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BuildReport {
    /// How many pages were read, at most a thousand records each.
    pub pages: usize,
    /// How many records were read; without a data store one that changes meanwhile may count twice.
    pub records: usize,
}

impl Index {
    /// Takes over every record that is there, while writes go on; queries use the index from then on. The index must be told of
    /// mutations already. Repeating it repairs what came into doubt; of two at once the later makes the earlier one fail.
    ///
    /// # Errors
    /// [`QueryError::Records`] when records cannot be read, [`QueryError::OtherMap`] when they are of another map, [`QueryError::Doubtful`] after
    /// a reset or another build meanwhile: build it anew.
    pub async fn build(&self, partitions: &Partitions) -> Result<BuildReport, QueryError> {
        let mut build = self.begin_build(partitions)?;
        while build.step().await? {
            tokio::task::yield_now().await;
        }
        Ok(build.report)
    }

    /// Begins to build, for who goes on step by step.
    ///
    /// # Errors
    /// [`QueryError::OtherMap`] when the records are of another map.
    pub fn begin_build(&self, partitions: &Partitions) -> Result<IndexBuild<'_>, QueryError> {
        partitions.check(&self.name, &self.map)?;
        // What is there from before stays: it is right, or dropped when it is found to be gone.
        Ok(IndexBuild {
            index: self,
            generation: self.phases.begin(),
            left: partitions
                .all()
                .iter()
                .map(|store| (Arc::clone(store), Pages::first(self.scope)))
                .collect(),
            report: BuildReport::default(),
        })
    }

    fn open_windows(&self, build: Generation, partition: u32) {
        for shard in &self.shards {
            lock(shard).window.open(build, partition);
        }
    }

    fn close_windows(&self, build: Generation) {
        for shard in &self.shards {
            lock(shard).window.close(build);
        }
    }
}

impl IndexBuild<'_> {
    /// Takes over one page; tells whether there is more to do.
    ///
    /// # Errors
    /// As [`Index::build`]; the step may be tried again when records could not be read.
    pub async fn step(&mut self) -> Result<bool, QueryError> {
        if self.index.phases.now().1 != self.generation {
            return Err(self.lost());
        }
        let Some((store, pages)) = self.left.pop_front() else {
            return Ok(false);
        };
        let again = pages.clone();
        match self.take_over(&*store, pages).await {
            Ok(next) => self.left.extend(next.map(|next| (store, next))),
            Err(error) => {
                self.left.push_front((store, again));
                return Err(error.into());
            }
        }
        if !self.left.is_empty() {
            return Ok(true);
        }
        if self.index.phases.finish(self.generation) {
            Ok(false)
        } else {
            Err(self.lost())
        }
    }

    /// Returns how far it has come.
    #[must_use]
    pub fn report(&self) -> BuildReport {
        self.report
    }

    async fn take_over(
        &mut self,
        store: &dyn RecordStore,
        pages: Pages,
    ) -> Result<Option<Pages>, RecordStoreError> {
        let partition = store.partition();
        self.index.open_windows(self.generation, partition);
        // Closed also where the caller goes away: nobody would ever read what is noted.
        let closing = Closing(self.index, self.generation);
        let page = pages.read(store).await?;
        for (key, record) in &page.records {
            let shard = self.index.shard(key);
            lock(shard).offer(self.generation, (key, record), partition, &self.index.path);
        }
        drop(closing);
        self.report.pages += 1;
        self.report.records += page.records.len();
        Ok(page.next)
    }

    fn lost(&self) -> QueryError {
        QueryError::Doubtful {
            name: self.index.name.clone(),
            why: "a reset, or another build, came while it was built",
        }
    }
}

struct Closing<'a>(&'a Index, Generation);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close_windows(self.1);
    }
}
