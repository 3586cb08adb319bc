//! Layerstore records kept durably in an embedded key-value store in the process
