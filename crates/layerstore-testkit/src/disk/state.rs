use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;

/// What a disk writes at once, in bytes: a write that the power is cut from ends at a multiple of it.
pub const SECTOR: usize = 512;

/// What the disk holds, and what of it is durable.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) files: Vec<FileState>,
    /// Names as everybody sees them.
    pub(super) names: BTreeMap<String, usize>,
    /// Names as they are after a power cut.
    pub(super) synced_names: BTreeMap<String, usize>,
    /// What was done to names since, in order.
    pub(super) name_changes: Vec<NameChange>,
    pub(super) steps: u64,
    pub(super) syncs: u64,
    pub(super) faults: Faults,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    pub(super) cut_at: Option<u64>,
    pub(super) fail_sync_at: Option<u64>,
    pub(super) capacity: Option<u64>,
    is_cut: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct FileState {
    /// As everybody sees it.
    pub(super) seen: Arc<Vec<u8>>,
    /// As it is after a power cut.
    pub(super) synced: Arc<Vec<u8>>,
    /// What was written since, in order.
    pub(super) writes: Vec<(usize, Vec<u8>)>,
}

/// A change of names, which happens whole or not at all.
#[derive(Debug, Clone)]
pub(super) struct NameChange {
    pub(super) removed: Option<String>,
    pub(super) given: Option<(String, usize)>,
}

impl NameChange {
    pub(super) fn apply(&self, names: &mut BTreeMap<String, usize>) {
        if let Some(removed) = &self.removed {
            names.remove(removed);
        }
        if let Some((name, id)) = &self.given {
            names.insert(name.clone(), *id);
        }
    }
}

impl FileState {
    /// Writes into bytes, which grow with zeros up to the place.
    pub(super) fn write_into(bytes: &mut Arc<Vec<u8>>, at: usize, written: &[u8]) {
        let bytes = Arc::make_mut(bytes);
        let end = at + written.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        if let Some(place) = bytes.get_mut(at..end) {
            place.copy_from_slice(written);
        }
    }
}

impl State {
    /// Fails on a disk without power.
    pub(super) fn check(&self) -> io::Result<()> {
        match self.faults.is_cut {
            true => Err(io::Error::other("the power is cut")),
            false => Ok(()),
        }
    }

    /// Counts a change. Tells whether the power goes while it is under way.
    pub(super) fn step(&mut self) -> io::Result<bool> {
        self.check()?;
        self.steps += 1;
        let is_cut = self.faults.cut_at == Some(self.steps);
        self.faults.is_cut = is_cut;
        Ok(is_cut)
    }

    pub(super) fn id(&self, name: &str) -> io::Result<usize> {
        let id = self.names.get(name).copied();
        id.ok_or_else(|| ErrorKind::NotFound.into())
    }

    pub(super) fn file(&self, name: &str) -> Option<&FileState> {
        self.names.get(name).and_then(|id| self.files.get(*id))
    }

    pub(super) fn used(&self) -> u64 {
        let files = self.names.values().filter_map(|id| self.files.get(*id));
        files.map(|file| file.seen.len() as u64).sum()
    }

    pub(super) fn create(&mut self, name: &str) -> io::Result<usize> {
        self.check()?;
        if self
            .faults
            .capacity
            .is_some_and(|capacity| self.used() >= capacity)
        {
            return Err(ErrorKind::StorageFull.into());
        }
        let id = self.files.len();
        self.files.push(FileState::default());
        self.change_names(NameChange {
            removed: None,
            given: Some((name.to_owned(), id)),
        })?;
        Ok(id)
    }

    pub(super) fn change_names(&mut self, change: NameChange) -> io::Result<()> {
        let is_cut = self.step()?;
        change.apply(&mut self.names);
        self.name_changes.push(change);
        power(is_cut)
    }

    pub(super) fn sync_names(&mut self) -> io::Result<()> {
        let is_cut = self.step()?;
        power(is_cut)?;
        if self.sync_fails() {
            self.name_changes.clear();
            return Err(io::Error::other("the disk does not sync"));
        }
        self.synced_names = self.names.clone();
        self.name_changes.clear();
        Ok(())
    }

    pub(super) fn write(&mut self, id: usize, at: usize, bytes: &[u8]) -> io::Result<()> {
        let is_cut = self.step()?;
        let fits = self.room(id, at).min(bytes.len());
        let (written, rest) = bytes.split_at(fits);
        if let Some(file) = self.files.get_mut(id) {
            FileState::write_into(&mut file.seen, at, written);
            file.writes.push((at, written.to_vec()));
        }
        power(is_cut)?;
        if rest.is_empty() {
            return Ok(());
        }
        Err(ErrorKind::StorageFull.into())
    }

    /// How many bytes may be written at a place: what is there already takes no more space.
    fn room(&self, id: usize, at: usize) -> usize {
        let Some(capacity) = self.faults.capacity else {
            return usize::MAX;
        };
        let len = self.files.get(id).map_or(0, |file| file.seen.len());
        let free = usize::try_from(capacity.saturating_sub(self.used())).unwrap_or(usize::MAX);
        (len + free).saturating_sub(at)
    }

    pub(super) fn sync(&mut self, id: usize) -> io::Result<()> {
        let is_cut = self.step()?;
        power(is_cut)?;
        let fails = self.sync_fails();
        let Some(file) = self.files.get_mut(id) else {
            return Err(ErrorKind::NotFound.into());
        };
        let writes = std::mem::take(&mut file.writes);
        if fails {
            return Err(io::Error::other("the disk does not sync"));
        }
        for (at, bytes) in writes {
            FileState::write_into(&mut file.synced, at, &bytes);
        }
        Ok(())
    }

    fn sync_fails(&mut self) -> bool {
        self.syncs += 1;
        self.faults.fail_sync_at == Some(self.syncs)
    }

    pub(super) fn replace(&mut self, name: &str, contents: Vec<u8>) {
        let contents = Arc::new(contents);
        let file = FileState {
            seen: Arc::clone(&contents),
            synced: contents,
            writes: Vec::new(),
        };
        let id = self.files.len();
        self.files.push(file);
        self.names.insert(name.to_owned(), id);
        self.synced_names.insert(name.to_owned(), id);
    }

    pub(super) fn lose(&mut self, name: &str) {
        self.names.remove(name);
        self.synced_names.remove(name);
    }
}

fn power(is_cut: bool) -> io::Result<()> {
    match is_cut {
        true => Err(io::Error::other("the power is cut")),
        false => Ok(()),
    }
}
