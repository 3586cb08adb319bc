use std::sync::{Arc, Weak};
use std::time::Duration;

use layerstore_observer::MutationObserver;
use layerstore_record::{NodeId, Timestamp, Version};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout_at};

use crate::layerstore::Inner;

/// Drops old tombstones from the data store, now and then: the owner of the task that does it.
///
/// Dropping it signals the task to end; the task holds the store only while it works.
pub(crate) struct Maintenance {
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

/// How often, and how old.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Purging {
    pub(crate) interval: Duration,
    pub(crate) horizon: Duration,
}

impl Maintenance {
    /// Starts the task.
    pub(crate) fn start(runtime: &Handle, store: Weak<Inner>, purging: Purging) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = runtime.spawn(run(store, purging, stopped));
        Self {
            stop,
            task: Some(task),
        }
    }

    /// Ends the task, and waits for it until `deadline`; tells whether it ended.
    pub(crate) async fn stop(mut self, deadline: Instant) -> bool {
        self.stop.send_replace(true);
        match self.task.take() {
            Some(task) => timeout_at(deadline, task).await.is_ok(),
            None => true,
        }
    }
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

async fn run(store: Weak<Inner>, purging: Purging, mut stopped: watch::Receiver<bool>) {
    let mut ticks = interval_at(Instant::now() + purging.interval, purging.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            _ = ticks.tick() => {}
        }
        let Some(store) = store.upgrade() else { return };
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            () = purge(&store, purging.horizon) => {}
        }
    }
}

/// Drops what is older than the horizon from the maps that this process writes.
pub(crate) async fn purge(store: &Arc<Inner>, horizon: Duration) {
    let horizon_millis = u64::try_from(horizon.as_millis()).unwrap_or(u64::MAX);
    let oldest = layerstore_record::Millis(store.hlc().now().0.saturating_sub(horizon_millis));
    let up_to = Version::new(Timestamp::new(oldest, 0, NodeId(0)));
    for partitions in store.open_maps() {
        // A map that was not claimed is not ours to purge.
        if !partitions.is_claimed() {
            continue;
        }
        let map = partitions.map();
        match store.data_store().purge(map, up_to).await {
            // Nothing was forgotten: a replica that is new may still take what is as old.
            Ok(0) => continue,
            Ok(dropped) => tracing::debug!(%map, dropped, "old tombstones were dropped"),
            Err(error) => {
                tracing::warn!(%map, %error, "old tombstones could not be dropped: tried again later");
            }
        }
        // Some may be gone even where it failed.
        partitions.observers().removals_forgotten(map, up_to);
    }
}
