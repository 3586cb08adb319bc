//! The clauses of [`MutationObserver`](layerstore_observer::MutationObserver), for any observer, and doubles for whoever
//! tells observers: one that records, one that fails, one that panics.
//!
//! An observer joins with one line in its `tests/conformance.rs`:
//!
//! ```
//! use std::sync::Arc;
//! use layerstore_observer::MetricsObserver;
//!
//! layerstore_testkit::observer_conformance!(metrics, Arc::new(MetricsObserver::new()));
//! ```

#[expect(
    clippy::expect_used,
    reason = "a conformance suite is test code: an unexpected answer ends the test"
)]
mod clauses;
mod events;
mod failing;
mod order;
mod recording;

pub use clauses::{
    o1_many_threads_may_tell_at_once, o2_a_neighbour_that_fails_or_panics_changes_nothing,
    o2_every_event_is_taken_without_error_or_panic, o3_telling_does_not_wait_for_anybody,
};
pub use events::every_event;
pub use failing::{FailingObserver, PanickingObserver};
pub use order::order_violations;
pub use recording::RecordingObserver;

/// Makes a module `$name` with one test for each clause that an observer must keep by itself.
///
/// `$observer` is an expression that makes a fresh `Arc<dyn MutationObserver>`. What the clauses ask of whoever tells
/// observers, the tests of record stores and of the composite show.
#[macro_export]
macro_rules! observer_conformance {
    ($name:ident, $observer:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn o1_many_threads_may_tell_at_once() {
                $crate::observer::o1_many_threads_may_tell_at_once($observer);
            }

            #[test]
            fn o2_every_event_is_taken_without_error_or_panic() {
                $crate::observer::o2_every_event_is_taken_without_error_or_panic($observer);
            }

            #[test]
            fn o2_a_neighbour_that_fails_or_panics_changes_nothing() {
                $crate::observer::o2_a_neighbour_that_fails_or_panics_changes_nothing($observer);
            }

            #[test]
            fn o3_telling_does_not_wait_for_anybody() {
                $crate::observer::o3_telling_does_not_wait_for_anybody($observer);
            }
        }
    };
}
