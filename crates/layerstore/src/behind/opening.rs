use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::StoreError;
use layerstore_record::{Clock, NodeId};
use layerstore_write_behind::{
    Coalescing, DiskStorage, LogError, LogOptions, Recovered, WriteBehindDataStore,
};

use super::settings::{WriteBehindSettings, over_null};
use crate::backend::{Backend, OpenDataStore};
use crate::error::Error;

/// How long closing a store may take that was opened in vain: nothing was written to it.
const CLOSE_DEADLINE: Duration = Duration::from_secs(10);

/// What errors of the log call the store.
const STORE: &str = "write-behind";

/// Write-behind of an open data store.
pub(crate) struct Behind {
    pub(crate) store: Arc<WriteBehindDataStore>,
    /// What the store behind calls itself.
    pub(crate) name: &'static str,
    /// What was found in the log, where there is one.
    pub(crate) recovered: Option<Recovered>,
}

/// Puts write-behind around a data store; outside of everything that was put around it before, so that a breaker that opens is heard of
/// and waited for, and a write that was acknowledged is nobody's error any more.
pub(super) async fn around(
    settings: &WriteBehindSettings,
    opened: OpenDataStore,
    below: Option<&Backend>,
    clock: &Arc<dyn Clock>,
) -> Result<OpenDataStore, Error> {
    if opened.store().is_null() {
        return Err(over_null().into());
    }
    match open(settings, &opened, below, clock).await {
        Ok((behind, directory)) => Ok(describe(settings, opened, behind, directory.as_deref())),
        Err(error) => {
            // What somebody else opened is theirs to close.
            if below.is_some() {
                let _ = opened.close(CLOSE_DEADLINE).await;
            }
            Err(error)
        }
    }
}

async fn open(
    settings: &WriteBehindSettings,
    opened: &OpenDataStore,
    below: Option<&Backend>,
    clock: &Arc<dyn Clock>,
) -> Result<(Behind, Option<PathBuf>), Error> {
    let directory = settings.place(below)?;
    let mut builder = WriteBehindDataStore::builder(Arc::clone(opened.store()), Arc::clone(clock))
        .options(settings.options)
        .seed(NodeId::random().0);
    if let Some(directory) = &directory {
        builder = builder.log(storage(directory).await?, settings.log.clone());
    }
    let (store, recovered) = builder.open().await?;
    let behind = Behind {
        store: Arc::new(store),
        name: opened.store().name(),
        recovered,
    };
    Ok((behind, directory))
}

/// Locks the directory of the log, off the runtime's threads.
async fn storage(directory: &Path) -> Result<Arc<DiskStorage>, StoreError> {
    let directory = directory.to_owned();
    let opened = tokio::task::spawn_blocking(move || DiskStorage::open(directory)).await;
    let storage = opened.map_err(|_| LogError::Closed.into_store_error(STORE, "open"))?;
    let storage = storage.map_err(|error| LogError::from(error).into_store_error(STORE, "open"))?;
    Ok(Arc::new(storage))
}

/// Says what an operator wants to know of it.
fn describe(
    settings: &WriteBehindSettings,
    opened: OpenDataStore,
    behind: Behind,
    directory: Option<&Path>,
) -> OpenDataStore {
    let recovered = behind.recovered;
    let delay = humantime_of(settings.options.delay);
    let what = match settings.options.coalescing {
        Coalescing::Newest => format!("the newest of each key after {delay}"),
        Coalescing::Each => format!("each write after {delay}"),
    };
    let mut opened = opened.behind(behind).with_fact("write-behind", what);
    let Some(directory) = directory else {
        return opened.with_fact("log", "none").with_note(
            "write-behind without a log (log = false): what is pending is lost when the process ends without a close",
        );
    };
    let LogOptions { sync, .. } = &settings.log;
    opened = opened.with_fact("log", format!("{}, sync = {sync}", directory.display()));
    let Some(recovered) = recovered else { return opened };
    if recovered.pending > 0 {
        opened = opened.with_fact(
            "taken over",
            format!("{} pending writes of the log", recovered.pending),
        );
    }
    if let Some(cut) = recovered.tail_cut {
        opened = opened.with_note(format!(
            "the end of the log was torn by an unclean stop: {} bytes were cut from segment {} at byte {}, none of which had been synced",
            cut.bytes, cut.segment, cut.offset
        ));
    }
    opened
}

fn humantime_of(span: Duration) -> String {
    if span.is_zero() {
        "no delay".to_owned()
    } else {
        format!("{span:?}")
    }
}
