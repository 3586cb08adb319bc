//! Keys, values, records, hybrid logical clock, merge rules and the versioned record codec of Layerstore
