//! What the tests write and read.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{MapDataStore, Write, WriteResult};
use layerstore_postgres::PostgresDataStore;
use layerstore_record::{Key, MapName, Record, RecordValue, Value};
use layerstore_testkit::records::{record, version};
use sqlx::PgConnection;

pub(crate) const CLOSE: Duration = Duration::from_secs(30);

pub(crate) fn map(name: &str) -> MapName {
    MapName::new(name).unwrap()
}

pub(crate) fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

/// The write of a number under its version.
pub(crate) fn put(map: &MapName, key: &Key, number: u64) -> Write {
    Write::new(map.clone(), key.clone(), record(number))
}

/// The write of any value under the version of a number.
pub(crate) fn put_value(map: &MapName, key: &Key, number: u64, value: Value) -> Write {
    let value = RecordValue::lww(value, version(number).timestamp());
    let record = Record::builder(value, version(number)).build();
    Write::new(map.clone(), key.clone(), Arc::new(record))
}

pub(crate) async fn write(store: &PostgresDataStore, write: Write) -> WriteResult {
    store.apply(vec![write]).await.remove(0)
}

pub(crate) async fn applied(store: &PostgresDataStore, writes: Vec<Write>) {
    for answer in store.apply(writes).await {
        assert!(answer.is_applied(), "{answer:?}");
    }
}

/// The number that a key holds, by its version, which must be that of its value.
pub(crate) async fn number(store: &PostgresDataStore, map: &MapName, key: &Key) -> Option<u64> {
    let found = store.load(map, key).await.unwrap()?;
    let number = found.version().millis().0;
    assert_eq!(
        found,
        *record(number),
        "value and version of {key:?} belong together"
    );
    Some(number)
}

/// How many sessions wait for a lock.
pub(crate) async fn waiting(sql: &mut PgConnection) -> i64 {
    let text = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    sqlx::query_scalar(text).fetch_one(sql).await.unwrap()
}
