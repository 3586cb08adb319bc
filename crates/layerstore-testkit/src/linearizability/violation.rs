use std::fmt::{Debug, Write};

use thiserror::Error;

use super::history::Call;

/// How many calls before the point where every order ends are shown.
const SHOWN_BEFORE: usize = 8;

/// How many of the calls that find no place are shown.
const SHOWN_AFTER: usize = 12;

/// No order of a key's calls explains what they answered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "no order of the {calls} calls{key} explains their answers; the longest that does has {placed} of them\n{around}"
)]
pub struct Violation {
    key: String,
    calls: usize,
    placed: usize,
    around: String,
}

impl Violation {
    pub(super) fn new<Op: Debug, Output: Debug>(calls: &[Call<Op, Output>], longest: &[usize]) -> Self {
        Self {
            key: String::new(),
            calls: calls.len(),
            placed: longest.len(),
            around: around(calls, longest),
        }
    }

    pub(super) fn of_key(mut self, key: &impl Debug) -> Self {
        self.key = format!(" of key {key:?}");
        self
    }

    /// Returns how many calls the longest explained order has.
    #[must_use]
    pub fn placed(&self) -> usize {
        self.placed
    }
}

/// Shows the end of the longest order, and the calls that would have to come next.
fn around<Op: Debug, Output: Debug>(calls: &[Call<Op, Output>], longest: &[usize]) -> String {
    let mut rest: Vec<_> = (0..calls.len()).filter(|call| !longest.contains(call)).collect();
    rest.sort_by_key(|&call| calls[call].start);
    let placed = longest.iter().skip(longest.len().saturating_sub(SHOWN_BEFORE));
    let mut text = String::new();
    for (title, &call) in placed
        .map(|call| ("placed", call))
        .chain(rest.iter().take(SHOWN_AFTER).map(|call| ("  left", call)))
    {
        let Call {
            op,
            output,
            start,
            end,
        } = &calls[call];
        let end = end.map_or_else(|| "?".to_owned(), |end| end.to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {title} {start}..{end} {op:?} -> {output:?}");
    }
    text
}
