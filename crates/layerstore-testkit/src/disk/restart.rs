use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;

use super::state::{FileState, SECTOR, State};

/// What becomes of changes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// The process ended and the machine did not: everything is there, synced or not.
    Keep,
    /// None of it is there.
    Drop,
    /// The first ones are there, and one may be cut at a multiple of [`SECTOR`].
    Tear,
    /// Each [`SECTOR`] and each change of names is there or not, whatever came before it.
    Reorder,
}

impl Restart {
    /// The three of a power cut.
    pub const POWER_CUTS: [Self; 3] = [Self::Drop, Self::Tear, Self::Reorder];

    pub(super) fn image(self, state: &State, seed: u64) -> State {
        let mut rng = Rng::with_seed(seed);
        let files: Vec<FileState> = state.files.iter().map(|file| self.file(file, &mut rng)).collect();
        let names = self.names(state, &mut rng);
        State {
            files,
            synced_names: names.clone(),
            names,
            ..State::default()
        }
    }

    fn file(self, file: &FileState, rng: &mut Rng) -> FileState {
        let contents = match self {
            Self::Keep => Arc::clone(&file.seen),
            Self::Drop => Arc::clone(&file.synced),
            Self::Tear => torn(file, rng),
            Self::Reorder => reordered(file, rng),
        };
        FileState {
            seen: Arc::clone(&contents),
            synced: contents,
            writes: Vec::new(),
        }
    }

    fn names(self, state: &State, rng: &mut Rng) -> BTreeMap<String, usize> {
        let mut names = state.synced_names.clone();
        let changes = state.name_changes.iter();
        match self {
            Self::Keep => return state.names.clone(),
            Self::Drop => {}
            Self::Tear => {
                let kept = rng.usize(0..=state.name_changes.len());
                changes.take(kept).for_each(|change| change.apply(&mut names));
            }
            Self::Reorder => changes
                .filter(|_| rng.bool())
                .for_each(|change| change.apply(&mut names)),
        }
        names
    }
}

fn torn(file: &FileState, rng: &mut Rng) -> Arc<Vec<u8>> {
    let mut contents = Arc::clone(&file.synced);
    let whole = rng.usize(0..=file.writes.len());
    for (at, bytes) in file.writes.iter().take(whole) {
        FileState::write_into(&mut contents, *at, bytes);
    }
    if let Some((at, bytes)) = file.writes.get(whole) {
        let sectors = sectors(*at, bytes);
        for (at, sector) in sectors.iter().take(rng.usize(0..=sectors.len())) {
            FileState::write_into(&mut contents, *at, sector);
        }
    }
    contents
}

fn reordered(file: &FileState, rng: &mut Rng) -> Arc<Vec<u8>> {
    let mut contents = Arc::clone(&file.synced);
    for (at, bytes) in &file.writes {
        for (at, sector) in sectors(*at, bytes) {
            if rng.bool() {
                FileState::write_into(&mut contents, at, sector);
            }
        }
    }
    contents
}

/// A write cut at the multiples of a sector of its file.
fn sectors(at: usize, bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let mut cut = Vec::new();
    let (mut at, mut rest) = (at, bytes);
    while !rest.is_empty() {
        let (sector, more) = rest.split_at((SECTOR - at % SECTOR).min(rest.len()));
        cut.push((at, sector));
        at += sector.len();
        rest = more;
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::sectors;

    #[test]
    fn a_write_is_cut_at_sectors_of_the_file() {
        let bytes = [0; 1200];
        let cut: Vec<_> = sectors(500, &bytes)
            .iter()
            .map(|(at, s)| (*at, s.len()))
            .collect();
        assert_eq!(cut, [(500, 12), (512, 512), (1024, 512), (1536, 164)]);
        assert!(sectors(5, &[]).is_empty());
    }
}
