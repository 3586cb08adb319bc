//! Layer 1 of Layerstore: the storage engine trait and a concurrent in-memory hash map engine
