use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use layerstore_data_store::{FlushError, ScanRequest};
use layerstore_engine::Cursor;
use layerstore_record::{Key, MapName, Record, RecordValue, Version};
use tracing::Instrument;

use crate::builder::RecordStoreBuilder;
use crate::core::Core;
use crate::counters::read;
use crate::entry::Entry;
use crate::error::{RecordErrorKind, RecordStoreError};
use crate::gate::Refused;
use crate::op::{Op, When};
use crate::outcome::{
    CloseReport, Outcome, PromoteReport, RecordPage, ResidentPage, ScanPlace, SweepReport, TryGet, TrySet,
    UnorderedPage,
};
use crate::record_store::{RecordStore, Shutdown};
use crate::request::{ComputeFn, MergeSource, NewValue, WriteOptions};
use crate::stats::RecordStoreStats;
use crate::write_path::{Attempt, outcome};

/// The record store over any engine, any data store and any observer.
///
/// Dropping it only signals: loads and writes under way end by themselves, and their number is logged.
/// [`close`](RecordStore::close) waits for them.
///
/// ```
/// use std::sync::Arc;
/// use layerstore_data_store::NullDataStore;
/// use layerstore_engine::HashMapEngine;
/// use layerstore_record::{Key, MapName, Value};
/// use layerstore_record_store::{DefaultRecordStore, RecordStore, WriteOptions};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = Arc::new(HashMapEngine::new());
/// let store = DefaultRecordStore::builder(MapName::new("users")?, engine, Arc::new(NullDataStore::new())).build()?;
/// store.init().await?;
/// let key = Key::new("alice")?;
/// store.set(&key, Value::from("Alice").into(), &WriteOptions::new()).await?;
/// let alice = store.get(&key).await?.expect("it was set");
/// assert_eq!(alice.value().value().map(|value| &**value), Some(&Value::from("Alice")));
/// # Ok(())
/// # }
/// ```
pub struct DefaultRecordStore {
    core: Arc<Core>,
}

impl DefaultRecordStore {
    /// Starts a record store of a map.
    pub fn builder(
        map: MapName,
        engine: Arc<dyn layerstore_engine::StorageEngine>,
        store: Arc<dyn layerstore_data_store::MapDataStore>,
    ) -> RecordStoreBuilder {
        RecordStoreBuilder::new(map, engine, store)
    }

    pub(crate) fn of_core(core: Arc<Core>) -> Self {
        Self { core }
    }

    async fn write(&self, key: &Key, op: Op) -> Result<crate::entry::Written, RecordStoreError> {
        let span = tracing::debug_span!("write", map = %self.core.map, key = %key, verb = op.name());
        self.core.write(key, op).instrument(span).await
    }
}

/// A value written under some condition.
fn write(value: NewValue, options: &WriteOptions, when: When) -> Op {
    Op::Write {
        value,
        options: *options,
        when,
    }
}

#[async_trait]
impl RecordStore for DefaultRecordStore {
    fn map(&self) -> &MapName {
        &self.core.map
    }

    fn partition(&self) -> u32 {
        self.core.partition.index()
    }

    fn owns(&self, key: &Key) -> bool {
        self.core.partition.owns(key)
    }

    async fn init(&self) -> Result<(), RecordStoreError> {
        self.core.check_open("init")?;
        self.core.tasks.inside(self.core.init()).await
    }

    fn try_get(&self, key: &Key) -> TryGet {
        self.core.try_get(key)
    }

    fn peek(&self, key: &Key) -> TryGet {
        self.core.peek(key)
    }

    fn read(&self, key: &Key, reader: &mut dyn FnMut(&Arc<Record>)) -> TryGet<()> {
        self.core.read_in_place(key, reader)
    }

    async fn get(&self, key: &Key) -> Result<Option<Arc<Record>>, RecordStoreError> {
        self.core.get(key).await
    }

    async fn get_all(&self, keys: &[Key]) -> Result<Vec<Option<Arc<Record>>>, RecordStoreError> {
        self.core.get_all(keys).await
    }

    async fn contains(&self, key: &Key) -> Result<bool, RecordStoreError> {
        self.core.contains(key).await
    }

    async fn count(&self) -> Result<u64, RecordStoreError> {
        self.core.tasks.inside(self.core.count()).await
    }

    fn try_set(
        &self,
        key: &Key,
        value: NewValue,
        options: &WriteOptions,
    ) -> Result<TrySet, RecordStoreError> {
        let op = write(value, options, When::Blind);
        self.core.check(key, &op)?;
        let waits = match self.core.gates.try_pass(key) {
            Ok(pass) => match self.core.attempt(Entry::new(pass, op)) {
                Attempt::Done(result) => return Ok(TrySet::Done(outcome(result?, |_| ()))),
                Attempt::Waits(entry) => entry.op,
            },
            Err(Refused::Busy) => op,
            Err(refused) => return Err(self.core.refusal(refused, "set").at_key(key)),
        };
        match waits {
            Op::Write { value, .. } => Ok(TrySet::NeedsIo(value)),
            // Unreachable: what was tried comes back.
            _ => Err(self.core.error(RecordErrorKind::Closed, "set")),
        }
    }

    async fn set(
        &self,
        key: &Key,
        value: NewValue,
        options: &WriteOptions,
    ) -> Result<Outcome<()>, RecordStoreError> {
        let written = self.write(key, write(value, options, When::Blind)).await?;
        Ok(outcome(written, |_| ()))
    }

    async fn put(
        &self,
        key: &Key,
        value: NewValue,
        options: &WriteOptions,
    ) -> Result<Outcome<Option<Arc<Record>>>, RecordStoreError> {
        let written = self.write(key, write(value, options, When::Known)).await?;
        Ok(outcome(written, |written| written.previous.take()))
    }

    async fn put_all(
        &self,
        records: Vec<(Key, NewValue)>,
        options: &WriteOptions,
    ) -> Vec<Result<Outcome<()>, RecordStoreError>> {
        let ops = records
            .into_iter()
            .map(|(key, value)| (key, write(value, options, When::Blind)));
        let results = self.core.write_all(ops.collect()).await;
        let outcomes = results.into_iter().map(|result| Ok(outcome(result?, |_| ())));
        outcomes.collect()
    }

    async fn remove(&self, key: &Key) -> Result<Outcome<Option<Arc<Record>>>, RecordStoreError> {
        let written = self.write(key, Op::Remove).await?;
        Ok(outcome(written, |written| written.previous.take()))
    }

    async fn remove_all(&self, keys: &[Key]) -> Vec<Result<Outcome<Option<Arc<Record>>>, RecordStoreError>> {
        let ops = keys.iter().map(|key| (key.clone(), Op::Remove)).collect();
        let results = self.core.write_all(ops).await;
        let answer = |result: Result<_, _>| Ok(outcome(result?, |written| written.previous.take()));
        results.into_iter().map(answer).collect()
    }

    async fn put_if_absent(
        &self,
        key: &Key,
        value: NewValue,
        options: &WriteOptions,
    ) -> Result<Outcome<Option<Arc<Record>>>, RecordStoreError> {
        let written = self.write(key, write(value, options, When::Absent)).await?;
        Ok(outcome(written, |written| written.previous.take()))
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Version,
        value: NewValue,
        options: &WriteOptions,
    ) -> Result<Outcome<()>, RecordStoreError> {
        let written = self
            .write(key, write(value, options, When::Version(expected)))
            .await?;
        Ok(outcome(written, |_| ()))
    }

    async fn compute(
        &self,
        key: &Key,
        compute: ComputeFn,
    ) -> Result<Outcome<Option<Arc<Record>>>, RecordStoreError> {
        let written = self.write(key, Op::Compute(compute)).await?;
        Ok(outcome(written, |written| written.current.take()))
    }

    async fn merge(
        &self,
        key: &Key,
        value: RecordValue,
        source: MergeSource,
        options: &WriteOptions,
    ) -> Result<Outcome<Option<Arc<Record>>>, RecordStoreError> {
        self.core.hlc.observe(value.timestamp()).map_err(|drift| {
            let what = drift.to_string();
            RecordStoreError::new(RecordErrorKind::ClockDrift, "merge", &self.core.map, what)
                .because(drift)
                .at_key(key)
        })?;
        let options = *options;
        let op = Op::Merge {
            value,
            source,
            options,
        };
        let written = self.write(key, op).await?;
        Ok(outcome(written, |written| written.current.take()))
    }

    async fn put_backup(&self, key: &Key, record: Arc<Record>) -> Result<Outcome<()>, RecordStoreError> {
        self.core.tasks.inside(self.core.put_backup(key, record)).await
    }

    async fn promote(&self) -> Result<PromoteReport, RecordStoreError> {
        self.core.promote().await
    }

    async fn set_expiry(&self, key: &Key, periods: &WriteOptions) -> Result<Outcome<bool>, RecordStoreError> {
        let written = self.write(key, Op::SetExpiry(*periods)).await?;
        Ok(outcome(written, |written| written.current.is_some()))
    }

    async fn load(&self, key: &Key) -> Result<Option<Arc<Record>>, RecordStoreError> {
        self.core.load(key).await
    }

    async fn preload(&self, limit: usize) -> Result<usize, RecordStoreError> {
        self.core.tasks.inside(self.core.preload(limit)).await
    }

    async fn scan_page(&self, request: ScanRequest) -> Result<RecordPage, RecordStoreError> {
        self.core.tasks.inside(self.core.scan_page(request)).await
    }

    async fn scan_unordered(
        &self,
        place: &ScanPlace,
        limit: usize,
    ) -> Result<UnorderedPage, RecordStoreError> {
        let scan = self.core.scan_unordered(place, limit);
        self.core.tasks.inside(scan).await
    }

    fn resident_len(&self) -> usize {
        self.core.memory.len()
    }

    fn scan_resident(&self, cursor: &Cursor, limit: usize) -> ResidentPage {
        self.core.scan_resident(cursor, limit)
    }

    async fn evict(&self, key: &Key) -> Result<bool, RecordStoreError> {
        self.core.evict(key).await
    }

    async fn forget(&self, key: &Key) -> Result<bool, RecordStoreError> {
        self.core.forget_known(key).await
    }

    async fn clear_memory(&self) -> Result<usize, RecordStoreError> {
        self.core.clear_memory().await
    }

    async fn delete_all(&self) -> Result<Outcome<usize>, RecordStoreError> {
        self.core.delete_all().await
    }

    async fn reset(&self) -> Result<Outcome<usize>, RecordStoreError> {
        self.core.reset().await
    }

    async fn destroy(&self, shutdown: Shutdown) -> Result<Outcome<()>, RecordStoreError> {
        self.core.destroy(shutdown).await
    }

    fn soft_flush(&self) -> usize {
        self.core.store.soft_flush()
    }

    async fn hard_flush(&self) -> Result<(), FlushError> {
        self.core.tasks.inside(self.core.store.hard_flush()).await
    }

    async fn sweep(&self) -> Result<SweepReport, RecordStoreError> {
        self.core.check_open("sweep")?;
        Ok(self.core.sweep_once().await)
    }

    fn stats(&self) -> RecordStoreStats {
        let counters = &self.core.counters;
        RecordStoreStats {
            hits: counters.hits(),
            misses: read(&counters.misses),
            loads: read(&counters.loads),
            load_failures: read(&counters.load_failures),
            loads_poisoned: read(&counters.loads_poisoned),
            writes: counters.writes(),
            rejected: read(&counters.rejected),
            unknown: read(&counters.unknown),
            stale_retries: read(&counters.stale_retries),
            evictions: read(&counters.evictions),
            expirations: read(&counters.expirations),
            over_budget: read(&counters.over_budget),
            observer_errors: read(&counters.observer_errors),
            resident: self.core.memory.len(),
            cost: self.core.memory.engine.cost(),
            backups: self.core.memory.backup_count(),
            pending: self.core.store.pending_operation_count(),
        }
    }

    async fn close(&self, deadline: Duration) -> CloseReport {
        self.core.close(deadline).await
    }
}

impl Drop for DefaultRecordStore {
    fn drop(&mut self) {
        self.core.tasks.close();
        let under_way = self.core.tasks.under_way();
        if under_way > 0 {
            tracing::warn!(
                map = %self.core.map,
                under_way,
                "dropped with loads or writes under way: they end by themselves, unobserved; use close()"
            );
        }
    }
}
