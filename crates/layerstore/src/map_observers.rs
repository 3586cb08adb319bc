use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use layerstore_observer::{CompositeObserver, Mutation, MutationObserver, NameTaken, ObserverError};
use layerstore_query::Index;
use layerstore_record::{MapName, Version};

/// Who is told of the mutations of one map: the observers of the whole store, and those that the map was given while it was open.
pub(crate) struct MapObservers {
    of_store: Option<Arc<dyn MutationObserver>>,
    own: CompositeObserver,
    /// Whether there was ever one of its own: until then a write does not look.
    has_own: AtomicBool,
    /// Those of its own that queries can use. Held only to copy the list or change it.
    indexes: Mutex<Vec<Arc<Index>>>,
    /// Up to where removals may be forgotten, for those of its own that come later.
    forgotten: Mutex<Option<(MapName, Version)>>,
}

impl MapObservers {
    pub(crate) fn new(of_store: Option<Arc<dyn MutationObserver>>) -> Self {
        Self {
            of_store,
            own: CompositeObserver::new("map"),
            has_own: AtomicBool::new(false),
            indexes: Mutex::default(),
            forgotten: Mutex::default(),
        }
    }

    pub(crate) fn add(&self, observer: Arc<dyn MutationObserver>) -> Result<(), NameTaken> {
        self.own.add(Arc::clone(&observer))?;
        self.has_own.store(true, Ordering::Release);
        // Read once it is among them: what is forgotten from here on it is told with the others.
        let forgotten = lock(&self.forgotten).clone();
        if let Some((map, up_to)) = forgotten {
            observer.removals_forgotten(&map, up_to);
        }
        Ok(())
    }

    pub(crate) fn add_index(&self, index: &Arc<Index>) -> Result<(), NameTaken> {
        self.add(Arc::clone(index) as _)?;
        self.with_indexes(|indexes| indexes.push(Arc::clone(index)));
        Ok(())
    }

    /// Takes an index away; tells whether there was one of that name.
    pub(crate) fn remove_index(&self, name: &str) -> bool {
        self.indexes().iter().any(|index| index.name() == name) && self.remove(name)
    }

    /// Takes away what is told under this name, an index included.
    pub(crate) fn remove(&self, name: &str) -> bool {
        self.with_indexes(|indexes| indexes.retain(|index| index.name() != name));
        self.own.remove(name).is_some()
    }

    pub(crate) fn indexes(&self) -> Vec<Arc<Index>> {
        self.with_indexes(|indexes| indexes.clone())
    }

    fn with_indexes<R>(&self, look: impl FnOnce(&mut Vec<Arc<Index>>) -> R) -> R {
        look(&mut lock(&self.indexes))
    }
}

#[deny(clippy::missing_trait_methods)]
impl MutationObserver for MapObservers {
    fn name(&self) -> &str {
        self.of_store
            .as_ref()
            .map_or(self.own.name(), |store| store.name())
    }

    fn listens(&self) -> bool {
        self.of_store.as_ref().is_some_and(|store| store.listens()) || self.has_own.load(Ordering::Acquire)
    }

    fn on_mutation(&self, mutation: &Mutation<'_>) -> Result<(), ObserverError> {
        let of_store = match &self.of_store {
            Some(store) => store.on_mutation(mutation),
            None => Ok(()),
        };
        if !self.has_own.load(Ordering::Acquire) {
            return of_store;
        }
        match (of_store, self.own.on_mutation(mutation)) {
            (Err(mut first), Err(second)) => {
                first.further += second.failures();
                Err(first)
            }
            (first, second) => first.and(second),
        }
    }

    fn removals_forgotten(&self, map: &MapName, up_to: Version) {
        {
            let mut forgotten = lock(&self.forgotten);
            let before = forgotten.as_ref().map_or(Version::ZERO, |(_, before)| *before);
            *forgotten = Some((map.clone(), before.max(up_to)));
        }
        if let Some(store) = &self.of_store {
            store.removals_forgotten(map, up_to);
        }
        self.own.removals_forgotten(map, up_to);
    }
}

/// Takes a lock whose holders leave whole what it protects, even where one panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
