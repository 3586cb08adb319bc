//! Mutation observers of Layerstore: the trait, a composite, a metrics observer and a change feed
