//! Layerstore side by side with what one would pick instead of it: concurrent maps, and caches in memory.
//!
//! A package of its own, outside the workspace: no ordinary build compiles what is only measured against.

mod caches;
mod maps;
pub mod simulated;
mod store;
mod subject;
mod workload;

pub use caches::{Foyer, MiniMoka, Moka, QuickCache};
pub use maps::{Dashmap, Papaya, Scc};
pub use store::Store;
pub use subject::{Fresh, Subject};
pub use workload::{Load, Workload};
