//! What the intake waits with: of the standard library here, of loom where its every interleaving is tried.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
