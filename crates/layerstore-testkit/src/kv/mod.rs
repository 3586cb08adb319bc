//! The clauses of [`KvBackend`](layerstore_kv::KvBackend), for any backend.
//!
//! A backend joins with one line in its `tests/conformance.rs`:
//!
//! ```
//! use layerstore_kv::MemoryKv;
//! use layerstore_testkit::kv::KvSubject;
//!
//! layerstore_testkit::kv_conformance!(memory, KvSubject::volatile(MemoryKv::new));
//! ```

pub mod double;
pub mod durability;
pub mod errors;
pub mod keyspaces;
pub mod model;
pub mod scans;
pub mod subject;
pub mod threads;
pub mod writes;

pub use double::{CommitFault, DoubleKv};
pub use subject::KvSubject;

/// Makes a module `$name` with one test for each clause of `KvBackend`, and the model test R14.
///
/// `$subject` is an expression that makes a fresh [`KvSubject`].
#[macro_export]
macro_rules! kv_conformance {
    ($name:ident, $subject:expr) => {
        mod $name {
            use super::*;

            $crate::kv_conformance! { @clauses $subject;
                writes {
                    k1_names_keys_and_values_are_any_bytes
                    k1_what_does_not_fit_is_refused_whole
                    k2_get_returns_what_was_last_put
                    k2_an_unknown_keyspace_is_an_error
                    k3_a_batch_is_atomic_over_keyspaces
                    k3_the_last_operation_on_a_key_wins
                    k4_a_failed_precondition_applies_nothing_and_says_which
                    k4_preconditions_see_the_state_before_the_batch
                }
                scans {
                    k5_a_scan_is_in_byte_order_both_ways
                    k5_a_scan_shows_the_state_when_it_was_started
                    k6_a_scan_ends_once_and_stays_ended
                    k7_a_snapshot_shows_one_state_of_all_keyspaces
                }
                keyspaces {
                    k8_creating_and_dropping_say_what_was_there
                    k8_a_dropped_keyspace_is_gone
                }
                durability {
                    k9_sync_answers_durable_and_buffered_until_persist
                    k9_what_was_durable_is_there_after_reopening
                }
                threads {
                    k3_readers_never_see_half_a_batch
                    k4_one_of_many_racing_writers_wins
                    k10_no_commit_of_many_threads_is_lost
                }
                errors {
                    k11_stats_count_exactly
                    k12_an_error_names_its_place_and_no_value
                }
                model {
                    r14_model
                }
            }
        }
    };
    (@clauses $subject:expr; $($module:ident { $($clause:ident)* })*) => {
        $($(
            #[test]
            fn $clause() {
                $crate::kv::$module::$clause(&$subject);
            }
        )*)*
    };
}
