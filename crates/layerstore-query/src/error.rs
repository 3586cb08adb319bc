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
