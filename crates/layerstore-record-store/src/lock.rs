use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex; a panic of an earlier holder does not matter, since no holder leaves its data half changed.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
