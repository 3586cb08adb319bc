use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use layerstore_observer::MutationObserver;
use layerstore_query::{LiveQuery, QueryError};

use crate::error::Error;
use crate::map_observers::MapObservers;
use crate::records::Records;

/// A live query of an open map: subscribers follow its result. Dropping it ends it, and its subscribers come to the end.
pub struct Live {
    query: Arc<LiveQuery>,
    observers: Arc<MapObservers>,
    records: Records,
}

impl Live {
    pub(crate) async fn begin(query: LiveQuery, records: Records) -> Result<Self, Error> {
        let (query, observers) = (Arc::new(query), records.observers());
        observers.add(Arc::clone(&query) as _)?;
        // From here on it is taken away again by being dropped, whatever happens.
        let live = Self {
            query,
            observers,
            records,
        };
        live.rebuild().await?;
        Ok(live)
    }

    /// Builds the result anew from what is there, after a reset or when there were too many records.
    ///
    /// # Errors
    /// [`QueryError`] as [`LiveQuery::build`].
    pub async fn rebuild(&self) -> Result<(), QueryError> {
        self.query.build(&self.records.as_partitions()).await.map(drop)
    }
}

impl Deref for Live {
    type Target = Arc<LiveQuery>;

    fn deref(&self) -> &Arc<LiveQuery> {
        &self.query
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.observers.remove(self.query.name());
        self.query.close();
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.query.fmt(f)
    }
}
