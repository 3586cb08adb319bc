use async_trait::async_trait;
use layerstore_record::{Key, MapName, Record};

use super::columns::WriterColumns;
use super::fault::TableFault;
use super::page::KeyRange;
use crate::limits::Limits;

/// A table of a database with transactions that keeps the records of a map: its statements, and how a record becomes its columns.
///
/// [`TableDataStore`](crate::TableDataStore) makes a [`MapDataStore`](crate::MapDataStore) of it: epochs and fencing, judging
/// of writes, floors, expiry, pages, deadlines and the words of errors are done there. What is left to the table is to do
/// what it is asked, within these bounds:
///
/// - **A map has one transaction at a time.** [`begin`](Self::begin) waits for the transaction of the same map that is under
///   way, of whatever process, by a lock of the map's own (`SELECT … FOR UPDATE`), and sees what that one committed. So
///   judging a write and making it are one step.
/// - **A transaction is all or nothing**, and durable once [`commit`](Self::commit) has returned. One that is dropped is
///   undone.
/// - **Keys are compared by their bytes**, in PostgreSQL with `COLLATE "C"`.
/// - **Every call may be dropped** before its end, when its time is over. It leaves nothing behind but a transaction that is
///   undone.
///
/// A table that keeps several maps, and not one, is a [`ListMaps`] as well.
///
/// Records are read whole wherever they are looked at, also to judge a write; those that have ended are left out later.
///
/// A complete one, over the table of a service in PostgreSQL, is `examples/existing_table` of `layerstore-postgres`.
#[async_trait]
pub trait RecordTable: Send + Sync + 'static {
    /// How errors, spans and metrics name the store.
    const NAME: &'static str;

    /// Whether text in the table, keys and values, may have a NUL in it. In PostgreSQL `text` and `jsonb` may not: then such
    /// records are refused, each alone, and the table is never asked for such keys.
    const HOLDS_NUL: bool = true;

    /// What is stored of a record.
    type Columns: Send;

    /// A transaction that has one map to itself.
    type Transaction: Send;

    /// What the database's driver fails with.
    type Error: Send;

    /// Returns what the table can hold. Names and keys that are longer are refused before the table is asked for anything;
    /// a record that is too large is for [`columns`](Self::columns) to refuse. At most `batch_records` keys are asked for at
    /// a time, and as many writes make a transaction.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Turns a record, which may be a tombstone, into its columns. Asked before there is a transaction, so that what cannot
    /// be stored takes no other write with it. For a value of one type, [`RecordColumns::split`](crate::RecordColumns::split)
    /// does it.
    ///
    /// # Errors
    /// A [`TableFault`] for a record that the columns cannot hold as it is: its write is refused.
    fn columns(&self, key: &Key, record: &Record) -> Result<Self::Columns, TableFault>;

    /// Says what an error of the driver means: whether to retry, and what to do.
    fn fault(&self, error: &Self::Error) -> TableFault;

    /// Reads the records under those of the keys that hold one, in any order: as this transaction sees them, or without one
    /// as they were committed.
    ///
    /// # Errors
    /// That of the driver, also for a record that is not what was written.
    async fn load(
        &self,
        transaction: Option<&mut Self::Transaction>,
        map: &MapName,
        keys: &[Key],
    ) -> Result<Vec<(Key, Record)>, Self::Error>;

    /// Reads the records within a range as they were committed, in key byte order: fewer than its limit only where there is
    /// no more.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    async fn scan(&self, map: &MapName, range: KeyRange<'_>) -> Result<Vec<(Key, Record)>, Self::Error>;

    /// Begins a transaction that has the map to itself, and reads what is known of its writer: the default for a map that
    /// nobody has claimed yet.
    ///
    /// # Errors
    /// That of the driver.
    async fn begin(&self, map: &MapName) -> Result<(Self::Transaction, WriterColumns), Self::Error>;

    /// Stores a record in the place of whatever the key holds.
    ///
    /// # Errors
    /// That of the driver.
    async fn put(
        &self,
        transaction: &mut Self::Transaction,
        key: &Key,
        columns: Self::Columns,
    ) -> Result<(), Self::Error>;

    /// Deletes the records and tombstones of the map whose version is at most `up_to`; with a time, in milliseconds since
    /// 1970, only tombstones and what has ended by then, as
    /// [`Expiry::persisted_end`](layerstore_record::Expiry::persisted_end) has it. Returns how many.
    ///
    /// # Errors
    /// That of the driver.
    async fn delete(
        &self,
        transaction: &mut Self::Transaction,
        up_to: [u8; 16],
        ended_at: Option<i64>,
    ) -> Result<u64, Self::Error>;

    /// Stores what is known of the map's writer, and makes all of the transaction durable.
    ///
    /// # Errors
    /// That of the driver. Whether the transaction was committed then counts as unknown.
    async fn commit(&self, transaction: Self::Transaction, writer: WriterColumns) -> Result<(), Self::Error>;

    /// Gives connections back, once every call has ended. None follows.
    async fn close(&self) {}
}

/// A [`RecordTable`] with a place for every map, each of them apart from the others.
#[async_trait]
pub trait ListMaps: RecordTable {
    /// Lists the names of the maps that hold records, tombstones or floors, in any order.
    ///
    /// # Errors
    /// That of the driver.
    async fn list_maps(&self) -> Result<Vec<String>, Self::Error>;
}
