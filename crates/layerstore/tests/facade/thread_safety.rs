//! What may cross threads, shown at compile time: the public types of every crate, and the futures of every async verb.

use layerstore::{data_store, embedded, engine, observer, record, record_store};

/// Compiles only if all of these may be shared between threads, and hold nothing borrowed.
macro_rules! shared {
    ($($type:ty),+ $(,)?) => {
        const _: () = {
            const fn shared<T: ?Sized + Send + Sync + 'static>() {}
            $(shared::<$type>();)+
        };
    };
}

/// Compiles only if all of these may be sent to another thread.
macro_rules! sent {
    ($($type:ty),+ $(,)?) => {
        const _: () = {
            const fn sent<T: ?Sized + Send + 'static>() {}
            $(sent::<$type>();)+
        };
    };
}

shared!(
    layerstore::Layerstore,
    layerstore::Builder,
    layerstore::Records,
    layerstore::Map<std::cell::Cell<u8>>,
    layerstore::Error,
    layerstore::ConfigError,
    layerstore::CloseReport,
    layerstore::MapCloseReport,
    layerstore::MapSettings,
    layerstore::MemoryLimit,
    layerstore::Eviction,
    layerstore::OnExpiry,
    layerstore::DataStoreKind,
    layerstore::Set<'static>,
    layerstore::Size,
    layerstore::InvalidSize,
);
shared!(
    record::AccessStats,
    record::Millis,
    record::SystemClock,
    dyn record::Clock,
    record::Cost,
    record::Expiry,
    record::ExpiryError,
    record::ClockDrift,
    record::Hlc,
    record::Key,
    record::InvalidKey,
    record::MapName,
    record::InvalidMapName,
    record::OrEntries,
    record::Tags,
    record::Provenance,
    record::Record,
    record::RecordBuilder,
    record::KindMismatch,
    record::Merged,
    record::Pruned,
    record::RecordKind,
    record::RecordValue,
    record::NodeId,
    record::Timestamp,
    record::Fields,
    record::Value,
    record::ValueError,
    record::ValueErrorReason,
    record::Version,
);
shared!(
    engine::Cursor,
    engine::Page,
    engine::Slot,
    dyn engine::StorageEngine,
    engine::HashMapEngine,
    engine::ColdError,
    engine::Computed,
    engine::Decision,
    engine::Previous,
);
sent!(engine::ColdFuture, dyn engine::ColdRecord, engine::Lookup);
shared!(
    observer::CompositeObserver,
    observer::NameTaken,
    observer::Change,
    observer::ChangeFeed,
    observer::ChangeFeedBuilder,
    observer::FeedClosed,
    observer::Topic,
    observer::FeedItem,
    observer::FeedStart,
    observer::InvalidChangeFeed,
    observer::SubscribeError,
    observer::Subscription,
    observer::MetricsObserver,
    observer::Mutation<'static>,
    observer::MutationEvent<'static>,
    observer::Ownership,
    observer::PreviousValue<'static>,
    observer::RemoveReason,
    dyn observer::MutationObserver,
    observer::ObserverError,
    observer::OwnedEvent,
    observer::OwnedMutation,
    observer::OwnedPrevious,
);
shared!(
    data_store::Backoff,
    data_store::BackoffPolicy,
    data_store::Breaker,
    data_store::BreakerPolicy,
    data_store::BreakerState,
    data_store::Permit,
    data_store::ErrorKind,
    data_store::FlushError,
    data_store::Outcome,
    data_store::StoreError,
    data_store::Floors,
    data_store::Verdict,
    data_store::Limits,
    data_store::InMemoryDataStore,
    data_store::NullDataStore,
    data_store::Include,
    data_store::ScanPage,
    data_store::ScanRequest,
    data_store::CloseReport,
    data_store::MapClaim,
    dyn data_store::MapDataStore,
    data_store::TryApply,
    data_store::Expect,
    data_store::Write,
    data_store::WriteOp,
    data_store::WriteResult,
);
shared!(
    layerstore::Copy,
    layerstore::CopyProgress,
    layerstore::CopyReport,
    layerstore::MapCopy,
    layerstore::RefusedRecord,
    layerstore::Side,
    layerstore::DataStoreConfig,
    layerstore::OpenDataStore,
);
shared!(
    embedded::EmbeddedOptions,
    embedded::KvDataStore,
    embedded::CorruptRecord,
    embedded::MapReport,
    embedded::VerifyReport,
    embedded::kv::Batch,
    embedded::kv::Operation,
    embedded::kv::Precondition,
    embedded::kv::Committed,
    embedded::kv::Durability,
    embedded::kv::KvError,
    embedded::kv::KvErrorKind,
    embedded::kv::KvLimits,
    embedded::kv::MemoryKv,
    embedded::kv::Direction,
    embedded::kv::KeyRange,
    embedded::kv::KvStats,
    dyn embedded::kv::KvBackend,
);
shared!(
    record_store::Budget,
    record_store::Limit,
    record_store::BuildError,
    record_store::RecordStoreBuilder,
    record_store::ConfigError,
    record_store::ExpiryPolicy,
    record_store::RecordStoreConfig,
    record_store::DefaultRecordStore,
    dyn record_store::RecordStore,
    record_store::RecordErrorKind,
    record_store::RecordStoreError,
    record_store::EngineMaker,
    record_store::RecordStoreFactory,
    record_store::CloseReport,
    record_store::Outcome<()>,
    record_store::PromoteReport,
    record_store::RecordPage,
    record_store::ResidentPage,
    record_store::SweepReport,
    record_store::TryGet,
    record_store::TrySet,
    record_store::InvalidPartition,
    record_store::Partition,
    record_store::Shutdown,
    record_store::Compute,
    record_store::MergeSource,
    record_store::NewValue,
    record_store::Period,
    record_store::WriteOptions,
    record_store::RecordStoreStats,
    dyn record_store::eviction::EvictionPolicy,
);
sent!(record_store::ComputeFn);

/// Never called: it compiles only if the future of every async verb may be sent to another thread.
#[expect(dead_code, reason = "what it shows is shown by the compiler")]
fn futures_are_sent(store: layerstore::Layerstore, map: layerstore::Map<String>) {
    fn sent<T: Send>(_: T) {}
    use layerstore::{Compute, Key, RecordValue, ScanRequest, Value, WriteOptions};
    let (value, key, options) = (String::new(), Key::new("k").unwrap(), WriteOptions::new());
    let keys = [key.clone()];
    sent(layerstore::Layerstore::builder().build());
    sent(layerstore::Layerstore::open("layerstore.toml"));
    sent(store.list_maps());
    sent(store.purge());
    sent(store.verify());
    sent(store.close(std::time::Duration::ZERO));
    sent(map.get("k"));
    sent(map.put("k", &value));
    sent(map.set("k", &value).into_future());
    sent(map.get_many(["k"]));
    sent(map.put_many([("k", &value)]));
    sent(map.contains("k"));
    sent(map.preload(1));
    sent(map.remove("k"));
    sent(map.update("k", |old| old));
    sent(map.get_or_insert_with("k", async { Ok::<_, layerstore::Error>(String::new()) }));
    sent(map.entries());
    sent(map.record("k"));
    sent(map.count());
    sent(map.clear());
    let records = map.records();
    sent(records.get(&key));
    sent(records.get_all(&keys));
    sent(records.set(&key, Value::Null.into(), &options));
    sent(records.put(&key, Value::Null.into(), &options));
    sent(records.put_all(Vec::new(), &options));
    sent(records.remove(&key));
    sent(records.remove_all(&keys));
    sent(records.put_if_absent(&key, Value::Null.into(), &options));
    let keep: record_store::ComputeFn = Box::new(|_| Compute::Keep);
    sent(records.compute(&key, keep));
    let tombstone = RecordValue::Tombstone {
        timestamp: record::Timestamp::default(),
    };
    sent(records.merge(&key, tombstone, record_store::MergeSource::Crdt, &options));
    sent(records.set_expiry(&key, &options));
    sent(records.scan(&ScanRequest::first(1)));
    sent(records.preload(1));
    sent(records.preload_watched(1, std::time::Duration::from_secs(1), |_| ()));
    sent(records.evict(&key));
    sent(records.clear_memory());
    sent(records.delete_all());
    sent(records.hard_flush());
}
