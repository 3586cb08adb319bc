//! Reading: each call one statement, and so one state of the database.

use std::ops::Bound;

use layerstore_data_store::{ErrorKind, Include, ScanPage, ScanRequest, StoreError};
use layerstore_record::{Key, MapName, Millis, Record, Version};
use sqlx::postgres::PgRow;

use crate::convert::STORE;
use crate::row::{self, column, millis, raw, raw_filled};
use crate::store::{Core, Effect};

/// Keys that one statement asks for; further ones go into further statements.
const LOAD_KEYS: usize = 1_000;

/// Records of a page, at most: bounds what one statement may bring.
const MAX_PAGE: usize = 10_000;

const LOAD: &str = "load";
const SCAN: &str = "scan";

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
            let asked = in_key_order(keys);
            let named: Vec<&[u8]> = asked.iter().map(|(key, _)| *key).collect();
            let query = || {
                self.query(&self.statements.load)
                    .bind(map.as_str().as_bytes())
                    .bind(&named[..])
            };
            let start = || Ok(Found::none_of(keys, &asked));
            let take = |found: &mut Result<Found<'_>, StoreError>, row: PgRow| {
                and_then(found, |found| found.take(map, &row, self.clock.now()));
            };
            let found = self.gather(LOAD, Effect::None, query, start, take).await?;
            records.append(&mut found?.records);
        }
        Ok(records)
    }

    /// Reads a page of a map.
    pub(crate) async fn scan_page(
        &self,
        map: &MapName,
        request: &ScanRequest,
    ) -> Result<ScanPage, StoreError> {
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
        let take =
            |page: &mut Result<Page, StoreError>, row: PgRow| and_then(page, |page| page.take(map, &row));
        let page = self
            .gather(SCAN, Effect::None, query, || Ok(Page::default()), take)
            .await?;
        Ok(page?.of(limit))
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
}

/// A key that is asked for, and its place in the question.
type Asked<'k> = (&'k [u8], usize);

/// Sorts keys: so the server looks them up, and most often answers.
fn in_key_order(keys: &[Key]) -> Vec<Asked<'_>> {
    let mut asked: Vec<Asked<'_>> = keys.iter().map(Key::as_bytes).zip(0..).collect();
    asked.sort_unstable();
    asked
}

/// Goes on with what has not failed yet. The rows after a failure are passed over, so that the connection is fit for the next call.
fn and_then<T>(state: &mut Result<T, StoreError>, next: impl FnOnce(&mut T) -> Result<(), StoreError>) {
    if let Ok(found) = state
        && let Err(error) = next(found)
    {
        *state = Err(error);
    }
}

/// What was found of the keys of a statement.
struct Found<'k> {
    keys: &'k [Key],
    asked: &'k [Asked<'k>],
    /// How many of `asked` were passed.
    passed: usize,
    records: Vec<Option<Record>>,
}

impl<'k> Found<'k> {
    fn none_of(keys: &'k [Key], asked: &'k [Asked<'k>]) -> Self {
        Self {
            keys,
            asked,
            passed: 0,
            records: keys.iter().map(|_| None).collect(),
        }
    }

    /// Puts a record to every place where its key was asked for.
    fn take(&mut self, map: &MapName, row: &PgRow, now: Millis) -> Result<(), StoreError> {
        let stored = raw_filled(LOAD, row, 0)?;
        self.passed = self.first_of(stored);
        while let Some((key, place)) = self.asked.get(self.passed).copied()
            && key == stored
        {
            self.records[place] = visible(map, &self.keys[place], row, now)?;
            self.passed += 1;
        }
        Ok(())
    }

    /// Finds where a key begins in what was asked for: most often right behind the last one.
    fn first_of(&self, stored: &[u8]) -> usize {
        match self.asked.get(self.passed) {
            Some((key, _)) if *key == stored => self.passed,
            _ => self.asked.partition_point(|(key, _)| *key < stored),
        }
    }
}

fn visible(map: &MapName, key: &Key, row: &PgRow, now: Millis) -> Result<Option<Record>, StoreError> {
    let (version, body) = (raw_filled(LOAD, row, 1)?, raw_filled(LOAD, row, 2)?);
    let record = row::record(LOAD, (map, key), version, body, raw(LOAD, row, 3)?)?;
    let ended = record.expiry().persisted_end().is_some_and(|end| end <= now);
    Ok((record.is_tombstone() || !ended).then_some(record))
}

/// A page that comes in.
#[derive(Default)]
struct Page {
    rows: usize,
    records: Vec<(Key, Record)>,
    /// The last key, if it is none of a record that the reader may see.
    passed_over: Option<Key>,
}

impl Page {
    fn take(&mut self, map: &MapName, row: &PgRow) -> Result<(), StoreError> {
        self.rows += 1;
        let key = row::key(SCAN, map, raw_filled(SCAN, row, 0)?)?;
        let Some(body) = raw(SCAN, row, 2)? else {
            self.passed_over = Some(key);
            return Ok(());
        };
        let (version, value) = (raw_filled(SCAN, row, 1)?, raw(SCAN, row, 3)?);
        let record = row::record(SCAN, (map, &key), version, body, value)?;
        self.records.push((key, record));
        self.passed_over = None;
        Ok(())
    }

    /// A page of fewer rows than were asked for is the last.
    fn of(self, limit: usize) -> ScanPage {
        let mut page = ScanPage::default();
        if self.rows >= limit {
            let last = self.records.last().map(|(key, _)| key.clone());
            page.next = self.passed_over.or(last);
        }
        page.records = self.records;
        page
    }
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
