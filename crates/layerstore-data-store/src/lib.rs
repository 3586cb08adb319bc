//! Layer 3 of Layerstore: the map data store contract, its errors, backoff, breaker, and the null and in-memory stores
