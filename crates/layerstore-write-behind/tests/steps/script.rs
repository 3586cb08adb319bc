//! What a client does, so that every step is passed; it goes on whatever is refused, and opens the store again where it must.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, Expect, MapDataStore, StoreError, Write, WriteResult};
use layerstore_testkit::doubles::{Call, Fault};
use layerstore_testkit::records::version;
use layerstore_write_behind::WriteBehindDataStore;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::hook::{During, Hook};
use crate::ledger::{KEYS, Ledger, REFUSED_KEY, key, map};
use crate::world::World;

/// Far above what anything here takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Closing with the store behind away takes this long.
pub(crate) const SHORT: Duration = Duration::from_millis(60);

/// What a thread that nothing holds up takes to end, and far more.
const MOMENT: Duration = Duration::from_secs(2);

/// What a client was told that is not as usual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// Opening was refused, with these words.
    NotOpened(String),
    NotClaimed(ErrorKind),
    NotWritten(ErrorKind),
    NotFlushed(Option<ErrorKind>),
    NotCleared(ErrorKind),
    NotPurged(ErrorKind),
    NotClosed(Option<ErrorKind>),
    /// The log takes nothing more.
    Poisoned,
}

pub(crate) struct Script {
    pub(crate) world: World,
    pub(crate) hook: Arc<Hook>,
    /// How many hold the hook beside stores and their threads: this script, and whoever looks on.
    pub(crate) hook_holders: usize,
    pub(crate) ledger: Ledger,
    pub(crate) told: Vec<Told>,
    /// The store that is open, for whoever looks on.
    pub(crate) open: watch::Sender<Option<Arc<WriteBehindDataStore>>>,
}

impl Script {
    pub(crate) fn new(world: World, ledger: Ledger, hook: Arc<Hook>) -> Self {
        Self {
            world,
            hook,
            hook_holders: 1,
            ledger,
            told: Vec::new(),
            open: watch::Sender::new(None),
        }
    }

    pub(crate) async fn run(&mut self) {
        self.work().await;
        self.take_over().await;
    }

    /// Fills the log more than once over, with a key in it that the store behind refuses for good; ends with writes pending.
    async fn work(&mut self) {
        self.begin().await;
        self.put(&[0, 1, 2]).await;
        self.put(&[3, 4, 5, 6]).await;
        self.flush().await;
        self.put_if_unchanged(5).await;
        self.put(&[REFUSED_KEY]).await;
        self.flush().await;
        for round in 0..9 {
            self.put(&[round % 4, 4 + round % 3, 7, 8]).await;
            self.flush().await;
        }
        self.remove(2).await;
        self.clear().await;
        self.put(&[0, 1, 3]).await;
        self.remove(3).await;
        self.flush().await;
        self.purge().await;
        self.put(&[REFUSED_KEY, 4]).await;
        self.flush().await;
        let away = Fault::before(ErrorKind::Unavailable);
        self.world
            .failing
            .as_ref()
            .unwrap()
            .fail_always(Call::Apply, away);
        self.put(&[1, 2, 3, 5, 6]).await;
        self.remove(1).await;
        self.close(SHORT).await;
    }

    /// Takes over what the run before left, and brings it to the store behind.
    pub(crate) async fn take_over(&mut self) {
        self.begin().await;
        self.put(&[7]).await;
        self.flush().await;
        self.put(&[8, 0]).await;
        self.close(DEADLINE).await;
    }

    async fn begin(&mut self) {
        self.let_end().await;
        self.hook.during(During::Open);
        let store = match self.world.open(&self.hook).await {
            Ok(store) => store,
            Err(error) => {
                self.told.push(Told::NotOpened(words(&error)));
                // Whatever it was is over.
                self.world.open(&self.hook).await.unwrap()
            }
        };
        self.hook.during(During::Work);
        self.open.send_replace(Some(Arc::new(store)));
        if let Err(error) = self.store().claim(&map()).await {
            self.told.push(Told::NotClaimed(error.kind()));
            self.store().claim(&map()).await.unwrap();
        }
    }

    /// Waits, for a moment, until the thread of the log before has ended, which a close with little time leaves to itself: what it passes is no
    /// part of the next opening.
    async fn let_end(&self) {
        let end = Instant::now() + MOMENT;
        while Arc::strong_count(&self.hook) > self.hook_holders && Instant::now() < end {
            sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) fn store(&self) -> Arc<WriteBehindDataStore> {
        Arc::clone(self.open.borrow().as_ref().unwrap())
    }

    async fn put(&mut self, keys: &[u64]) {
        let writes = keys.iter().map(|key| self.ledger.attempt(*key, false));
        let writes = writes.collect();
        self.apply(writes).await;
    }

    async fn remove(&mut self, key: u64) {
        let write = self.ledger.attempt(key, true);
        self.apply(vec![write]).await;
    }

    /// A condition that the store behind has to judge.
    async fn put_if_unchanged(&mut self, key: u64) {
        let Some(held) = self.ledger.newest(key) else {
            return;
        };
        let write = self.ledger.attempt(key, false);
        self.apply(vec![write.expecting(Expect::Version(version(held)))])
            .await;
    }

    async fn apply(&mut self, writes: Vec<Write>) {
        let answers = self.store().apply(writes.clone()).await;
        for (write, answer) in writes.iter().zip(&answers) {
            self.ledger.answered(write, answer);
            if let WriteResult::Rejected(error) = answer {
                self.told.push(Told::NotWritten(error.kind()));
            }
        }
        self.look_after_the_log().await;
    }

    /// L4: a poisoned log acknowledges nothing; reads go on; opening it again is the way out.
    async fn look_after_the_log(&mut self) {
        let store = self.store();
        if !store.status().log.unwrap().is_poisoned {
            return;
        }
        self.told.push(Told::Poisoned);
        let write = self.ledger.attempt(6, false);
        let answers = store.apply(vec![write.clone()]).await;
        self.ledger.answered(&write, &answers[0]);
        match &answers[0] {
            WriteResult::Rejected(error) => assert_eq!(error.kind(), ErrorKind::Closed, "{error}"),
            other => panic!("a poisoned log acknowledged: {other:?}"),
        }
        for number in 0..KEYS {
            let found = match store.load(&map(), &key(number)).await {
                // A dead letter of an earlier run is compared with what the store behind holds, which refuses that, too.
                Err(error) if number == REFUSED_KEY && error.kind() == ErrorKind::Rejected => continue,
                found => found.unwrap(),
            };
            self.ledger.check(number, found.as_ref()).unwrap();
        }
        drop(store);
        self.close(SHORT).await;
        self.begin().await;
    }

    async fn flush(&mut self) {
        let flushed = self.store().flush(DEADLINE).await;
        if let Err(error) = flushed {
            // What was refused for good is in no flush.
            let is_refused = error.pending.iter().all(|(_, own)| *own == key(REFUSED_KEY));
            if error.pending.is_empty() || !is_refused {
                let kind = error.source.as_ref().map(StoreError::kind);
                self.told.push(Told::NotFlushed(kind));
            }
        }
        self.look_after_the_log().await;
    }

    async fn clear(&mut self) {
        let up_to = self.ledger.clear();
        match self.store().clear(&map(), version(up_to)).await {
            Ok(()) => self.ledger.cleared(up_to),
            Err(error) => self.told.push(Told::NotCleared(error.kind())),
        }
    }

    async fn purge(&mut self) {
        let horizon = version(self.ledger.last());
        if let Err(error) = self.store().purge(&map(), horizon).await {
            self.told.push(Told::NotPurged(error.kind()));
        }
    }

    async fn close(&mut self, deadline: Duration) {
        self.hook.during(if deadline == SHORT {
            During::Leave
        } else {
            During::Close
        });
        let store = self.store();
        let report = store.close(deadline).await;
        if store.status().log.unwrap().is_poisoned && !self.told.contains(&Told::Poisoned) {
            self.told.push(Told::Poisoned);
        }
        let is_away = deadline == SHORT && !report.pending.is_empty();
        let is_refused = report.pending.iter().all(|(_, own)| *own == key(REFUSED_KEY));
        if !is_away && (!is_refused || report.pending.is_empty()) && report.error.is_some() {
            self.told
                .push(Told::NotClosed(report.error.as_ref().map(StoreError::kind)));
        }
        self.open.send_replace(None);
    }
}

/// An error and everything below it.
pub(crate) fn words(error: &StoreError) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    words
}
