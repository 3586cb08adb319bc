//! The data store over the table: reads here, writes in a [`Turn`].

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use layerstore_data_store::{
    CloseReport, ErrorKind, FlushError, Include, Limits, MapClaim, MapDataStore, ScanPage, ScanRequest,
    StoreError, Write, WriteResult,
};
use layerstore_record::{Clock, Key, MapName, Record, Version};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::{AssertSqlSafe, Row as _};

use super::customer::{COLUMNS, Customer, column, key, record};
use super::errors::At;
use super::turn::Turn;

pub(crate) const NAME: &str = "customers";

/// How long a call waits for a connection, and the server for a statement.
const PATIENCE: Duration = Duration::from_secs(10);

/// Records of a page, at most.
const MAX_PAGE: usize = 10_000;

/// Keeps the records of one map, `customers`, in the table of that name. One transaction a call and two statements a record: a
/// table that is written thousands of times a second wants the arrays of `layerstore-postgres` instead.
pub(crate) struct CustomerStore {
    pool: PgPool,
    map: MapName,
    clock: Arc<dyn Clock>,
    /// D8: the epoch of our claim, 0 before it.
    epoch: AtomicI64,
}

impl CustomerStore {
    pub(crate) async fn connect(url: &str, map: MapName, clock: Arc<dyn Clock>) -> Result<Self, sqlx::Error> {
        let timeout = [("statement_timeout", PATIENCE.as_millis())];
        let options: PgConnectOptions = url.parse()?;
        let pool = PgPoolOptions::new().max_connections(4).acquire_timeout(PATIENCE);
        Ok(Self {
            pool: pool.connect_with(options.options(timeout)).await?,
            map,
            clock,
            epoch: AtomicI64::new(0),
        })
    }

    /// D4: the table is one map, and no other map has a place in it.
    fn check(&self, operation: &'static str, map: &MapName) -> Result<(), StoreError> {
        if *map == self.map {
            return Ok(());
        }
        let what = "the table holds one map, and this is another";
        Err(StoreError::new(ErrorKind::Rejected, NAME, operation, what).in_map(map))
    }

    /// D8: takes a turn, if no later claim has the map.
    async fn turn(&self, operation: &'static str, map: &MapName) -> Result<Turn, StoreError> {
        self.check(operation, map)?;
        let turn = Turn::take(&self.pool, operation).await?;
        let (kind, what) = match self.epoch.load(Ordering::Acquire) {
            0 => (ErrorKind::NotClaimed, "claim the map first"),
            epoch if epoch != turn.epoch => (ErrorKind::Fenced, "another writer claimed the map"),
            _ => return Ok(turn),
        };
        Err(StoreError::new(kind, NAME, operation, what).in_map(map))
    }

    async fn write(&self, writes: &[Write]) -> Result<Vec<WriteResult>, StoreError> {
        let (mut turn, mut results) = (self.turn("apply", &self.map).await?, Vec::new());
        for write in writes {
            // D6: what cannot be stored is refused before the server sees it, and so takes no other write with it.
            let customer = self.check("apply", &write.map).and_then(|()| Customer::of(write));
            results.push(match customer {
                Ok(customer) => {
                    let verdict = turn.write(write, customer, self.clock.now()).await?;
                    verdict.into_result(write, NAME)
                }
                Err(error) => WriteResult::Rejected(error.at_key(&write.key)),
            });
        }
        turn.end().await.map(|()| results)
    }
}

#[async_trait]
impl MapDataStore for CustomerStore {
    fn name(&self) -> &'static str {
        NAME
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn claim(&self, map: &MapName) -> Result<MapClaim, StoreError> {
        self.check("claim", map)?;
        let mut turn = Turn::take(&self.pool, "claim").await?;
        turn.epoch += 1;
        let (epoch, high_water, floors) = (turn.epoch, turn.high_water, turn.floors);
        turn.end().await?;
        self.epoch.store(epoch, Ordering::Release);
        let high_water = high_water.max(floors.cleared).max(floors.purged);
        let epoch = epoch.unsigned_abs();
        Ok(MapClaim::new(epoch, high_water, floors.cleared, floors.purged))
    }

    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        // The transaction is one: if it fails, so has every write in it.
        self.write(&writes).await.unwrap_or_else(|error| {
            let each = |write: &Write| error.clone().in_map(&write.map).at_key(&write.key);
            let failed = writes.iter().map(each);
            failed.map(WriteResult::Rejected).collect()
        })
    }

    async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
        let mut found = self.load_all(map, std::slice::from_ref(key)).await?;
        Ok(found.pop().flatten())
    }

    async fn load_all(&self, map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.check("load", map)?;
        // D4: the server takes no NUL, and no row has one in its key.
        let named = keys.iter().map(Key::as_str).filter(|key| !key.contains('\0'));
        // D5: what has ended is not returned; a removal is.
        let sql = format!(
            "SELECT {COLUMNS} FROM customers WHERE id = ANY($1) AND (removed OR ends_at IS NULL OR ends_at > $2)"
        );
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(named.collect::<Vec<_>>())
            .bind(column(self.clock.now()));
        let rows = found.fetch_all(&self.pool).await.at("load")?;
        let by_key = rows.iter().map(|row| Ok((row.try_get(0)?, row)));
        let by_key: HashMap<&str, &PgRow> = by_key.collect::<Result<_, _>>().at("load")?;
        let row = |key: &Key| by_key.get(key.as_str()).map(|row| record(row)).transpose();
        keys.iter().map(row).collect::<Result<_, _>>().at("load")
    }

    async fn scan_page(&self, map: &MapName, request: ScanRequest) -> Result<ScanPage, StoreError> {
        self.check("scan", map)?;
        let ((start, from), (end, to)) = (edge(&request.start, true), edge(&request.end, false));
        let limit = request.limit.clamp(1, MAX_PAGE);
        let sql = format!(
            "SELECT {COLUMNS} FROM customers WHERE id >= $1 AND (id <> $1 OR $2) \
             AND ($3::text IS NULL OR id < $3 OR (id = $3 AND $4)) \
             AND CASE WHEN removed THEN $5 ELSE ends_at IS NULL OR ends_at > $6 END ORDER BY id LIMIT $7"
        );
        let page = sqlx::query(AssertSqlSafe(sql))
            .bind(start.unwrap_or_default())
            .bind(from)
            .bind(end)
            .bind(to)
            .bind(request.include == Include::Tombstones)
            .bind(column(self.clock.now()))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = page.fetch_all(&self.pool).await.at("scan")?;
        let records = rows.iter().map(|row| Ok((key(row)?, record(row)?)));
        let records: Vec<_> = records.collect::<Result<_, _>>().at("scan")?;
        let last = records.last().filter(|_| records.len() == limit);
        Ok(ScanPage {
            next: last.map(|(key, _)| key.clone()),
            records,
        })
    }

    async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        let used = sqlx::query(
            "SELECT cleared > $1 OR purged > $1 OR EXISTS (SELECT 1 FROM customers) FROM customers_writer",
        );
        let used = used.bind(Version::ZERO.to_bytes()).fetch_one(&self.pool).await;
        let is_used: bool = used.and_then(|row| row.try_get(0)).at("list_maps")?;
        Ok(is_used.then(|| self.map.clone()).into_iter().collect())
    }

    /// D2: the floor and what goes under it change in one transaction, so that no row is ever below the cleared floor.
    async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        let mut turn = self.turn("clear", map).await?;
        turn.floors.cleared = turn.floors.cleared.max(up_to);
        let rows = sqlx::query("DELETE FROM customers WHERE version <= $1");
        turn.run(rows.bind(up_to.to_bytes())).await?;
        turn.end().await
    }

    /// D2: as [`clear`](Self::clear), for what was removed or has ended.
    async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        let mut turn = self.turn("purge", map).await?;
        turn.floors.purged = turn.floors.purged.max(horizon);
        let rows = sqlx::query("DELETE FROM customers WHERE version <= $1 AND (removed OR ends_at <= $2)");
        let now = column(self.clock.now());
        let dropped = turn.run(rows.bind(horizon.to_bytes()).bind(now)).await?;
        turn.end().await.map(|()| dropped)
    }

    /// D3 and D9: what was acknowledged was committed, so there is nothing to wait for.
    async fn hard_flush(&self) -> Result<(), FlushError> {
        if !self.pool.is_closed() {
            return Ok(());
        }
        Err(FlushError {
            pending: Vec::new(),
            source: Err::<(), _>(sqlx::Error::PoolClosed).at("hard_flush").err(),
        })
    }

    async fn flush_key(&self, _map: &MapName, _key: &Key) -> Result<(), FlushError> {
        self.hard_flush().await
    }

    async fn close(&self, deadline: Duration) -> CloseReport {
        let mut report = CloseReport::default();
        if tokio::time::timeout(deadline, self.pool.close()).await.is_err() {
            let what = "calls were still under way: they end by themselves";
            report.error = Some(StoreError::new(ErrorKind::Timeout, NAME, "close", what));
        }
        report
    }
}

/// Returns the key that bounds a page, and whether it is in it. No row has a NUL in its key: what is before it bounds as well.
fn edge(bound: &Bound<Key>, is_start: bool) -> (Option<&str>, bool) {
    let (key, is_in) = match bound {
        Bound::Unbounded => return (None, true),
        Bound::Included(key) => (key.as_str(), true),
        Bound::Excluded(key) => (key.as_str(), false),
    };
    match key.split_once('\0') {
        Some((before, _)) => (Some(before), !is_start),
        None => (Some(key), is_in),
    }
}
