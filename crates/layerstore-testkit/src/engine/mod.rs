//! The clauses of [`StorageEngine`](layerstore_engine::StorageEngine), for any engine, and a second engine.
//!
//! An engine joins with one line in its `tests/conformance.rs`:
//!
//! ```
//! use layerstore_engine::HashMapEngine;
//!
//! layerstore_testkit::engine_conformance!(hash_map, HashMapEngine::new);
//! ```
//!
//! [`BTreeEngine`] is as unlike the hash map as the contract allows: ordered, behind one lock, and able to keep
//! records cold. What is built on engines can be tested with it.

mod btree;
mod state;

pub mod borrow;
pub mod clear;
pub mod compute;
pub mod cost;
pub mod linearizable;
pub mod lookup;
pub mod model;
pub mod sample;
pub mod scan;
pub mod subject;

pub use btree::BTreeEngine;
pub use subject::EngineSubject;

/// Makes a module `$name` with the tests of each clause of `StorageEngine`, the history test R11 and the model
/// test R14.
///
/// `$make` is a function or closure that makes an empty engine.
#[macro_export]
macro_rules! engine_conformance {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            $crate::engine_conformance! { @clauses $make;
                lookup {
                    e_lookup_answers_what_was_put
                    e_lookup_put_and_remove_tell_what_was_there
                    e_lookup_keys_are_told_apart_to_the_last_byte
                    e_lookup_threads_do_not_disturb_each_other
                    e_lookup_a_writer_that_waited_while_the_engine_grew_is_not_lost
                }
                borrow {
                    e_borrow_sees_the_record_in_place
                    e_borrow_lasts_while_others_write
                    e_borrow_a_panicking_reader_leaves_everything_as_it_was
                }
                compute {
                    e_compute_does_what_was_decided
                    e_compute_runs_exactly_once
                    e_compute_loses_no_increment
                    e_compute_every_record_is_replaced_once
                    e_compute_a_panicking_decision_changes_nothing
                }
                cost {
                    e_cost_follows_every_mutation
                    e_cost_is_exact_after_concurrent_mutations
                }
                clear {
                    e_clear_removes_everything_and_counts_it
                    e_clear_among_writers_removes_what_was_there
                    e_clear_side_by_side_counts_no_record_twice
                }
                scan {
                    e_scan_returns_everything_in_pages_of_any_size
                    e_scan_misses_nothing_when_others_are_removed_between_pages
                    e_scan_misses_nothing_when_the_engine_grows_between_pages
                    e_scan_misses_nothing_under_churn
                    e_scan_starts_again_with_a_foreign_cursor
                    e_scan_survives_any_bytes_as_cursor
                }
                sample {
                    e_sample_is_as_long_as_was_asked
                    e_sample_is_uniform
                    e_sample_is_uniform_after_removals
                    e_sample_among_writers_holds_records_that_were_there
                }
                linearizable {
                    r11_calls_on_a_key_are_linearizable_while_the_engine_grows
                }
                model {
                    r14_engine_model
                }
            }
        }
    };
    (@clauses $make:expr; $($module:ident { $($clause:ident)* })*) => {
        $($(
            #[test]
            fn $clause() {
                $crate::engine::$module::$clause(&$crate::engine::EngineSubject::new($make));
            }
        )*)*
    };
}
