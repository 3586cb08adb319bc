use std::collections::HashSet;

use foldhash::fast::RandomState;
use layerstore_record::Key;

use super::phase::Generation;

/// What was told between the beginning of a page and its being taken over: of these keys the page may hold what was, not what is.
///
/// Before the page was begun memory and data store had changed already, so that the page has it; after it was taken over, what is told
/// replaces it. So only what is told in between is remembered, for the time that one page takes to be read.
#[derive(Debug, Default)]
pub(crate) struct Window(Option<Open>);

#[derive(Debug)]
struct Open {
    /// The build that reads the page.
    build: Generation,
    /// The partition whose page is read.
    partition: u32,
    told: HashSet<Key, RandomState>,
    /// Whether the partition was cleared: nothing of the page is there any more.
    cleared: bool,
}

impl Window {
    /// Begins to remember for a build. An earlier one that is under way still gets nothing admitted any more.
    pub(crate) fn open(&mut self, build: Generation, partition: u32) {
        if self.0.as_ref().is_some_and(|open| open.build > build) {
            return;
        }
        self.0 = Some(Open {
            build,
            partition,
            told: HashSet::default(),
            cleared: false,
        });
    }

    pub(crate) fn close(&mut self, build: Generation) {
        if self.0.as_ref().is_some_and(|open| open.build == build) {
            self.0 = None;
        }
    }

    pub(crate) fn note(&mut self, key: &Key) {
        if let Some(open) = &mut self.0 {
            open.told.insert(key.clone());
        }
    }

    pub(crate) fn note_clear(&mut self, partition: u32) {
        if let Some(open) = &mut self.0
            && open.partition == partition
        {
            open.cleared = true;
        }
    }

    /// Tells whether a record of a build's page is to be taken as it was read.
    pub(crate) fn admits(&self, build: Generation, key: &Key) -> bool {
        let open = self.0.as_ref().filter(|open| open.build == build);
        open.is_some_and(|open| !open.cleared && !open.told.contains(key))
    }
}
