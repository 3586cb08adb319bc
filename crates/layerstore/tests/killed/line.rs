//! What a process says of its calls, a line each.

use std::fmt;

use layerstore::Version;
use serde::{Deserialize, Serialize};

/// A version in its sortable form.
pub(crate) type Tick = (u64, u64);

/// What a process says.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Line {
    Opening,
    /// It has opened its log, in which so many writes were pending.
    Opened {
        pending: u64,
    },
    /// It is about to make a call of this number.
    Asked {
        call: u64,
        key: u64,
        verb: Verb,
    },
    /// The call of this number has returned.
    Answered {
        call: u64,
        answer: Answer,
    },
}

/// What is asked of a key. Every write has a number of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Verb {
    Get,
    Contains,
    Set(u64),
    Put(u64),
    PutIfAbsent(u64),
    /// Replaces the version with which `expected` was written.
    Replace {
        expected: u64,
        put: u64,
    },
    Remove,
    /// `compute`: writes the number where there is none or an even one, removes an odd one.
    Toggle(u64),
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Told {
    /// What is there, or was there before the write.
    Found(Option<u64>),
    Present(bool),
    /// It is done.
    Done,
    /// Another version is there.
    Refused,
}

/// What came back, with versions.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) told: Told,
    /// The version of what was found.
    pub(crate) found_at: Option<Tick>,
    /// The version that the write got.
    pub(crate) version: Option<Tick>,
}

impl Line {
    /// Reads what another process said.
    pub(crate) fn read(text: &str) -> Self {
        serde_json::from_str(text).expect("a line of a process")
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).expect("numbers"))
    }
}

impl Verb {
    /// The number that the verb may write.
    pub(crate) fn writes(self) -> Option<u64> {
        match self {
            Self::Set(number) | Self::Put(number) | Self::PutIfAbsent(number) | Self::Toggle(number) => {
                Some(number)
            }
            Self::Replace { put, .. } => Some(put),
            Self::Get | Self::Contains | Self::Remove => None,
        }
    }
}

pub(crate) fn tick(version: Version) -> Tick {
    let bytes = u128::from_be_bytes(version.to_bytes());
    let half = |bytes: u128| u64::try_from(bytes & u128::from(u64::MAX)).expect("half of it");
    (half(bytes >> 64), half(bytes))
}
