//! Reading: hot first, cold where hot has a stub, and hot again where the two do not agree.

use std::sync::Arc;

use layerstore_data_store::{ErrorKind, Include, ScanPage, ScanRequest, StoreError};
use layerstore_record::{Key, MapName, Record, Version};

use crate::convert::{STORE, Tier, lost, of_tier, unknown_form};
use crate::copy::{self, Copied};
use crate::form::{Form, form};
use crate::store::TieredDataStore;

/// How often a key is read anew when it was written while it was read: far more often than writers are that quick.
const TRIES: usize = 64;

/// What a key holds, and where it lies.
pub(crate) enum Found {
    /// Nothing.
    Nothing,
    /// A record or a tombstone, in hot.
    Hot(Record),
    /// A record, in cold.
    Cold(Arc<Record>),
}

impl Found {
    fn into_record(self) -> Option<Record> {
        match self {
            Self::Nothing => None,
            Self::Hot(record) => Some(record),
            // Shared only while the record is brought back.
            Self::Cold(record) => Some(Arc::try_unwrap(record).unwrap_or_else(|record| whole_copy(&record))),
        }
    }
}

impl TieredDataStore {
    pub(crate) async fn read(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
        let found = self.find("load", map, key).await?;
        self.promote_found(map, &[(key, &found)]).await;
        Ok(found.into_record())
    }

    pub(crate) async fn read_all(
        &self,
        map: &MapName,
        keys: &[Key],
    ) -> Result<Vec<Option<Record>>, StoreError> {
        let found = self.find_all("load_all", map, keys).await?;
        let keyed: Vec<_> = keys.iter().zip(&found).collect();
        self.promote_found(map, &keyed).await;
        Ok(found.into_iter().map(Found::into_record).collect())
    }

    /// Reads a page of hot, and what it has stubs of from cold.
    pub(crate) async fn read_page(
        &self,
        map: &MapName,
        request: ScanRequest,
    ) -> Result<ScanPage, StoreError> {
        let operation = "scan_page";
        let include = request.include;
        let mut page = ScanPage::default();
        let below = self.hot.scan_page(map, request).await;
        let below = below.map_err(|error| of_tier(Tier::Hot, operation, error))?;
        page.next = below.next;
        let (keys, records): (Vec<_>, Vec<_>) = below.records.into_iter().unzip();
        let records = records.into_iter().map(Some).collect();
        let found = self.resolve(operation, map, &keys, records).await?;
        for (key, found) in keys.into_iter().zip(found) {
            // A key that was removed since the page was read may be there as a tombstone.
            let record = found.into_record();
            let wanted = record.filter(|record| include == Include::Tombstones || !record.is_tombstone());
            page.records.extend(wanted.map(|record| (key, record)));
        }
        Ok(page)
    }

    pub(crate) async fn find_all(
        &self,
        operation: &'static str,
        map: &MapName,
        keys: &[Key],
    ) -> Result<Vec<Found>, StoreError> {
        let records = self.hot.load_all(map, keys).await;
        let records = records.map_err(|error| of_tier(Tier::Hot, operation, error))?;
        self.resolve(operation, map, keys, records).await
    }

    /// Reads from cold what hot has stubs of; what does not agree is read anew, key by key.
    async fn resolve(
        &self,
        operation: &'static str,
        map: &MapName,
        keys: &[Key],
        records: Vec<Option<Record>>,
    ) -> Result<Vec<Found>, StoreError> {
        let mut found = Vec::with_capacity(records.len());
        let (mut archived, mut places) = (Vec::new(), Vec::new());
        for (place, (key, record)) in keys.iter().zip(records).enumerate() {
            match record
                .map(|record| known(operation, map, key, record))
                .transpose()?
            {
                None => found.push(Found::Nothing),
                Some(Form::Whole(record)) => found.push(Found::Hot(record)),
                Some(Form::Stub(stub)) => {
                    archived.push(key.clone());
                    places.push((place, stub.version()));
                    found.push(Found::Nothing);
                }
            }
        }
        if archived.is_empty() {
            return Ok(found);
        }
        let rows = self.cold.load_all(map, &archived).await;
        let rows = rows.map_err(|error| of_tier(Tier::Cold, operation, error))?;
        for (((place, version), key), row) in places.into_iter().zip(&archived).zip(rows) {
            found[place] = match row.and_then(|row| copy::read(&row).of_version(version)) {
                Some(record) => Found::Cold(Arc::new(record)),
                None => self.find(operation, map, key).await?,
            };
        }
        Ok(found)
    }

    /// Reads one key, as often as it takes for hot and cold to agree.
    ///
    /// A stub whose copy is not in cold was overtaken between the two reads: what supersedes it is in hot by then. If hot still
    /// has the same stub, its copy was there throughout: that it is not means that it is lost.
    async fn find(&self, operation: &'static str, map: &MapName, key: &Key) -> Result<Found, StoreError> {
        let mut missed: Option<Version> = None;
        for _ in 0..TRIES {
            let record = self.hot.load(map, key).await;
            let Some(record) = record.map_err(|error| of_tier(Tier::Hot, operation, error))? else {
                return Ok(Found::Nothing);
            };
            let stub = match known(operation, map, key, record)? {
                Form::Whole(record) => return Ok(Found::Hot(record)),
                Form::Stub(stub) => stub.version(),
            };
            let row = self.cold.load(map, key).await;
            let row = row.map_err(|error| of_tier(Tier::Cold, operation, error))?;
            match row.as_ref().map(copy::read) {
                Some(Copied::Record(record)) if record.version() == stub => {
                    return Ok(Found::Cold(Arc::new(record)));
                }
                Some(Copied::Unreadable(Some(damage))) if missed == Some(stub) => {
                    return Err(lost(operation, map, key).because(damage));
                }
                _ if missed == Some(stub) => return Err(lost(operation, map, key)),
                _ => missed = Some(stub),
            }
        }
        let what = "the record was written again each time it was read: try again";
        let error = StoreError::new(ErrorKind::Unavailable, STORE, operation, what);
        Err(error.in_map(map).at_key(key))
    }
}

fn known(operation: &'static str, map: &MapName, key: &Key, record: Record) -> Result<Form, StoreError> {
    form(record).ok_or_else(|| unknown_form(operation, map, key))
}

/// Copies a record; the value itself is shared.
fn whole_copy(record: &Record) -> Record {
    let copy = Record::builder(record.value().clone(), record.version())
        .created(record.created())
        .updated(record.updated())
        .expiry(record.expiry());
    match record.last_stored() {
        Some(at) => copy.stored(at).build(),
        None => copy.build(),
    }
}
