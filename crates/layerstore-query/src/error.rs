use layerstore_record::MapName;
use layerstore_record_store::RecordStoreError;
use thiserror::Error;

/// Why there is no answer.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum QueryError {
    /// Records could not be read.
    #[error(transparent)]
    Records(#[from] RecordStoreError),
    /// What an index or a live query holds can no longer be believed.
    #[error("{name:?} cannot be used: {why}; build it anew")]
    Doubtful {
        /// The index or the live query.
        name: String,
        /// What happened.
        why: &'static str,
    },
    /// An index or a live query of one map was to be built from the records of another, of whose mutations it would take no notice.
    #[error("{name:?} is of map {own:?} and cannot be built from the records of map {other:?}")]
    OtherMap {
        /// The index or the live query.
        name: String,
        /// The map that it is of.
        own: MapName,
        /// The map that it was to be built from.
        other: MapName,
    },
    /// A live query means more records than it may hold.
    #[error(
        "the live query {name:?} means more than the {max} records that it may hold: ask for fewer, or raise max_records"
    )]
    TooMany {
        /// The live query.
        name: String,
        /// How many it may hold.
        max: usize,
    },
}
