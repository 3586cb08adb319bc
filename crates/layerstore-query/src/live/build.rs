use std::sync::Arc;

use layerstore_record::{Key, Record};
use layerstore_record_store::RecordStore;

use super::LiveQuery;
use crate::error::QueryError;
use crate::index::{BuildReport, Generation, Phase, Scope, lock};
use crate::pages::Pages;
use crate::partitions::Partitions;

impl LiveQuery {
    /// Takes over every record that is there and meant, a page at a time while writes go on; there is a result from then on. It must be
    /// told of mutations already. Repeating it repairs what came into doubt; of two at once the later makes the earlier one fail.
    ///
    /// # Errors
    /// [`QueryError::Records`] when records cannot be read, [`QueryError::OtherMap`] when they are of another map, [`QueryError::TooMany`],
    /// [`QueryError::Doubtful`] after a reset meanwhile.
    pub async fn build(&self, partitions: &Partitions) -> Result<BuildReport, QueryError> {
        partitions.check(&self.name, &self.map)?;
        self.stores
            .get_or_init(|| partitions.all().iter().map(Arc::downgrade).collect());
        let build = self.begin();
        let closing = Closing(self, build);
        let mut report = BuildReport::default();
        for store in partitions.all() {
            let mut next = Some(Pages::first(Scope::Stored));
            while let Some(pages) = next.take() {
                next = self.build_page(build, &**store, pages, &mut report).await?;
                tokio::task::yield_now().await;
            }
        }
        drop(closing);
        self.finish(build)?;
        Ok(report)
    }

    fn begin(&self) -> Generation {
        let mut state = lock(&self.state);
        if state.phase == Phase::Ready {
            self.doubt(&mut state, "it is being built anew");
        }
        state.phase = Phase::Building;
        state.generation.rise()
    }

    async fn build_page(
        &self,
        build: Generation,
        store: &dyn RecordStore,
        pages: Pages,
        report: &mut BuildReport,
    ) -> Result<Option<Pages>, QueryError> {
        let partition = store.partition();
        lock(&self.state).window.open(build, partition);
        let page = pages.read(store).await?;
        for (key, record) in &page.records {
            self.offer(build, key, partition, record)?;
        }
        report.pages += 1;
        report.records += page.records.len();
        Ok(page.next)
    }

    /// Takes over what a page says that a key holds, unless it was told of since.
    fn offer(
        &self,
        build: Generation,
        key: &Key,
        partition: u32,
        record: &Arc<Record>,
    ) -> Result<(), QueryError> {
        let Some(place) = self.place(key, record) else {
            return Ok(());
        };
        let mut state = lock(&self.state);
        if state.window.admits(build, key) {
            self.take_over(&mut state, key, Some((place, partition, record)));
        }
        self.check_bound(&mut state).map_err(|_| QueryError::TooMany {
            name: self.name.clone(),
            max: self.max_records,
        })
    }

    fn finish(&self, build: Generation) -> Result<(), QueryError> {
        let mut state = lock(&self.state);
        if state.generation != build {
            return Err(match state.phase {
                Phase::Doubtful(why) => self.doubtful(why),
                _ => self.doubtful("another build began while it was built"),
            });
        }
        state.phase = Phase::Ready;
        // Who followed it before has a result to take now.
        if state.events.next_number() > 1 {
            state.events.skip();
            self.changed.send_replace(());
        }
        Ok(())
    }
}

/// Ends the notes of what is told while pages are read, also where the caller goes away.
struct Closing<'a>(&'a LiveQuery, Generation);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).window.close(self.1);
    }
}
