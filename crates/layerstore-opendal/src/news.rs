//! Whether keys that are not known are likely to be new, so that nobody need look before they are written.

/// So many looks in a row must have found nothing. A look saved is a GET, and one that should have been made costs a PUT more,
/// which on S3 costs as much as twelve: a guess pays where it is right far more often than that.
const ENOUGH: u32 = 32;

/// What the last looks at keys found that were not known.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// How many in a row found that there was nothing.
    in_a_row: u32,
}

impl News {
    /// Tells whether the next key that is not known may be taken for new.
    pub(crate) fn are_likely(&self) -> bool {
        self.in_a_row >= ENOUGH
    }

    /// Takes note of what a look at a key found, or a write that did without one.
    pub(crate) fn note(&mut self, was_new: bool) {
        self.in_a_row = match was_new {
            true => self.in_a_row.saturating_add(1),
            false => 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_for_new_after_many_were_and_until_one_was_not() {
        let mut news = News::default();
        for _ in 0..ENOUGH {
            assert!(!news.are_likely());
            news.note(true);
        }
        assert!(news.are_likely());
        news.note(false);
        assert!(!news.are_likely());
    }
}
