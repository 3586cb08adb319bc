use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{Stream, StreamExt};
use layerstore_data_store::ScanRequest;
use layerstore_observer::ObserverError;
use layerstore_record::{Key, MapName, Record, Version, from_value, to_value};
use layerstore_record_store::{Compute, NewValue, RecordErrorKind, RecordStoreError, TryGet, WriteOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::into_key::IntoKey;
use crate::records::Records;
use crate::set::Set;
use crate::single_flight::SingleFlight;

/// How many records a page of [`Map::entries`] has: some 256 KB of typical records.
const PAGE: usize = 1_000;

/// A map whose values are read and written as `T`. Cheap to clone.
///
/// Values go through serde: `T` is a struct, an enum, a collection, or [`Value`](layerstore_record::Value) itself. A write
/// stands even if an observer fails; that error is logged and counted, and [`records`](Self::records) returns it.
pub struct Map<T> {
    records: Records,
    inserting: Arc<SingleFlight>,
    // A map makes and takes values of T, and holds none.
    values: PhantomData<fn(T) -> T>,
}

impl<T: Serialize + DeserializeOwned> Map<T> {
    pub(crate) fn new(records: Records) -> Self {
        Self {
            inserting: records.inserting(),
            records,
            values: PhantomData,
        }
    }

    /// Returns the map's name.
    #[must_use]
    pub fn name(&self) -> &MapName {
        self.records.name()
    }

    /// Returns the records as they are: values without a type, versions, the whole outcome of each write.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Writes a value without looking at what was there; await it, after setting how long the record lives.
    ///
    /// ```
    /// # async fn example(users: layerstore::Map<String>) -> Result<(), layerstore::Error> {
    /// use std::time::Duration;
    ///
    /// let version = users.set("alice", &"Alice".to_owned()).ttl(Duration::from_secs(3_600)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set(&self, key: impl IntoKey, value: &T) -> Set<'_> {
        let value = key.into_key().map_err(Error::from).and_then(|key| {
            let value = self.encode(&key, value)?;
            Ok((key, value))
        });
        Set::new(&self.records, value)
    }

    /// Writes a value and returns the one that it replaces, which is loaded when it is not in memory.
    ///
    /// # Errors
    /// As [`set`](Self::set); [`Error::Decode`] when what was there is not a `T`: the write stands even so.
    pub async fn put(&self, key: impl IntoKey, value: &T) -> Result<Option<T>, Error> {
        let key = key.into_key()?;
        let value = self.encode(&key, value)?;
        let outcome = self.records.put(&key, value, &WriteOptions::new()).await?;
        log(self.name(), outcome.observer_error.as_ref());
        self.decode_some(&key, outcome.value.as_deref())
    }

    /// Reads a value, from memory or the data store.
    ///
    /// # Errors
    /// [`Error::Decode`] when it is not a `T`; [`Error::Records`] when it has to be loaded and cannot be.
    pub async fn get(&self, key: impl IntoKey) -> Result<Option<T>, Error> {
        let key = key.into_key()?;
        let record = self.records.get(&key).await?;
        self.decode_some(&key, record.as_deref())
    }

    /// Reads a value as far as memory knows. Synchronous, without I/O: the hot path of a reader who wants a `T`.
    /// Who gets [`NeedsLoad`](TryGet::NeedsLoad) asks again with [`get`](Self::get).
    ///
    /// # Errors
    /// [`Error::Decode`] when it is not a `T`.
    pub fn try_get(&self, key: impl IntoKey) -> Result<TryGet<T>, Error> {
        let key = key.into_key()?;
        match self.records.try_get(&key) {
            TryGet::Hit(record) => Ok(TryGet::Hit(self.decode(&key, &record)?)),
            TryGet::Absent => Ok(TryGet::Absent),
            TryGet::NeedsLoad => Ok(TryGet::NeedsLoad),
        }
    }

    /// Reads a record in place as far as memory knows, and returns what `look` makes of it: no `T` is made, nothing is copied. Synchronous,
    /// without I/O; see [`Records::read`] for what `look` may do.
    ///
    /// ```
    /// # fn example(users: &layerstore::Map<std::collections::BTreeMap<String, String>>) -> Result<(), layerstore::Error> {
    /// use layerstore::Value;
    ///
    /// let is_admin = users.read("alice", |record| {
    ///     let role = record.value().value().and_then(|value| value.at(["role"]));
    ///     role == Some(&Value::from("admin"))
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidKey`] when the key cannot be one.
    pub fn read<R>(&self, key: impl IntoKey, look: impl FnOnce(&Record) -> R) -> Result<TryGet<R>, Error> {
        Ok(self.records.read(&key.into_key()?, look))
    }

    /// Reads several values, in the order given, with one load of what is not in memory.
    ///
    /// # Errors
    /// As [`get`](Self::get): one for all.
    pub async fn get_many<K: IntoKey>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Option<T>>, Error> {
        let keys = keys
            .into_iter()
            .map(IntoKey::into_key)
            .collect::<Result<Vec<_>, _>>()?;
        let records = self.records.get_all(&keys).await?;
        let found = keys.iter().zip(&records);
        found
            .map(|(key, record)| self.decode_some(key, record.as_deref()))
            .collect()
    }

    /// Writes several values with one call of the data store; a version or an error a record, in the order given.
    ///
    /// # Errors
    /// Nothing is written when a key or value cannot be, or the map cannot be claimed.
    pub async fn put_many<'a, K: IntoKey>(
        &self,
        records: impl IntoIterator<Item = (K, &'a T)>,
    ) -> Result<Vec<Result<Version, Error>>, Error>
    where
        T: 'a,
    {
        let records = records.into_iter().map(|(key, value)| {
            let key = key.into_key()?;
            let value = self.encode(&key, value)?;
            Ok((key, value))
        });
        let records = records.collect::<Result<Vec<_>, Error>>()?;
        let written = self.records.put_all(records, &WriteOptions::new()).await?;
        let version = |result: Result<layerstore_record_store::Outcome<()>, _>| {
            let outcome = result.map_err(Error::from)?;
            log(self.name(), outcome.observer_error.as_ref());
            Ok(outcome.version.unwrap_or_default())
        };
        Ok(written.into_iter().map(version).collect())
    }

    /// Tells whether there is a record.
    ///
    /// # Errors
    /// [`Error::Records`] when it has to be loaded and cannot be.
    pub async fn contains(&self, key: impl IntoKey) -> Result<bool, Error> {
        self.records.contains(&key.into_key()?).await
    }

    /// Removes a record everywhere, and returns its value.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn remove(&self, key: impl IntoKey) -> Result<Option<T>, Error> {
        let key = key.into_key()?;
        let outcome = self.records.remove(&key).await?;
        log(self.name(), outcome.observer_error.as_ref());
        self.decode_some(&key, outcome.value.as_deref())
    }

    /// Decides in one step what becomes of a value, knowing it: `None` stands for none, on the way in and out.
    /// Returns the value that is there afterwards.
    ///
    /// The closure may be called again when the data store turns out to hold something newer, and must not use the store.
    ///
    /// # Errors
    /// [`Error::Decode`], [`Error::Encode`] with nothing written; [`Error::Records`].
    pub async fn update<F>(&self, key: impl IntoKey, mut change: F) -> Result<Option<T>, Error>
    where
        F: FnMut(Option<T>) -> Option<T> + Send + 'static,
    {
        let key = key.into_key()?;
        let failed: Arc<Mutex<Option<Error>>> = Arc::default();
        let compute = {
            let (map, key, failed) = (self.name().clone(), key.clone(), Arc::clone(&failed));
            move |record: Option<&Arc<Record>>| {
                let old = record.map(|record| decode(&map, &key, record)).transpose();
                let decision = old.and_then(|old| match change(old) {
                    Some(new) => Ok(Compute::Put(encode(&map, &key, &new)?)),
                    None if record.is_some() => Ok(Compute::Remove),
                    None => Ok(Compute::Keep),
                });
                let (decision, error) = match decision {
                    Ok(decision) => (decision, None),
                    Err(error) => (Compute::Keep, Some(error)),
                };
                *failed.lock().unwrap_or_else(PoisonError::into_inner) = error;
                decision
            }
        };
        let outcome = self.records.compute(&key, compute).await?;
        log(self.name(), outcome.observer_error.as_ref());
        if let Some(error) = failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        self.decode_some(&key, outcome.value.as_deref())
    }

    /// Reads a value, or makes it, writes it and returns it. Of several callers at once one makes it, and all get the same.
    ///
    /// `make` takes as long as it takes; those who wait for another caller's wait up to the map's load deadline (10 s unless
    /// set). When the maker fails or goes away, the next of them makes it.
    ///
    /// # Errors
    /// As [`get`](Self::get) and [`set`](Self::set), and what `make` returns;
    /// [`Deadline`](layerstore_record_store::RecordErrorKind::Deadline) when another caller is still making the value.
    pub async fn get_or_insert_with<F, E>(&self, key: impl IntoKey, make: F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        let key = key.into_key().map_err(Error::from)?;
        if let Some(value) = self.get(&key).await? {
            return Ok(value);
        }
        let patience = self.records.config().load_deadline;
        let turn = tokio::time::timeout(patience, self.inserting.turn(&key)).await;
        let _turn = turn.map_err(|_| self.still_made(&key, patience))?;
        // Whoever came before us may have made it.
        if let Some(value) = self.get(&key).await? {
            return Ok(value);
        }
        let made = make.await?;
        let value = self.encode(&key, &made)?;
        let outcome = self
            .records
            .put_if_absent(&key, value, &WriteOptions::new())
            .await?;
        log(self.name(), outcome.observer_error.as_ref());
        match outcome.value {
            // Another writer was faster: what it wrote stands.
            Some(record) => Ok(self.decode(&key, &record)?),
            None => Ok(made),
        }
    }

    /// Reads all records, in the byte order of their keys. An error ends the stream, never early and quietly.
    pub fn entries(&self) -> impl Stream<Item = Result<(Key, T), Error>> + Send + use<T> {
        let map = self.name().clone();
        self.records.scan(&ScanRequest::first(PAGE)).map(move |read| {
            let (key, record) = read?;
            let value = decode(&map, &key, &record)?;
            Ok((key, value))
        })
    }

    /// Reads a record as it is: value, version, times and expiry, without a copy.
    ///
    /// # Errors
    /// [`Error::Records`] when it has to be loaded and cannot be.
    pub async fn record(&self, key: impl IntoKey) -> Result<Option<Arc<Record>>, Error> {
        self.records.get(&key.into_key()?).await
    }

    /// Counts the records by reading through all of them.
    ///
    /// # Errors
    /// [`Error::Records`] when they cannot all be read.
    pub async fn count(&self) -> Result<u64, Error> {
        self.records.count().await
    }

    /// Removes every record of the map, everywhere.
    ///
    /// # Errors
    /// [`Error::Records`]; some records may be gone even so: a repeated call finishes the work.
    pub async fn clear(&self) -> Result<(), Error> {
        self.records.delete_all().await.map(drop)
    }

    fn still_made(&self, key: &Key, waited: Duration) -> Error {
        let what = format!(
            "waited {waited:?} for another caller to make the value: try again, or raise load_deadline of the map"
        );
        let kind = RecordErrorKind::Deadline;
        RecordStoreError::new(kind, "get_or_insert_with", self.name(), what)
            .at_key(key)
            .into()
    }

    fn encode(&self, key: &Key, value: &T) -> Result<NewValue, Error> {
        encode(self.name(), key, value)
    }

    pub(crate) fn decode(&self, key: &Key, record: &Record) -> Result<T, Error> {
        decode(self.name(), key, record)
    }

    fn decode_some(&self, key: &Key, record: Option<&Record>) -> Result<Option<T>, Error> {
        record.map(|record| self.decode(key, record)).transpose()
    }
}

impl<T> Clone for Map<T> {
    fn clone(&self) -> Self {
        Self {
            records: self.records.clone(),
            inserting: Arc::clone(&self.inserting),
            values: PhantomData,
        }
    }
}

fn encode<T: Serialize>(map: &MapName, key: &Key, value: &T) -> Result<NewValue, Error> {
    let value = to_value(value).map_err(|source| Error::Encode {
        map: map.clone(),
        key: key.clone(),
        source,
    })?;
    Ok(NewValue::from(value))
}

fn decode<T: DeserializeOwned>(map: &MapName, key: &Key, record: &Record) -> Result<T, Error> {
    let Some(value) = record.value().value() else {
        return Err(Error::NotPlain {
            map: map.clone(),
            key: key.clone(),
        });
    };
    from_value(value).map_err(|source| Error::Decode {
        map: map.clone(),
        key: key.clone(),
        source,
    })
}

/// Says in the log that an observer failed: the write stands, so that it is no error of the verb.
pub(crate) fn log(map: &MapName, error: Option<&ObserverError>) {
    if let Some(error) = error {
        tracing::warn!(%map, %error, "the write stands, and an observer failed");
    }
}
