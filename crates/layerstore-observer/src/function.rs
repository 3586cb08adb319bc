use std::fmt;

use crate::mutation::Mutation;
use crate::observer::{MutationObserver, ObserverError};

/// Makes an observer of a closure.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use layerstore_observer::{FnObserver, Mutation, MutationEvent, MutationObserver};
/// use layerstore_record::{MapName, Provenance};
///
/// let clears = AtomicU64::new(0);
/// let observer = FnObserver::new("clears", move |mutation: &Mutation<'_>| {
///     if let MutationEvent::Clear { .. } = mutation.event {
///         clears.fetch_add(1, Ordering::Relaxed);
///     }
///     Ok(())
/// });
/// let map = MapName::new("users")?;
/// let mutation = Mutation::new(&map, Provenance::Client, MutationEvent::Clear { resident: 3 });
/// assert!(observer.on_mutation(&mutation).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FnObserver<F> {
    name: String,
    observe: F,
}

impl<F> FnObserver<F>
where
    F: Fn(&Mutation<'_>) -> Result<(), ObserverError> + Send + Sync + 'static,
{
    /// Gives the closure a name.
    #[must_use]
    pub fn new(name: impl Into<String>, observe: F) -> Self {
        Self {
            name: name.into(),
            observe,
        }
    }
}

impl<F> MutationObserver for FnObserver<F>
where
    F: Fn(&Mutation<'_>) -> Result<(), ObserverError> + Send + Sync + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn on_mutation(&self, mutation: &Mutation<'_>) -> Result<(), ObserverError> {
        (self.observe)(mutation)
    }
}

impl<F> fmt::Debug for FnObserver<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnObserver")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
