//! Reading: each call one statement, and so one state of the database.

use std::collections::HashMap;
use std::ops::Bound;

use layerstore_data_store::{ErrorKind, Include, ScanPage, ScanRequest, StoreError};
use layerstore_record::{Key, MapName, Record, Version};
use sqlx::postgres::PgRow;

use crate::convert::STORE;
use crate::row::{self, column, millis};
use crate::store::{Core, Effect};

/// Keys that one statement asks for; further ones go into further statements.
const LOAD_KEYS: usize = 1_000;

/// Records of a page, at most: bounds what one statement may bring.
const MAX_PAGE: usize = 10_000;

/// Above every key: no UTF-8 text has this byte.
const ABOVE_ALL: u8 = 0xff;

impl Core {
    /// Reads the records of keys, in the order given.
    pub(crate) async fn load_all(
        &self,
        map: &MapName,
        keys: &[Key],
    ) -> Result<Vec<Option<Record>>, StoreError> {
        let mut records = Vec::with_capacity(keys.len());
        for keys in keys.chunks(LOAD_KEYS) {
            let named: Vec<&[u8]> = keys.iter().map(Key::as_bytes).collect();
            let query = || {
                self.query(&self.statements.load)
                    .bind(map.as_str().as_bytes())
                    .bind(&named[..])
            };
            let rows = self.ask("load", Effect::None, query).await?;
            let found = by_key(&rows)?;
            for key in keys {
                records.push(match found.get(key.as_bytes()) {
                    Some(row) => self.visible(map, key, row)?,
                    None => None,
                });
            }
        }
        Ok(records)
    }

    /// Reads a page of a map.
    pub(crate) async fn scan_page(
        &self,
        map: &MapName,
        request: &ScanRequest,
    ) -> Result<ScanPage, StoreError> {
        let operation = "scan";
        let (start, end) = range(request);
        let limit = request.limit.clamp(1, MAX_PAGE);
        let query = || {
            self.query(&self.statements.scan)
                .bind(map.as_str().as_bytes())
                .bind(&start)
                .bind(&end)
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .bind(request.include == Include::Tombstones)
                .bind(millis(self.clock.now()))
        };
        let rows = self.ask(operation, Effect::None, query).await?;
        let mut page = ScanPage::default();
        for row in &rows {
            let key = row::key(operation, map, column(operation, row, 0)?)?;
            let body: Option<&[u8]> = column(operation, row, 2)?;
            if let Some(body) = body {
                let (version, value) = (column(operation, row, 1)?, column(operation, row, 3)?);
                let record = row::record(operation, (map, &key), version, body, value)?;
                page.records.push((key.clone(), record));
            }
            page.next = Some(key);
        }
        if rows.len() < limit {
            page.next = None;
        }
        Ok(page)
    }

    /// Lists the maps that hold records, tombstones or floors, in name order.
    pub(crate) async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        let operation = "list maps";
        let zero = Version::ZERO.to_bytes().to_vec();
        let query = || self.query(&self.statements.list_maps).bind(&zero);
        let rows = self.ask(operation, Effect::None, query).await?;
        rows.iter()
            .map(|row| {
                let name: &[u8] = column(operation, row, 0)?;
                let map = std::str::from_utf8(name)
                    .ok()
                    .and_then(|name| MapName::new(name).ok());
                map.ok_or_else(|| {
                    let what = format!("the stored name of a map is none: \"{}\"", name.escape_ascii());
                    StoreError::new(ErrorKind::Corrupt, STORE, operation, what)
                })
            })
            .collect()
    }

    fn visible(&self, map: &MapName, key: &Key, row: &PgRow) -> Result<Option<Record>, StoreError> {
        let operation = "load";
        let (version, body) = (column(operation, row, 1)?, column(operation, row, 2)?);
        let record = row::record(operation, (map, key), version, body, column(operation, row, 3)?)?;
        let ended = record
            .expiry()
            .persisted_end()
            .is_some_and(|end| end <= self.clock.now());
        Ok((record.is_tombstone() || !ended).then_some(record))
    }
}

fn by_key(rows: &[PgRow]) -> Result<HashMap<&[u8], &PgRow>, StoreError> {
    rows.iter()
        .map(|row| Ok((column("load", row, 0)?, row)))
        .collect()
}

/// The bounds of a scan as the first key within and the first beyond.
fn range(request: &ScanRequest) -> (Vec<u8>, Vec<u8>) {
    // No key lies between a key and itself with a zero byte behind it.
    let behind = |key: &Key| [key.as_bytes(), &[0]].concat();
    let start = match &request.start {
        Bound::Unbounded => Vec::new(),
        Bound::Included(key) => key.as_bytes().to_vec(),
        Bound::Excluded(key) => behind(key),
    };
    let end = match &request.end {
        Bound::Unbounded => vec![ABOVE_ALL],
        Bound::Included(key) => behind(key),
        Bound::Excluded(key) => key.as_bytes().to_vec(),
    };
    (start, end)
}
