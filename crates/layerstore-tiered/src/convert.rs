//! Errors of the two stores in the words of the one: the one place where they are converted.

use layerstore_data_store::{ErrorKind, FlushError, Outcome, StoreError, WriteResult};
use layerstore_record::{Key, MapName};

/// How errors, spans and metrics name this store.
pub(crate) const STORE: &str = "tiered";

/// One of the two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tier {
    Hot,
    Cold,
}

/// Converts an error of one of the two; kind, outcome, map and key stay, and so does whether to retry.
pub(crate) fn of_tier(tier: Tier, operation: &'static str, error: StoreError) -> StoreError {
    let tier = match tier {
        Tier::Hot => "hot",
        Tier::Cold => "cold",
    };
    let mut converted = StoreError::new(error.kind(), STORE, operation, format!("the {tier} store failed"));
    if error.outcome() == Outcome::Unknown {
        converted = converted.with_unknown_outcome();
    }
    if let Some(map) = error.map() {
        converted = converted.in_map(map);
    }
    if let Some(key) = error.key() {
        converted = converted.at_key(key);
    }
    converted.because(error)
}

/// Converts the error of one of hot's answers.
pub(crate) fn answer_of_hot(operation: &'static str, answer: WriteResult) -> WriteResult {
    match answer {
        WriteResult::Rejected(error) => WriteResult::Rejected(of_tier(Tier::Hot, operation, error)),
        answer => answer,
    }
}

/// Puts the outcomes of two flushes together.
pub(crate) fn both_flushed(
    operation: &'static str,
    hot: Result<(), FlushError>,
    cold: Result<(), FlushError>,
) -> Result<(), FlushError> {
    let mut failed = None;
    for (tier, flushed) in [(Tier::Hot, hot), (Tier::Cold, cold)] {
        let Err(error) = flushed else { continue };
        let all = failed.get_or_insert_with(|| FlushError {
            pending: Vec::new(),
            source: None,
        });
        all.pending.extend(error.pending);
        let source = error.source.map(|source| of_tier(tier, operation, source));
        all.source = all.source.take().or(source);
    }
    failed.map_or(Ok(()), Err)
}

/// Says that a stub has no copy: what it stands for is lost, or cold is not the store that it was written to.
pub(crate) fn lost(operation: &'static str, map: &MapName, key: &Key) -> StoreError {
    let what = "the record was archived, and the cold store has no copy of it: is it the cold store that was used before? restore it, \
                or overwrite the record";
    StoreError::new(ErrorKind::Corrupt, STORE, operation, what)
        .in_map(map)
        .at_key(key)
}

/// Says that hot holds what a later version of this crate has put there.
pub(crate) fn unknown_form(operation: &'static str, map: &MapName, key: &Key) -> StoreError {
    let what = "the record is kept in a form that this version does not know: use the newer one";
    StoreError::new(ErrorKind::UnknownFormat, STORE, operation, what)
        .in_map(map)
        .at_key(key)
}

/// Says that a map has to be claimed first.
pub(crate) fn not_claimed(operation: &'static str, map: &MapName) -> StoreError {
    StoreError::new(ErrorKind::NotClaimed, STORE, operation, "claim the map first").in_map(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_to_branch_on_stays_and_the_tier_is_named() {
        let (map, key) = (MapName::new("users").unwrap(), Key::new("alice").unwrap());
        let below = StoreError::new(ErrorKind::Throttled, "object", "get", "slow down");
        let below = below.with_unknown_outcome().in_map(&map).at_key(&key);
        let error = of_tier(Tier::Cold, "load", below);
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Throttled, Outcome::Unknown)
        );
        assert_eq!((error.store(), error.operation()), (STORE, "load"));
        assert_eq!((error.map(), error.key()), (Some(&map), Some(&key)));
        assert!(
            error.is_retryable() && error.to_string().contains("cold"),
            "{error}"
        );
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.starts_with("object store, get"), "{source}");
    }

    #[test]
    fn two_failed_flushes_are_one_with_all_that_is_pending() {
        let place = |text| (MapName::new(text).unwrap(), Key::new(text).unwrap());
        let failed = |text| {
            Err(FlushError {
                pending: vec![place(text)],
                source: Some(StoreError::new(ErrorKind::Unavailable, text, "hard_flush", "")),
            })
        };
        assert!(both_flushed("hard_flush", Ok(()), Ok(())).is_ok());
        let both = both_flushed("hard_flush", failed("near"), failed("far")).unwrap_err();
        assert_eq!(both.pending, [place("near"), place("far")]);
        assert!(both.source.unwrap().to_string().contains("hot"));
        let one = both_flushed("hard_flush", Ok(()), failed("far")).unwrap_err();
        assert!(one.source.unwrap().to_string().contains("cold"));
    }
}
