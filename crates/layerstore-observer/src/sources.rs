use std::collections::HashSet;

use layerstore_record::MapName;

/// The record stores that tell an observer, a partition of a map each: who told of something and was not destroyed since.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    alive: HashSet<(MapName, u32)>,
    /// Who was destroyed, where the number of sources was said: at most that many.
    destroyed: HashSet<(MapName, u32)>,
    /// How many there are, where that was said.
    expected: Option<usize>,
}

impl Sources {
    pub(crate) fn expecting(expected: Option<usize>) -> Self {
        Self {
            expected,
            ..Self::default()
        }
    }

    /// Tells whether this one told of something before.
    pub(crate) fn knows(&self, map: &MapName, partition: u32) -> bool {
        self.alive.contains(&(map.clone(), partition))
    }

    /// Notes that this one tells of something.
    pub(crate) fn note(&mut self, map: MapName, partition: u32) {
        self.alive.insert((map, partition));
    }

    /// Notes that this one was destroyed; tells whether it was the last.
    pub(crate) fn end(&mut self, map: MapName, partition: u32) -> bool {
        let source = (map, partition);
        self.alive.remove(&source);
        match self.expected {
            Some(expected) => {
                self.destroyed.insert(source);
                self.destroyed.len() >= expected
            }
            None => self.alive.is_empty(),
        }
    }
}
