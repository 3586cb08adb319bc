use std::sync::Arc;

use futures::future;
use futures::stream::Stream;
use futures::stream::TryStreamExt;
use layerstore_data_store::{FlushError, ScanRequest};
use layerstore_record::{Clock, Key, MapName, Record, RecordValue, Version};
use layerstore_record_store::{
    Compute, MergeSource, NewValue, Outcome, RecordStore, RecordStoreConfig, RecordStoreError,
    RecordStoreStats, TryGet, TrySet, WriteOptions,
};

use crate::error::Error;
use crate::layerstore::Inner;
use crate::map_observers::MapObservers;
use crate::partitions::Partitions;
use crate::scan;
use crate::single_flight::SingleFlight;

/// A map's records as they are: values without a type, versions, expiry, and the whole outcome of each write.
///
/// Cheap to clone. A key is always in the same partition; a verb on several keys asks the partitions at once. What each
/// verb does to memory, data store and observers stands in `docs/verbs.md`.
#[derive(Clone)]
pub struct Records {
    partitions: Arc<Partitions>,
    /// Keeps the store alive as long as one of its maps is held.
    store: Arc<Inner>,
}

impl Records {
    pub(crate) fn new(partitions: Arc<Partitions>, store: Arc<Inner>) -> Self {
        Self { partitions, store }
    }

    pub(crate) fn inserting(&self) -> Arc<SingleFlight> {
        self.partitions.inserting()
    }

    pub(crate) fn observers(&self) -> Arc<MapObservers> {
        self.partitions.observers()
    }

    pub(crate) fn stores(&self) -> &[Arc<dyn RecordStore>] {
        self.partitions.all()
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.store.clock)
    }

    /// Returns the map's name.
    #[must_use]
    pub fn name(&self) -> &MapName {
        self.partitions.map()
    }

    /// Returns in how many parts the map is kept in memory.
    #[must_use]
    pub fn partition_count(&self) -> usize {
        self.partitions.all().len()
    }

    /// Claims the map, and returns the record store of each partition, for what works on one of them: a replica to be
    /// synchronised, for instance.
    ///
    /// # Errors
    /// [`Error::Records`] when the map cannot be claimed.
    pub async fn record_stores(&self) -> Result<&[Arc<dyn RecordStore>], Error> {
        self.partitions.claim().await?;
        Ok(self.partitions.all())
    }

    /// Returns how the map behaves: what was set for it, for every map, and by default.
    #[must_use]
    pub fn config(&self) -> &RecordStoreConfig {
        self.partitions.config()
    }

    /// Reads a record as far as memory knows. Synchronous, without I/O: the hot path of a reader who wants to keep the record.
    ///
    /// A hit counts as one, and costs a lookup, a look at the clock and an owner more of the shared record. Who gets
    /// [`NeedsLoad`](TryGet::NeedsLoad) asks again with [`get`](Self::get).
    pub fn try_get(&self, key: &Key) -> TryGet {
        self.partitions.of(key).try_get(key)
    }

    /// Reads a record in place as far as memory knows, and returns what `look` makes of it. Synchronous, without I/O: the hot path of a
    /// reader who only looks, above all where several threads read the same record.
    ///
    /// Nothing is copied and no owner is added, so that threads do not take the record's count of owners from each other. `look`
    /// must be short and must not use the store: what was removed meanwhile is kept until it returns.
    ///
    /// ```
    /// # fn example(users: &layerstore::Records) -> Result<(), Box<dyn std::error::Error>> {
    /// use layerstore::{Key, TryGet};
    ///
    /// let alice = Key::new("alice")?;
    /// let version = match users.read(&alice, |record| record.version()) {
    ///     TryGet::Hit(version) => Some(version),
    ///     TryGet::Absent => None,
    ///     TryGet::NeedsLoad => None, // users.get(&alice).await loads it
    /// };
    /// # Ok(())
    /// # }
    /// ```
    pub fn read<R>(&self, key: &Key, look: impl FnOnce(&Record) -> R) -> TryGet<R> {
        let (mut look, mut seen) = (Some(look), None);
        let known = self.partitions.of(key).read(key, &mut |record| {
            // Called once; what was moved out of it cannot be called again.
            seen = look.take().map(|look| look(record));
        });
        match (known, seen) {
            (TryGet::Hit(()), Some(seen)) => TryGet::Hit(seen),
            (TryGet::Hit(()) | TryGet::NeedsLoad, _) => TryGet::NeedsLoad,
            (TryGet::Absent, _) => TryGet::Absent,
        }
    }

    /// Reads a record, from memory or the data store.
    ///
    /// # Errors
    /// [`Error::Records`] when it has to be loaded and cannot be.
    pub async fn get(&self, key: &Key) -> Result<Option<Arc<Record>>, Error> {
        let store = self.partitions.of(key);
        // A hit makes no boxed future. This read counts hits alone, so that a miss is counted once, by `get`.
        let mut hit = None;
        let _ = store.read(key, &mut |record| hit = Some(Arc::clone(record)));
        match hit {
            Some(record) => Ok(Some(record)),
            None => Ok(store.get(key).await?),
        }
    }

    /// Reads several records, in the order given.
    ///
    /// # Errors
    /// As [`get`](Self::get): one for all.
    pub async fn get_all(&self, keys: &[Key]) -> Result<Vec<Option<Arc<Record>>>, Error> {
        let groups = self.partitions.group(keys.iter().cloned(), |key| key);
        let reads = groups.iter().map(|group| group.store.get_all(&group.items));
        let found = future::try_join_all(reads).await?;
        Ok(groups.reassemble(found))
    }

    /// Tells whether there is a record.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn contains(&self, key: &Key) -> Result<bool, Error> {
        Ok(self.partitions.of(key).contains(key).await?)
    }

    /// Counts the records by reading through all of them.
    ///
    /// # Errors
    /// [`Error::Records`] when they cannot all be read.
    pub async fn count(&self) -> Result<u64, Error> {
        let counts = self.partitions.all().iter().map(|store| store.count());
        Ok(future::try_join_all(counts).await?.into_iter().sum())
    }

    /// Writes a value if that needs neither I/O nor waiting; gives it back otherwise.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn try_set(&self, key: &Key, value: NewValue, options: &WriteOptions) -> Result<TrySet, Error> {
        if !self.partitions.is_claimed() {
            return Ok(TrySet::NeedsIo(value));
        }
        Ok(self.partitions.of(key).try_set(key, value, options)?)
    }

    /// Writes a value without looking at what was there.
    ///
    /// # Errors
    /// [`Error::Records`]; only an unknown outcome may have been written.
    pub async fn set(
        &self,
        key: &Key,
        value: NewValue,
        options: &WriteOptions,
    ) -> Result<Outcome<()>, Error> {
        // A write that waits for nothing makes no boxed future.
        match self.try_set(key, value, options)? {
            TrySet::Done(outcome) => Ok(outcome),
            TrySet::NeedsIo(value) => {
                self.partitions.claim().await?;
                Ok(self.partitions.of(key).set(key, value, options).await?)
            }
        }
    }

    /// Writes a value and returns the record that it replaces.
    ///
    /// # Errors
    /// As [`set`](Self::set) and [`get`](Self::get).
    pub async fn put(
        &self,
        key: &Key,
        value: NewValue,
        options: &WriteOptions,
    ) -> Result<Outcome<Option<Arc<Record>>>, Error> {
        self.partitions.claim().await?;
        Ok(self.partitions.of(key).put(key, value, options).await?)
    }

    /// Writes several values; a result a record, in the order given.
    ///
    /// # Errors
    /// As [`set`](Self::set) where the map could not be claimed; what fails for one record is in its result.
    pub async fn put_all(
        &self,
        records: Vec<(Key, NewValue)>,
        options: &WriteOptions,
    ) -> Result<Vec<Result<Outcome<()>, RecordStoreError>>, Error> {
        self.partitions.claim().await?;
        let mut groups = self.partitions.group(records, |(key, _)| key);
        let taken: Vec<_> = groups
            .iter_mut()
            .map(|group| std::mem::take(&mut group.items))
            .collect();
        let writes = groups
            .iter()
            .zip(taken)
            .map(|(group, records)| group.store.put_all(records, options));
        let written = future::join_all(writes).await;
        Ok(groups.reassemble(written))
    }

    /// Removes a record everywhere and returns it.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn remove(&self, key: &Key) -> Result<Outcome<Option<Arc<Record>>>, Error> {
        self.partitions.claim().await?;
        Ok(self.partitions.of(key).remove(key).await?)
    }

    /// Removes several records; a result a record, in the order given.
    ///
    /// # Errors
    /// As [`put_all`](Self::put_all).
    pub async fn remove_all(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Result<Outcome<Option<Arc<Record>>>, RecordStoreError>>, Error> {
        self.partitions.claim().await?;
        let groups = self.partitions.group(keys.iter().cloned(), |key| key);
        let removals = groups.iter().map(|group| group.store.remove_all(&group.items));
        let removed = future::join_all(removals).await;
        Ok(groups.reassemble(removed))
    }

    /// Writes a value where there is no record; returns the record that is there otherwise.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn put_if_absent(
        &self,
        key: &Key,
        value: NewValue,
        options: &WriteOptions,
    ) -> Result<Outcome<Option<Arc<Record>>>, Error> {
        self.partitions.claim().await?;
        Ok(self.partitions.of(key).put_if_absent(key, value, options).await?)
    }

    /// Replaces the record of this version.
    ///
    /// # Errors
    /// [`Error::Records`] with the version that is there when it is another; and as [`put`](Self::put).
    pub async fn replace(
        &self,
        key: &Key,
        expected: Version,
        value: NewValue,
        options: &WriteOptions,
    ) -> Result<Outcome<()>, Error> {
        self.partitions.claim().await?;
        Ok(self
            .partitions
            .of(key)
            .replace(key, expected, value, options)
            .await?)
    }

    /// Decides what becomes of a record, knowing it, as one step; returns the record that is there afterwards.
    ///
    /// # Errors
    /// As [`put`](Self::put); and when the computation panics, with nothing written.
    pub async fn compute(
        &self,
        key: &Key,
        compute: impl FnMut(Option<&Arc<Record>>) -> Compute + Send + 'static,
    ) -> Result<Outcome<Option<Arc<Record>>>, Error> {
        self.partitions.claim().await?;
        Ok(self.partitions.of(key).compute(key, Box::new(compute)).await?)
    }

    /// Merges a value into the record; returns the record that is there afterwards.
    ///
    /// # Errors
    /// As [`put`](Self::put); and when the value comes from a clock too far ahead.
    pub async fn merge(
        &self,
        key: &Key,
        value: RecordValue,
        source: MergeSource,
        options: &WriteOptions,
    ) -> Result<Outcome<Option<Arc<Record>>>, Error> {
        self.partitions.claim().await?;
        Ok(self.partitions.of(key).merge(key, value, source, options).await?)
    }

    /// Gives a record new periods, from now on; returns whether there is a record.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn set_expiry(&self, key: &Key, periods: &WriteOptions) -> Result<Outcome<bool>, Error> {
        self.partitions.claim().await?;
        Ok(self.partitions.of(key).set_expiry(key, periods).await?)
    }

    /// Reads records in key byte order, without what has expired; `request.limit` is the size of a page, not of the scan.
    ///
    /// An error ends the stream: it never ends early and quietly.
    pub fn scan(
        &self,
        request: &ScanRequest,
    ) -> impl Stream<Item = Result<(Key, Arc<Record>), Error>> + Send + use<> {
        let keep = self.clone();
        scan::merged(self.partitions.all(), request).map_err(move |error| {
            let _keep = &keep;
            Error::from(error)
        })
    }

    /// Returns how many records are in memory.
    #[must_use]
    pub fn resident_len(&self) -> usize {
        self.partitions
            .all()
            .iter()
            .map(|store| store.resident_len())
            .sum()
    }

    /// Reads records from the data store into memory, up to `limit` or until memory is full; returns how many.
    ///
    /// # Errors
    /// [`Error::Records`] when they cannot be read.
    pub async fn preload(&self, limit: usize) -> Result<usize, Error> {
        let mut loaded = 0;
        for store in self.partitions.all() {
            loaded += store.preload(limit.saturating_sub(loaded)).await?;
        }
        Ok(loaded)
    }

    /// Drops a record from memory; returns whether it was there and could be dropped.
    ///
    /// # Errors
    /// [`Error::Records`] when its turn does not come in time.
    pub async fn evict(&self, key: &Key) -> Result<bool, Error> {
        Ok(self.partitions.of(key).evict(key).await?)
    }

    /// Drops from memory every record that the data store has; returns how many. Reads load them again.
    ///
    /// # Errors
    /// As [`evict`](Self::evict).
    pub async fn clear_memory(&self) -> Result<usize, Error> {
        let dropped = self.partitions.all().iter().map(|store| store.clear_memory());
        Ok(future::try_join_all(dropped).await?.into_iter().sum())
    }

    /// Removes every record of the map, everywhere; returns how many were in memory.
    ///
    /// # Errors
    /// As [`set`](Self::set). Some partitions may be empty even so: a repeated call finishes the work.
    pub async fn delete_all(&self) -> Result<usize, Error> {
        self.partitions.claim().await?;
        let mut deleted = 0;
        for store in self.partitions.all() {
            deleted += store.delete_all().await?.value;
        }
        Ok(deleted)
    }

    /// Asks the data store to write pending writes soon; returns how many there are.
    #[must_use]
    pub fn soft_flush(&self) -> usize {
        // The data store below is one for all partitions.
        self.partitions
            .all()
            .first()
            .map_or(0, |store| store.soft_flush())
    }

    /// Waits until every write that was acknowledged before the call is in the final store.
    ///
    /// # Errors
    /// [`FlushError`] with what is not.
    pub async fn hard_flush(&self) -> Result<(), FlushError> {
        match self.partitions.all().first() {
            Some(store) => store.hard_flush().await,
            None => Ok(()),
        }
    }

    /// Returns what the partitions have counted together.
    #[must_use]
    pub fn stats(&self) -> RecordStoreStats {
        self.partitions.stats()
    }
}
