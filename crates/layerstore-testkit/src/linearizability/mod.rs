//! Did concurrent calls behave as if each had happened at one instant?
//!
//! A [`Recorder`] a thread notes when each call starts and ends, in stamps of a common counter (never wall time,
//! which two cores read differently). [`check_by_key`] then looks, key by key, for an order of the calls that a
//! sequential [`Model`] explains and in which no call moves before one that had ended when it started. The search
//! is Wing and Gong's, with Lowe's memory of dead ends ("Testing for linearizability", 2017).
//!
//! ```
//! use layerstore_testkit::linearizability::{Recorder, Register, RegisterOp, RegisterOutput, Stamps, check_by_key};
//!
//! let stamps = Stamps::new();
//! let mut one = Recorder::new(&stamps);
//! let mut two = Recorder::new(&stamps);
//! let put = one.start("key", RegisterOp::Put(7));
//! let get = two.start("key", RegisterOp::Get);
//! two.end(get, RegisterOutput::Value(Some(7)));
//! one.end(put, RegisterOutput::Value(None));
//! // The get saw a put that had not returned yet: allowed, since the two overlap.
//! let checked = check_by_key(&Register, [one, two])?;
//! assert_eq!((checked.keys, checked.calls), (1, 2));
//!
//! let mut late = Recorder::new(&stamps);
//! let get = late.start("key", RegisterOp::Get);
//! late.end(get, RegisterOutput::Value(Some(7)));
//! // Nobody put 7 in this history.
//! assert!(check_by_key(&Register, [late]).is_err());
//! # Ok::<(), layerstore_testkit::linearizability::Violation>(())
//! ```

mod history;
mod register;
mod search;
mod timeline;
mod violation;

pub use history::{Call, OpenCall, Recorder, Stamps};
pub use register::{Register, RegisterOp, RegisterOutput};
pub use violation::Violation;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;

/// What one key does when calls come one after the other.
pub trait Model {
    /// What the key remembers.
    type State: Clone + Eq + Hash + Debug;
    /// What is asked.
    type Op: Debug;
    /// What is answered.
    type Output: Debug;

    /// Returns what the key remembers before the first call.
    fn initial(&self) -> Self::State;

    /// Returns the state after `op` answered `output` in `state`, `None` when it cannot have.
    /// An `output` of `None` is a call whose answer never came: any answer will do.
    fn apply(&self, state: &Self::State, op: &Self::Op, output: Option<&Self::Output>)
    -> Option<Self::State>;
}

/// How much was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checked {
    /// Keys that were called.
    pub keys: u64,
    /// Calls on all of them.
    pub calls: u64,
}

/// Checks the calls of one key.
///
/// Calls that never ended may have happened at any time after they started, or not at all. Each of them doubles
/// the work in the worst case: keep them few. Those that a crash cut off ([`Call::cut`]) happened before it, or not at all.
///
/// # Errors
/// [`Violation`] when no order explains the calls.
pub fn check<M: Model>(model: &M, calls: &[Call<M::Op, M::Output>]) -> Result<(), Violation> {
    search::Search::new(model, calls).run()
}

/// Checks what several recorders noted, each key by itself.
///
/// # Errors
/// [`Violation`] with the first key whose calls no order explains.
pub fn check_by_key<'a, K, M>(
    model: &M,
    recorders: impl IntoIterator<Item = Recorder<'a, K, M::Op, M::Output>>,
) -> Result<Checked, Violation>
where
    K: Ord + Debug,
    M: Model,
{
    let mut keys: BTreeMap<K, Vec<_>> = BTreeMap::new();
    for (key, call) in recorders.into_iter().flat_map(Recorder::into_calls) {
        keys.entry(key).or_default().push(call);
    }
    let mut checked = Checked::default();
    for (key, calls) in keys {
        check(model, &calls).map_err(|violation| violation.of_key(&key))?;
        checked.keys += 1;
        checked.calls += calls.len() as u64;
    }
    Ok(checked)
}
