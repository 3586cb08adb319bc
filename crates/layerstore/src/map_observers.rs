use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use layerstore_observer::{CompositeObserver, Mutation, MutationObserver, NameTaken, ObserverError};
use layerstore_query::Index;

/// Who is told of the mutations of one map: the observers of the whole store, and those that the map was given while it was open.
pub(crate) struct MapObservers {
    of_store: Option<Arc<dyn MutationObserver>>,
    own: CompositeObserver,
    /// Whether there was ever one of its own: until then a write does not look.
    has_own: AtomicBool,
    /// Those of its own that queries can use. Held only to copy the list or change it.
    indexes: Mutex<Vec<Arc<Index>>>,
}

impl MapObservers {
    pub(crate) fn new(of_store: Option<Arc<dyn MutationObserver>>) -> Self {
        Self {
            of_store,
            own: CompositeObserver::new("map"),
            has_own: AtomicBool::new(false),
            indexes: Mutex::default(),
        }
    }

    pub(crate) fn add(&self, observer: Arc<dyn MutationObserver>) -> Result<(), NameTaken> {
        self.own.add(observer)?;
        self.has_own.store(true, Ordering::Release);
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
        look(&mut self.indexes.lock().unwrap_or_else(PoisonError::into_inner))
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
}
