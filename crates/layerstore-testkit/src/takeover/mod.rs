//! Two processes on one map of one store: the later fences the earlier, and what was acknowledged is there.
//!
//! A test gives the place of its store, and starts itself again for each process that is to own the map:
//!
//! ```
//! # use std::sync::Arc;
//! # use layerstore_data_store::MapDataStore;
//! use layerstore_testkit::takeover;
//!
//! # async fn example(open: impl AsyncFn(&str) -> Arc<dyn MapDataStore>, server: &str) {
//! // In a test of the module `fencing` with a runtime of several threads.
//! match takeover::place() {
//!     Some(place) => takeover::own(open(&place).await).await,
//!     None => takeover::rounds("fencing::m4_two_processes", server, 100).await,
//! }
//! # }
//! ```

mod owner;
mod process;

use std::collections::BTreeMap;

use crate::proof;
pub use owner::{own, place};
use process::Process;

/// Where the process that is started again finds the place of the store.
const PLACE_VARIABLE: &str = "TAKEOVER_PLACE";

/// What begins each line that is meant for the other process.
const MARK: &str = "> ";

/// The most acknowledgements that are waited for before the map is taken over.
const MOST_BEFORE: usize = 400;

/// Versions by key.
type Held = BTreeMap<String, u64>;

/// Lets process after process take a map over, each at a random moment amid the writes of the one before, and reports as M4.
///
/// `test` is the test that calls this, as its harness names it; `place` tells the processes where the store is. The figure of
/// `rounds` is the full one, of which an ordinary run does a twentieth.
///
/// # Panics
/// When an acknowledged write is lost, when the earlier process wrote after the later one's claim, and when a process does
/// not answer within a minute.
pub async fn rounds(test: &str, place: &str, rounds: u64) {
    let (test, place, rounds) = (test.to_owned(), place.to_owned(), proof::scaled(rounds));
    // A store in this process, a server of objects for one, goes on meanwhile.
    let taken_over = tokio::task::spawn_blocking(move || take_over(&test, &place, rounds)).await;
    if let Err(failed) = taken_over {
        std::panic::resume_unwind(failed.into_panic());
    }
}

fn take_over(test: &str, place: &str, rounds: u64) {
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut owner = Process::start(test, place);
    owner.claims();
    let mut acknowledged = 0;
    for round in 0..rounds {
        owner.writes(rng.usize(1..MOST_BEFORE));
        let mut rival = Process::start(test, place);
        let at_claim = rival.claims();
        let told = owner.is_fenced();
        for (key, version) in &told {
            let found = at_claim.get(key).copied().unwrap_or_default();
            assert!(
                found >= *version,
                "round {round}: {key} holds {found}, and {version} was acknowledged"
            );
        }
        assert_eq!(
            rival.looks(),
            at_claim,
            "round {round}: the earlier process wrote after the claim"
        );
        acknowledged += told.len() as u64;
        owner = rival;
    }
    proof::report(
        "M4",
        &[
            ("rounds", rounds),
            ("keys_acknowledged", acknowledged),
            ("seed", seed),
            ("violations", 0),
        ],
    );
}
