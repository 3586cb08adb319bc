use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use layerstore_observer::MutationObserver;
use layerstore_record::{Key, MapName};
use layerstore_record_store::{
    BuildError, Partition, RecordStore, RecordStoreConfig, RecordStoreError, RecordStoreFactory,
    RecordStoreStats,
};
use tokio::sync::OnceCell;

use crate::map_observers::MapObservers;
use crate::settings::Resolved;
use crate::single_flight::SingleFlight;

/// The record stores of one map, and which key belongs to which.
///
/// The partition of a key is a hash of its bytes that never changes ([`Partition::index_of`]) modulo their number. Nothing
/// of it is stored: the data store knows no partitions, so that their number may change between opens.
pub(crate) struct Partitions {
    map: MapName,
    stores: Vec<Arc<dyn RecordStore>>,
    /// Set once the map was claimed for writing in the data store.
    claimed: OnceCell<()>,
    inserting: Arc<SingleFlight>,
    observers: Arc<MapObservers>,
    config: RecordStoreConfig,
}

/// Items that belong to several partitions, and where each stood.
pub(crate) struct Groups<T>(Vec<Group<T>>);

/// Items of one partition.
pub(crate) struct Group<T> {
    pub(crate) store: Arc<dyn RecordStore>,
    pub(crate) items: Vec<T>,
    places: Vec<usize>,
}

impl Partitions {
    /// Makes the stores of a map.
    pub(crate) fn create(
        map: &MapName,
        settings: &Resolved,
        factory: &RecordStoreFactory,
        observer: Option<&Arc<dyn MutationObserver>>,
    ) -> Result<Self, BuildError> {
        let partitions =
            (0..settings.partitions).filter_map(|index| Partition::new(index, settings.partitions).ok());
        let observers = Arc::new(MapObservers::new(observer.cloned()));
        let store = |partition| {
            let observer = Arc::clone(&observers) as Arc<dyn MutationObserver>;
            let store = factory.create(map, partition, settings.records.clone(), Some(observer))?;
            Ok(Arc::new(store) as Arc<dyn RecordStore>)
        };
        Ok(Self {
            map: map.clone(),
            stores: partitions.map(store).collect::<Result<_, BuildError>>()?,
            claimed: OnceCell::new(),
            inserting: Arc::default(),
            observers: Arc::clone(&observers),
            config: settings.records.clone(),
        })
    }

    pub(crate) fn map(&self) -> &MapName {
        &self.map
    }

    pub(crate) fn all(&self) -> &[Arc<dyn RecordStore>] {
        &self.stores
    }

    /// Returns what lets one caller at a time make the value of a key.
    pub(crate) fn inserting(&self) -> Arc<SingleFlight> {
        Arc::clone(&self.inserting)
    }

    /// Returns who is told of mutations.
    pub(crate) fn observers(&self) -> Arc<MapObservers> {
        Arc::clone(&self.observers)
    }

    /// Returns how the stores behave.
    pub(crate) fn config(&self) -> &RecordStoreConfig {
        &self.config
    }

    /// Returns the store of a key.
    pub(crate) fn of(&self, key: &Key) -> &Arc<dyn RecordStore> {
        match self.stores.as_slice() {
            [only] => only,
            stores => &stores[self.index_of(key)],
        }
    }

    /// Tells whether writes may go ahead.
    pub(crate) fn is_claimed(&self) -> bool {
        self.claimed.initialized()
    }

    /// Claims the map for writing, once; a claim that fails is tried again by the next writer.
    pub(crate) async fn claim(&self) -> Result<(), RecordStoreError> {
        let claim = || async {
            for store in &self.stores {
                store.init().await?;
            }
            Ok(())
        };
        self.claimed.get_or_try_init(claim).await.copied()
    }

    /// Sorts items by the partitions of their keys.
    pub(crate) fn group<T>(&self, items: impl IntoIterator<Item = T>, key: impl Fn(&T) -> &Key) -> Groups<T> {
        let empty = |store: &Arc<dyn RecordStore>| Group {
            store: Arc::clone(store),
            items: Vec::new(),
            places: Vec::new(),
        };
        let mut groups: Vec<_> = self.stores.iter().map(empty).collect();
        for (place, item) in items.into_iter().enumerate() {
            let group = &mut groups[self.index_of(key(&item))];
            group.items.push(item);
            group.places.push(place);
        }
        groups.retain(|group| !group.items.is_empty());
        Groups(groups)
    }

    /// Adds up what the stores have counted.
    pub(crate) fn stats(&self) -> RecordStoreStats {
        let mut stats = self.stores.iter().map(|store| store.stats());
        let first = stats.next().unwrap_or_default();
        stats.fold(first, |mut sum, one| {
            sum.hits += one.hits;
            sum.misses += one.misses;
            sum.loads += one.loads;
            sum.load_failures += one.load_failures;
            sum.loads_poisoned += one.loads_poisoned;
            sum.writes += one.writes;
            sum.rejected += one.rejected;
            sum.unknown += one.unknown;
            sum.stale_retries += one.stale_retries;
            sum.evictions += one.evictions;
            sum.expirations += one.expirations;
            sum.over_budget += one.over_budget;
            sum.observer_errors += one.observer_errors;
            sum.resident += one.resident;
            sum.cost += one.cost;
            sum.backups += one.backups;
            // The data store below is one for all partitions.
            sum.pending = sum.pending.max(one.pending);
            sum
        })
    }

    fn index_of(&self, key: &Key) -> usize {
        // There are at most MAX_PARTITIONS stores.
        let count = u32::try_from(self.stores.len()).unwrap_or(u32::MAX);
        usize::try_from(Partition::index_of(key, count)).unwrap_or_default()
    }
}

impl<T> Groups<T> {
    /// Puts the answers of the partitions into the order that the items came in.
    pub(crate) fn reassemble<R>(self, answers: Vec<Vec<R>>) -> Vec<R> {
        let places = self.0.into_iter().flat_map(|group| group.places);
        let mut placed: Vec<_> = places.zip(answers.into_iter().flatten()).collect();
        placed.sort_unstable_by_key(|(place, _)| *place);
        placed.into_iter().map(|(_, answer)| answer).collect()
    }
}

impl<T> Deref for Groups<T> {
    type Target = Vec<Group<T>>;

    fn deref(&self) -> &Vec<Group<T>> {
        &self.0
    }
}

impl<T> DerefMut for Groups<T> {
    fn deref_mut(&mut self) -> &mut Vec<Group<T>> {
        &mut self.0
    }
}
