//! Scans over the partitions of a map, merged into one order.

use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

use futures::stream::{self, Stream};
use layerstore_data_store::ScanRequest;
use layerstore_record::{Key, Record};
use layerstore_record_store::{RecordStore, RecordStoreError};

/// Reads the partitions of a map as one, in key byte order; each partition a page ahead, and no more.
pub(crate) fn merged(
    partitions: &[Arc<dyn RecordStore>],
    request: &ScanRequest,
) -> impl Stream<Item = Result<(Key, Arc<Record>), RecordStoreError>> + Send + use<> {
    let sources = partitions
        .iter()
        .map(|store| Source::new(Arc::clone(store), request.clone()))
        .collect();
    stream::try_unfold(Merge { sources }, |mut merge| async move {
        let record = merge.next().await?;
        Ok(record.map(|record| (record, merge)))
    })
}

struct Merge {
    sources: Vec<Source>,
}

/// One partition's pages.
struct Source {
    store: Arc<dyn RecordStore>,
    /// What is read.
    ready: VecDeque<(Key, Arc<Record>)>,
    /// What to read next; `None` after the last page.
    next: Option<ScanRequest>,
}

impl Merge {
    async fn next(&mut self) -> Result<Option<(Key, Arc<Record>)>, RecordStoreError> {
        for source in &mut self.sources {
            source.fill().await?;
        }
        let first = self.sources.iter_mut().filter(|source| !source.ready.is_empty());
        let first = first.min_by(|one, two| one.first_key().cmp(&two.first_key()));
        Ok(first.and_then(|source| source.ready.pop_front()))
    }
}

impl Source {
    fn new(store: Arc<dyn RecordStore>, request: ScanRequest) -> Self {
        Self {
            store,
            ready: VecDeque::new(),
            next: Some(request),
        }
    }

    fn first_key(&self) -> Option<&Key> {
        self.ready.front().map(|(key, _)| key)
    }

    /// Reads on until a record is ready or there are no more; pages may be empty before the last.
    async fn fill(&mut self) -> Result<(), RecordStoreError> {
        while self.ready.is_empty()
            && let Some(request) = self.next.take()
        {
            let page = self.store.scan_page(request.clone()).await?;
            self.ready.extend(page.records);
            self.next = page.next.map(|last| request.from(Bound::Excluded(last)));
        }
        Ok(())
    }
}
