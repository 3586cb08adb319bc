use std::ops::Bound;

use super::ModelScale;

/// How many maps a case has.
pub(super) const MAPS: usize = 2;

/// How many keys its maps have.
pub(super) const KEYS: usize = 6;

/// Which of two stores over the same storage is asked; the first, where there cannot be a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    First,
    Rival,
}

/// What a random write expects.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expecting {
    Anything,
    Absent,
    /// The version that the model holds, 1 if it holds none.
    WhatIsThere,
    Number(u64),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub(super) map: usize,
    pub(super) key: usize,
    pub(super) number: u64,
    pub(super) expecting: Expecting,
}

/// One step of a case. Any part of a case is a case as well, so that a failing one can be shortened.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    Apply {
        who: Who,
        wishes: Vec<Wish>,
        try_first: bool,
    },
    Load {
        who: Who,
        map: usize,
        key: usize,
    },
    LoadAll {
        who: Who,
        map: usize,
        keys: Vec<usize>,
    },
    Scan {
        who: Who,
        map: usize,
        start: Bound<usize>,
        end: Bound<usize>,
        limit: usize,
        tombstones: bool,
    },
    Clear {
        who: Who,
        map: usize,
        number: u64,
    },
    Purge {
        who: Who,
        map: usize,
        number: u64,
    },
    Claim {
        who: Who,
        map: usize,
    },
    ListMaps {
        who: Who,
    },
    Flush {
        who: Who,
        map: usize,
        key: usize,
    },
    Advance {
        millis: u64,
    },
    /// Closes and opens both stores; the first claims its maps, mostly.
    Restart {
        claim: bool,
    },
}

impl Operation {
    /// Draws the operations of a case.
    pub(super) fn many(rng: &mut fastrand::Rng, scale: ModelScale) -> Vec<Self> {
        let mut tick = 1;
        let mut draw = |_| {
            // Versions mostly rise, and stay close enough for late writes to meet what they are late for.
            tick += rng.u64(0..3);
            if rng.u32(0..10_000) < scale.restarts {
                return Self::Restart {
                    claim: rng.u8(0..4) > 0,
                };
            }
            Self::one(rng, tick)
        };
        (0..scale.operations).map(&mut draw).collect()
    }

    fn one(rng: &mut fastrand::Rng, tick: u64) -> Self {
        let (who, map, key) = (Who::draw(rng), rng.usize(0..MAPS), rng.usize(0..KEYS));
        let behind = |by: u64| tick.saturating_sub(by).max(1);
        match rng.u8(0..100) {
            0..45 => {
                let wishes = (0..rng.usize(1..5)).map(|_| Wish::draw(rng, tick)).collect();
                Self::Apply {
                    who,
                    wishes,
                    try_first: rng.bool(),
                }
            }
            45..60 => Self::Load { who, map, key },
            60..66 => Self::LoadAll {
                who,
                map,
                keys: (0..rng.usize(0..8)).map(|_| rng.usize(0..KEYS)).collect(),
            },
            66..78 => Self::Scan {
                who,
                map,
                start: bound(rng),
                end: bound(rng),
                limit: rng.usize(1..5),
                tombstones: rng.bool(),
            },
            78..82 => Self::Clear {
                who,
                map,
                number: behind(rng.u64(0..30)),
            },
            82..88 => Self::Purge {
                who,
                map,
                number: behind(rng.u64(0..20)),
            },
            88..93 => Self::Claim { who, map },
            93..95 => Self::ListMaps { who },
            95..97 => Self::Flush { who, map, key },
            _ => Self::Advance {
                millis: rng.u64(1..200),
            },
        }
    }
}

impl Who {
    fn draw(rng: &mut fastrand::Rng) -> Self {
        if rng.u8(0..5) == 0 {
            Self::Rival
        } else {
            Self::First
        }
    }
}

impl Wish {
    fn draw(rng: &mut fastrand::Rng, tick: u64) -> Self {
        let number = (tick + rng.u64(0..4)).saturating_sub(rng.u64(0..12)).max(1);
        let expecting = match rng.u8(0..8) {
            0 => Expecting::Absent,
            1 => Expecting::WhatIsThere,
            2 => Expecting::Number(tick.saturating_sub(rng.u64(0..6)).max(1)),
            _ => Expecting::Anything,
        };
        Self {
            map: rng.usize(0..MAPS),
            key: rng.usize(0..KEYS),
            number,
            expecting,
        }
    }
}

fn bound(rng: &mut fastrand::Rng) -> Bound<usize> {
    match rng.u8(0..4) {
        0 => Bound::Included(rng.usize(0..KEYS)),
        1 => Bound::Excluded(rng.usize(0..KEYS)),
        _ => Bound::Unbounded,
    }
}
