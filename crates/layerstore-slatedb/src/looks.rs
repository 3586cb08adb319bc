//! Reading: from the database of a map that is held, and as it lies in the service where it is not.

use layerstore_data_store::StoreError;
use layerstore_embedded::KvDataStore;
use layerstore_kv::KvRead;
use layerstore_record::MapName;
use tokio::time::timeout;

use crate::errors::{STORE, closed, from_kv, late};
use crate::maps::{Held, is_lost};
use crate::store::SlateDataStore;
use crate::view::View;

impl SlateDataStore {
    /// Reads what is durable of a map that this store does not hold; `None` where there is no such map.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        operation: &'static str,
        map: &MapName,
        read: impl FnOnce(&dyn KvRead) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        self.look_at(operation, map, move |view| read(view)).await
    }

    /// The same, with all that the view can tell.
    pub(crate) async fn look_at<T: Send + 'static>(
        &self,
        operation: &'static str,
        map: &MapName,
        read: impl FnOnce(&View) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        let looking = self.look_at_leisure(operation, map, read);
        let looked = timeout(self.options.deadline, looking).await;
        looked.map_err(|_| late(operation, self.options.deadline.as_secs()).in_map(map))?
    }

    /// The same for as long as it takes; each of its steps has the deadline.
    pub(crate) async fn look_at_leisure<T: Send + 'static>(
        &self,
        operation: &'static str,
        map: &MapName,
        read: impl FnOnce(&View) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        let (site, options) = (self.ground(operation)?.site(map), self.options.clone());
        let _turn = self.looks.acquire().await;
        let task = tokio::task::spawn_blocking(move || {
            let view = site.look(&options).map_err(|error| from_kv(operation, error))?;
            view.map(|view| read(&view)).transpose()
        });
        let looked = task.await.unwrap_or_else(|_| Err(closed(operation)));
        looked.map_err(|error| error.in_store(STORE).in_map(map))
    }

    /// Reads a map: from its database where it is held, and as it lies in the service where not.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        map: &MapName,
        held: impl AsyncFnOnce(&KvDataStore) -> Result<T, StoreError>,
        looked: impl FnOnce(&dyn KvRead) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        if let Some(slot) = self.known(operation, map)?
            && let Some(Held { store, watch, .. }) = slot.held()
        {
            // A database that was taken over shows what was, as long as it does not hear of that.
            let read = match watch.check().await {
                Ok(()) => held(&store).await,
                Err(error) => Err(from_kv(operation, error)),
            };
            match read {
                // Taken over since: what others left is read below.
                Err(error) if is_lost(&error) => slot.fence(&store).await,
                read => return read.map(Some).map_err(|error| error.in_store(STORE).in_map(map)),
            }
        }
        self.look(operation, map, looked).await
    }
}
