//! Layer 2 of Layerstore: order, metadata, expiry, eviction, provenance, merge and observers over an engine and a data store
