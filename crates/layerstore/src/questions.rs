//! Questions to a map by what its records hold.

use std::sync::Arc;

use layerstore_observer::MutationObserver;
use layerstore_query::{Answer, Index, LiveQuery, LiveQueryBuilder, Partitions, Path, Query};
use layerstore_record::{Key, Record};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::live::Live;
use crate::map::Map;
use crate::records::Records;

impl Records {
    /// Tells an observer of the map's mutations from now on, until [`remove_observer`](Self::remove_observer) or the end of the store.
    ///
    /// # Errors
    /// [`Error::ObserverName`] when the map has an observer, index or live query of that name.
    pub fn add_observer(&self, observer: Arc<dyn MutationObserver>) -> Result<(), Error> {
        Ok(self.observers().add(observer)?)
    }

    /// Takes an observer away that the map was given; tells whether there was one of that name. A mutation under way may still tell it.
    pub fn remove_observer(&self, name: &str) -> bool {
        self.observers().remove(name)
    }

    /// Adds an index, builds it from what is there while writes go on, and returns it. Queries use it from then on, until
    /// [`remove_index`](Self::remove_index) or the end of the store; it is not kept beyond that.
    ///
    /// # Errors
    /// [`Error::ObserverName`] when the map has an index or live query of that name; [`Error::Query`] when it cannot be built: it is then
    /// taken away again.
    pub async fn add_index(&self, index: Index) -> Result<Arc<Index>, Error> {
        let (index, observers) = (Arc::new(index), self.observers());
        observers.add_index(&index)?;
        if let Err(error) = index.build(&self.as_partitions()).await {
            observers.remove_index(index.name());
            return Err(error.into());
        }
        Ok(index)
    }

    /// Builds an index of the map anew, after a [reset](layerstore_query::Phase::Doubtful).
    ///
    /// # Errors
    /// [`Error::Query`] when it cannot be built; it is not used then.
    pub async fn rebuild_index(&self, index: &Index) -> Result<(), Error> {
        index.build(&self.as_partitions()).await?;
        Ok(())
    }

    /// Takes an index away; tells whether there was one of that name.
    pub fn remove_index(&self, name: &str) -> bool {
        self.observers().remove_index(name)
    }

    /// Answers a query, by an index where one serves and by reading everything where none does; the answer says which.
    ///
    /// # Errors
    /// [`Error::Records`] when records cannot be read: an answer is whole or an error.
    pub async fn query(&self, query: &Query) -> Result<Answer, Error> {
        let indexes = self.observers().indexes();
        Ok(query.run(&self.as_partitions(), &indexes).await?)
    }

    /// Begins a live query under a name, with default bounds.
    ///
    /// # Errors
    /// As [`live_with`](Self::live_with).
    pub async fn live(&self, name: impl Into<String>, query: Query) -> Result<Live, Error> {
        self.live_with(LiveQuery::builder(name, self.name().clone(), query))
            .await
    }

    /// Begins a live query with bounds of your own, by the clock of the store.
    ///
    /// # Errors
    /// [`Error::ObserverName`] when the map has an index or live query of that name; [`Error::Query`] when it cannot be built, as when it
    /// means more records than it may hold.
    pub async fn live_with(&self, live: LiveQueryBuilder) -> Result<Live, Error> {
        Live::begin(live.clock(self.clock()).build(), self.clone()).await
    }

    pub(crate) fn as_partitions(&self) -> Partitions {
        Partitions::new(self.stores().iter().cloned())
    }
}

impl<T: Serialize + DeserializeOwned> Map<T> {
    /// Adds an index that finds what equals a value at a path: see [`Records::add_index`].
    ///
    /// # Errors
    /// As [`Records::add_index`].
    pub async fn add_hash_index(
        &self,
        name: impl Into<String>,
        path: impl Into<Path>,
    ) -> Result<Arc<Index>, Error> {
        let index = Index::hash(name, self.name().clone(), path);
        self.records().add_index(index).await
    }

    /// Adds an index that finds ranges and prefixes at a path as well: see [`Records::add_index`].
    ///
    /// # Errors
    /// As [`Records::add_index`].
    pub async fn add_ordered_index(
        &self,
        name: impl Into<String>,
        path: impl Into<Path>,
    ) -> Result<Arc<Index>, Error> {
        let index = Index::ordered(name, self.name().clone(), path);
        self.records().add_index(index).await
    }

    /// Answers a query; [`Records::query`] says how the answer was found.
    ///
    /// # Errors
    /// [`Error::Decode`] when a value is not a `T`; and as [`Records::query`].
    pub async fn query(&self, query: &Query) -> Result<Vec<(Key, T)>, Error> {
        let answer = self.records().query(query).await?;
        let records = answer.records.into_iter();
        records
            .map(|(key, record)| Ok((key.clone(), self.value_of(&key, &record)?)))
            .collect()
    }

    /// Begins a live query under a name: see [`Records::live`]. [`value_of`](Self::value_of) reads the records that it gives.
    ///
    /// # Errors
    /// As [`Records::live`].
    pub async fn live(&self, name: impl Into<String>, query: Query) -> Result<Live, Error> {
        self.records().live(name, query).await
    }

    /// Reads the value of a record of this map.
    ///
    /// # Errors
    /// [`Error::Decode`] when it is not a `T`, [`Error::NotPlain`].
    pub fn value_of(&self, key: &Key, record: &Record) -> Result<T, Error> {
        self.decode(key, record)
    }
}
