//! Somebody who looks into the database all the time: no key ever goes back to an older number there.

use std::collections::BTreeMap;
use std::time::Duration;

use layerstore::Version;
use layerstore::data_store::MapDataStore as _;
use layerstore::postgres::PostgresDataStore;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::load::{DEADLINE, keys, map, number_of};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(1);

/// Ends when dropped.
pub(crate) struct Watcher {
    /// How often a key was seen with something newer.
    seen: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

impl Watcher {
    /// Starts to look, past the connections that are broken.
    pub(crate) fn start(direct: PostgresDataStore) -> Self {
        let (tell, seen) = watch::channel(0);
        Self {
            seen,
            task: tokio::spawn(look(direct, tell)),
        }
    }

    pub(crate) fn seen(&self) -> u64 {
        *self.seen.borrow()
    }

    /// Waits until so many more writes were seen in the database: it is amid a flush.
    pub(crate) async fn sees(&mut self, more: u64) {
        let enough = self.seen() + more;
        let seen = timeout(DEADLINE, self.seen.wait_for(|seen| *seen >= enough)).await;
        let seen = seen.expect("R18: nothing reaches the database any more");
        drop(seen.expect("R18: the watcher has found a key with something older: see above"));
    }

    /// Ends it; returns how often a key was seen with something newer.
    pub(crate) async fn end(self) -> u64 {
        self.task.abort();
        let ended = self.task.await;
        assert!(
            ended.is_err_and(|error| error.is_cancelled()),
            "R18: the watcher has found a key with something older: see above"
        );
        *self.seen.borrow()
    }
}

async fn look(direct: PostgresDataStore, tell: watch::Sender<u64>) {
    let (map, keys) = (map(), keys());
    let mut newest: BTreeMap<usize, (Version, u64)> = BTreeMap::new();
    loop {
        sleep(PAUSE).await;
        // A server that is away shows nothing.
        let Ok(found) = direct.load_all(&map, &keys).await else {
            continue;
        };
        let mut newer = 0;
        for (place, record) in found.iter().enumerate() {
            let now = record
                .as_ref()
                .map(|record| (record.version(), number_of(record)));
            let before = newest.get(&place).copied();
            let (was, number) = (before.unwrap_or_default(), now.unwrap_or_default());
            assert!(
                number.0 >= was.0 && number.1 >= was.1,
                "R18: {:?} held {was:?}, and holds {now:?} now",
                keys[place]
            );
            newer += u64::from(number > was);
            newest.extend(now.map(|now| (place, now)));
        }
        tell.send_modify(|seen| *seen += newer);
    }
}
