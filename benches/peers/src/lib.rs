//! Layerstore side by side with what one would pick instead of it: concurrent maps, and caches in memory.
//!
//! A package of its own, outside the workspace: no ordinary build compiles what is only measured against.

pub mod simulated;
