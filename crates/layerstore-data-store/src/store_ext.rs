use std::collections::VecDeque;
use std::ops::{Bound, Deref};
use std::sync::Arc;

use async_trait::async_trait;
use futures::Stream;
use futures::stream::try_unfold;
use layerstore_record::{Key, MapName, Record};

use crate::error::{ErrorKind, StoreError};
use crate::scan::{ScanPage, ScanRequest};
use crate::store::MapDataStore;
use crate::write::{Write, WriteResult};

/// What can be written from [`MapDataStore`] alone, for every store and `Arc<dyn MapDataStore>` alike.
#[async_trait]
pub trait MapDataStoreExt: MapDataStore {
    /// Reads all that `request` asks for, page by page (`limit` records each), in key byte order.
    ///
    /// The stream holds one page. It ends after the last record, or after its first error, never early without one.
    fn scan<'a>(
        &'a self,
        map: &MapName,
        request: ScanRequest,
    ) -> impl Stream<Item = Result<(Key, Record), StoreError>> + Send + use<'a, Self> {
        pages(self, map.clone(), request)
    }

    /// Does as [`scan`](Self::scan), for a stream that outlives the caller.
    fn into_scan(
        self: Arc<Self>,
        map: &MapName,
        request: ScanRequest,
    ) -> impl Stream<Item = Result<(Key, Record), StoreError>> + Send + use<Self> {
        pages(self, map.clone(), request)
    }

    /// Makes one write.
    async fn apply_one(&self, write: Write) -> WriteResult {
        let asked = write.clone();
        let answer = self.apply(vec![write]).await.pop();
        answer.unwrap_or_else(|| unanswered(&asked, self.name()))
    }
}

impl<T: MapDataStore + ?Sized> MapDataStoreExt for T {}

/// Answers for a store that broke its contract by leaving out an answer: nobody knows what it did.
pub(crate) fn unanswered(write: &Write, store: &'static str) -> WriteResult {
    let what = "a write had no answer: the store breaks its contract";
    let error = StoreError::new(ErrorKind::Corrupt, store, "apply", what);
    WriteResult::Rejected(error.with_unknown_outcome().in_map(&write.map).at_key(&write.key))
}

/// Where a scan stands.
struct Scan<S> {
    store: S,
    map: MapName,
    /// What of the last page was not handed on yet.
    page: VecDeque<(Key, Record)>,
    /// The page to read after it; `None` after the last.
    next: Option<ScanRequest>,
}

fn pages<S>(
    store: S,
    map: MapName,
    request: ScanRequest,
) -> impl Stream<Item = Result<(Key, Record), StoreError>> + Send
where
    S: Deref<Target: MapDataStore> + Send,
{
    let scan = Scan {
        store,
        map,
        page: VecDeque::new(),
        next: Some(request),
    };
    try_unfold(scan, |mut scan| async move {
        loop {
            if let Some(record) = scan.page.pop_front() {
                return Ok(Some((record, scan)));
            }
            let Some(request) = scan.next.take() else {
                return Ok(None);
            };
            let page = scan.store.scan_page(&scan.map, request.clone()).await?;
            scan.next = following(&request, &page).map_err(|what| {
                StoreError::new(ErrorKind::Corrupt, scan.store.name(), "scan_page", what).in_map(&scan.map)
            })?;
            scan.page = page.records.into();
        }
    })
}

/// Works out the request for the page after `page`.
fn following(request: &ScanRequest, page: &ScanPage) -> Result<Option<ScanRequest>, &'static str> {
    let Some(next) = &page.next else {
        return Ok(None);
    };
    let rises = match &request.start {
        Bound::Unbounded => true,
        Bound::Included(start) => next >= start,
        Bound::Excluded(start) => next > start,
    };
    // A page that does not lead on would make the scan endless.
    if !rises {
        return Err("a page leads back to where it began: the store breaks its contract");
    }
    Ok(Some(request.clone().from(Bound::Excluded(next.clone()))))
}
