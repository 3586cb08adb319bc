use super::level::Level;
use crate::cursor::Cursor;

/// Tells the cursors of one engine from those of any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScanId(pub(super) u64);

/// Where a scan stands. It goes through the stripes in ascending order, and through the slots of each in
/// **descending** order: taking a record out moves the last one of the stripe down into the gap, never up, so a
/// record that was not yet visited stays below the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) level: u32,
    pub(super) stripe: usize,
    /// The slots below this one are still to be visited.
    pub(super) below: usize,
}

/// Length of a cursor: engine, level, stripe and bound.
const CURSOR_BYTES: usize = 8 + 4 + 8 + 8;

impl Position {
    pub(super) const START: Self = Self {
        level: 0,
        stripe: 0,
        below: usize::MAX,
    };

    /// Reads a cursor; the start for any that this engine did not make.
    pub(super) fn decode(cursor: &Cursor, engine: ScanId) -> Self {
        Self::parse(cursor.as_bytes(), engine).unwrap_or(Self::START)
    }

    pub(super) fn encode(self, engine: ScanId) -> Cursor {
        let mut bytes = Vec::with_capacity(CURSOR_BYTES);
        bytes.extend(engine.0.to_le_bytes());
        bytes.extend(self.level.to_le_bytes());
        bytes.extend((self.stripe as u64).to_le_bytes());
        bytes.extend((self.below as u64).to_le_bytes());
        Cursor::from_bytes(bytes)
    }

    /// Goes on at slot `below` of the same stripe, or at the next stripe when none is left.
    pub(super) fn advance_to(&mut self, below: usize) {
        self.below = below;
        if below == 0 {
            self.stripe += 1;
            self.below = usize::MAX;
        }
    }

    /// Translates a position in an earlier level. The stripe that it stands in starts again, since nothing tells
    /// which of its records were visited: a record may come twice, none is missed.
    pub(super) fn move_to(&mut self, level: &Level) {
        if self.level != level.number() {
            self.stripe = level.first_of(self.stripe, self.level);
            self.level = level.number();
            self.below = usize::MAX;
        }
    }

    fn parse(bytes: &[u8], engine: ScanId) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk()?;
        let (level, rest) = rest.split_first_chunk()?;
        let (stripe, rest) = rest.split_first_chunk()?;
        let (below, rest) = rest.split_first_chunk()?;
        let ours = ScanId(u64::from_le_bytes(*id)) == engine && rest.is_empty();
        ours.then_some(Self {
            level: u32::from_le_bytes(*level),
            stripe: usize::try_from(u64::from_le_bytes(*stripe)).ok()?,
            below: usize::try_from(u64::from_le_bytes(*below)).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGINE: ScanId = ScanId(7);

    #[test]
    fn a_cursor_comes_back_as_the_position_it_was_made_from() {
        let position = Position {
            level: 1,
            stripe: 15,
            below: 3,
        };
        assert_eq!(Position::decode(&position.encode(ENGINE), ENGINE), position);
    }

    #[test]
    fn any_other_cursor_is_the_start() {
        let cursor = Position {
            level: 1,
            stripe: 15,
            below: 3,
        }
        .encode(ENGINE);
        assert_eq!(Position::decode(&cursor, ScanId(8)), Position::START);
        for length in 0..CURSOR_BYTES {
            let cut = Cursor::from_bytes(cursor.as_bytes()[..length].to_vec());
            assert_eq!(Position::decode(&cut, ENGINE), Position::START);
        }
        let longer = Cursor::from_bytes([cursor.as_bytes(), b"x"].concat());
        assert_eq!(Position::decode(&longer, ENGINE), Position::START);
    }

    #[test]
    fn a_stripe_starts_again_where_its_records_went() {
        let mut position = Position {
            level: 0,
            stripe: 0,
            below: 12,
        };
        position.move_to(&Level::new(1));
        assert_eq!(
            position,
            Position {
                level: 1,
                stripe: 0,
                below: usize::MAX
            }
        );
        let mut position = Position {
            level: 1,
            stripe: 3,
            below: 12,
        };
        position.move_to(&Level::new(2));
        assert_eq!(
            position,
            Position {
                level: 2,
                stripe: 48,
                below: usize::MAX
            }
        );
    }
}
