//! The clauses of [`MapDataStore`](layerstore_data_store::MapDataStore), for any store.
//!
//! # How a store joins
//! Say how the store is opened ([`TestStore`], or [`opened_by`] for a closure), and add one line to
//! `tests/conformance.rs` (not to `src/`: there the crate would be built twice, and its traits would not match):
//!
//! ```
//! use std::sync::{Arc, OnceLock};
//! use layerstore_data_store::{InMemoryDataStore, MapDataStore};
//! use layerstore_testkit::data_store::opened_by;
//!
//! layerstore_testkit::data_store_conformance!(memory, {
//!     let disk = OnceLock::new();
//!     opened_by(move |clock| {
//!         let disk = disk.get_or_init(|| InMemoryDataStore::new(clock.shared()));
//!         let store: Arc<dyn MapDataStore> = Arc::new(disk.share());
//!         async { Ok(store) }
//!     })
//! });
//! ```
//!
//! The expression is evaluated once a test, and must give empty storage that no other test sees. The tests open it,
//! close it, and open it again, when everything must still be there. They also open it a second time while it is open, as
//! another process would: a store that shares its storage opens, one that does not answers
//! [`AlreadyOpen`](layerstore_data_store::ErrorKind::AlreadyOpen).
//! Expiry is judged by the clock that the fixture shows, which stands still until a test moves it.
//!
//! A complete store as someone outside this repository would write it is in `examples/own_data_store` of
//! `layerstore-data-store`; how it joins, with a folder for each test, is in that crate's `tests/own_data_store.rs`.
//!
//! # What runs
//! A test for every clause, D1 to D9 and D-restate, named after it, and the model test R14, whose counts
//! [`TestStore::model`] sets. A random test prints its seed; `LAYERSTORE_SEED` repeats it.

pub mod claims;
pub mod errors;
pub mod expiry;
pub mod fences;
mod fixture;
pub mod floors;
pub mod flushes;
pub mod model;
pub mod names;
pub mod restarts;
pub mod restatements;
pub mod scans;
mod steps;

pub use fixture::{Opening, Subject, TestStore, opened_by, run};
pub use model::ModelScale;

/// Makes a module `$name` with a test for each clause of `MapDataStore`, and the model test R14.
///
/// `$fixture` is an expression that makes a fresh [`TestStore`](crate::data_store::TestStore).
#[macro_export]
macro_rules! data_store_conformance {
    ($name:ident, $fixture:expr) => {
        mod $name {
            use super::*;

            $crate::data_store_conformance! { @clauses $fixture;
                fences {
                    d1_a_repeated_write_is_applied_whatever_it_expects
                    d1_an_older_version_never_replaces_a_newer
                    d1_an_older_version_never_replaces_a_newer_removal
                    d1_an_older_removal_never_removes_a_newer_value
                    d1_versions_are_compared_to_the_last_bit
                    d1_expect_compares_with_the_stored_version
                    d1_the_fence_comes_before_the_condition
                    d1_a_batch_is_as_if_made_one_after_another
                    d1_a_write_without_io_is_fenced_alike
                    d1_of_racing_writers_the_newest_version_stays
                    d1_of_racing_conditions_one_holds
                }
                floors {
                    d2_a_removal_leaves_a_tombstone
                    d2_a_clear_drops_what_is_not_newer
                    d2_a_write_at_or_below_the_cleared_floor_is_stale
                    d2_a_clear_racing_writes_leaves_only_what_is_newer
                    d2_a_purge_drops_only_what_is_over
                    d2_a_late_write_at_or_below_the_purged_floor_is_refused
                    d2_floors_only_rise
                    d2_floors_outlive_a_restart
                }
                flushes {
                    d3_hard_flush_is_a_barrier
                    d3_flush_key_is_a_barrier_for_the_key
                    d3_a_flush_amid_writers_covers_what_came_before
                    d3_a_flush_of_a_closed_store_is_an_error
                }
                names {
                    d4_keys_of_any_content_are_kept_apart
                    d4_maps_of_any_name_are_kept_apart
                    d4_names_and_keys_that_run_into_each_other_are_kept_apart
                    d4_the_longest_names_and_keys_are_held_or_refused
                    d4_what_is_too_large_is_refused_alone
                }
                expiry {
                    d5_an_expired_record_is_not_returned
                    d5_what_remains_of_a_lifetime_outlives_a_restart
                    d5_an_expired_record_is_absent_to_conditions_and_still_fences
                    d5_everything_comes_back_as_it_was_written
                    d5_tombstones_come_back_as_such
                    d5_several_keys_are_answered_in_the_order_given
                }
                errors {
                    d6_one_records_failure_is_that_records_alone
                    d6_a_closed_store_answers_closed
                    d6_an_error_names_the_place_and_no_value
                    d6_every_write_of_a_large_batch_is_answered
                }
                scans {
                    d7_a_scan_returns_what_lies_within_its_bounds_in_order
                    d7_pages_lead_on_whatever_their_size
                    d7_tombstones_do_not_end_a_scan
                    d7_a_scan_sees_what_is_there_throughout_while_others_come_and_go
                    d7_a_scan_amid_writers_sees_what_is_there_throughout
                }
                claims {
                    d8_a_map_that_was_not_claimed_is_not_written
                    d8_each_claim_has_a_higher_epoch
                    d8_a_later_claim_fences_the_earlier
                    d8_a_fenced_writer_amid_writes_changes_nothing_more
                    d8_the_high_water_mark_covers_every_version_and_floor
                }
                restarts {
                    d9_reopening_finds_every_applied_write
                    d9_reopening_finds_nothing_that_was_refused
                    d9_what_was_removed_or_cleared_does_not_come_back
                    d9_writes_go_on_after_every_restart
                }
                restatements {
                    d_restate_replaces_the_form_and_nothing_else
                    d_restate_puts_nothing_where_its_version_is_not
                    d_restate_is_fenced_as_writes_are
                }
            }

            #[test]
            fn r14_random_operations_agree_with_a_sorted_map() {
                $crate::data_store::model::r14_random_operations_agree_with_a_sorted_map(
                    concat!(module_path!()),
                    || $fixture,
                );
            }
        }
    };
    (@clauses $fixture:expr; $($module:ident { $($clause:ident)* })*) => {
        $($(
            #[test]
            fn $clause() {
                $crate::data_store::run($fixture, $crate::data_store::$module::$clause);
            }
        )*)*
    };
}
