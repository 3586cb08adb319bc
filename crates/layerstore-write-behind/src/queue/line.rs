use std::collections::VecDeque;

use super::pending::Pending;

/// What waits for a key, in order. Nearly always one write at most, which lies in place.
#[derive(Debug, Default)]
pub(super) struct Line {
    first: Option<Pending>,
    /// Nothing is in it where there is no first.
    #[expect(
        clippy::box_collection,
        reason = "a pointer in each slot, for what hardly any has"
    )]
    more: Option<Box<VecDeque<Pending>>>,
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn front(&self) -> Option<&Pending> {
        self.first.as_ref()
    }

    pub(super) fn front_mut(&mut self) -> Option<&mut Pending> {
        self.first.as_mut()
    }

    pub(super) fn back(&self) -> Option<&Pending> {
        let last = self.more.as_ref().and_then(|more| more.back());
        last.or(self.first.as_ref())
    }

    pub(super) fn push_back(&mut self, pending: Pending) {
        if self.first.is_none() {
            self.first = Some(pending);
        } else {
            self.more.get_or_insert_default().push_back(pending);
        }
    }

    pub(super) fn push_front(&mut self, pending: Pending) {
        if let Some(second) = self.first.replace(pending) {
            self.more.get_or_insert_default().push_front(second);
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<Pending> {
        let first = self.first.take();
        self.first = self.next();
        first
    }

    pub(super) fn pop_back(&mut self) -> Option<Pending> {
        let last = self.more.as_mut().and_then(|more| more.pop_back());
        self.drop_empty();
        last.or_else(|| self.first.take())
    }

    /// Takes out what is wanted; the rest stays in order.
    pub(super) fn take_if(&mut self, is_wanted: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        let mut taken = Vec::new();
        for pending in std::mem::take(self) {
            if is_wanted(&pending) {
                taken.push(pending);
            } else {
                self.push_back(pending);
            }
        }
        taken
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.first
            .iter()
            .chain(self.more.iter().flat_map(|more| more.iter()))
    }

    /// Tells whether something holds of all. Shorter than through [`Self::iter`], for what every write asks.
    pub(super) fn all(&self, holds: impl Fn(&Pending) -> bool) -> bool {
        let more = self.more.as_ref();
        self.first.as_ref().is_none_or(&holds) && more.is_none_or(|more| more.iter().all(holds))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Pending> {
        let more = self.more.iter_mut().flat_map(|more| more.iter_mut());
        self.first.iter_mut().chain(more)
    }

    fn next(&mut self) -> Option<Pending> {
        let next = self.more.as_mut().and_then(|more| more.pop_front());
        self.drop_empty();
        next
    }

    fn drop_empty(&mut self) {
        self.more.take_if(|more| more.is_empty());
    }
}

impl IntoIterator for Line {
    type Item = Pending;
    type IntoIter = Box<dyn Iterator<Item = Pending>>;

    fn into_iter(self) -> Self::IntoIter {
        let more = self.more.into_iter().flat_map(|more| more.into_iter());
        Box::new(self.first.into_iter().chain(more))
    }
}
