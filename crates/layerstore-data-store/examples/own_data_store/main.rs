//! A data store of your own: a folder with a file for each map, for maps of some hundred records that people like to back
//! up with `cp`. Run it: `cargo run --example own_data_store`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod map_file;

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, ErrorKind as IoKind};
use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use layerstore_data_store::{
    CloseReport, ErrorKind, FlushError, Held, Include, Limits, MapClaim, MapDataStore, ScanPage, ScanRequest,
    StoreError, Verdict, Write, WriteResult, judge,
};
use layerstore_record::codec::{MAX_RECORD_BYTES, decode_record, encode_record, encoded_len};
use layerstore_record::{
    Clock, Key, MAX_KEY_BYTES, MapName, Millis, NodeId, Record, RecordValue, SystemClock, Timestamp, Version,
};

use map_file::MapFile;

const NAME: &str = "folder";

/// Keeps each map in a file of a folder. Several stores, in one process or more, may share the folder.
#[derive(Clone)]
pub(crate) struct FolderDataStore(Arc<Folder>);

struct Folder {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    /// The epochs that this store claimed.
    epochs: Mutex<HashMap<MapName, u64>>,
    closed: AtomicBool,
}

impl FolderDataStore {
    /// Opens a folder, making it if it is not there.
    pub(crate) fn open(path: &Path, clock: Arc<dyn Clock>) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self(Arc::new(Folder {
            path: path.to_owned(),
            clock,
            epochs: Mutex::default(),
            closed: AtomicBool::new(false),
        })))
    }

    /// Runs file access where it blocks nobody else. It goes on to its end if the caller goes away.
    async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Folder) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let folder = Arc::clone(&self.0);
        let ended = tokio::task::spawn_blocking(move || {
            // Whoever holds the lock has the folder to itself, other processes included.
            let _lock = folder.lock(operation)?;
            work(&folder)
        });
        ended.await.unwrap_or_else(|_| {
            let what = "the task that does file access was stopped";
            Err(StoreError::new(ErrorKind::Unavailable, NAME, operation, what).with_unknown_outcome())
        })
    }
}

impl Folder {
    fn lock(&self, operation: &'static str) -> Result<File, StoreError> {
        let failed = |error| failed(operation, error);
        let file = File::create(self.path.join("lock")).map_err(failed)?;
        file.lock().map_err(failed)?;
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::new(
                ErrorKind::Closed,
                NAME,
                operation,
                "open it again",
            ));
        }
        Ok(file)
    }

    /// Where a map's file is: any name, in characters that every file system takes.
    fn file(&self, map: &MapName) -> PathBuf {
        let hex: String = map.as_str().bytes().map(|byte| format!("{byte:02x}")).collect();
        self.path.join(hex).with_extension("map")
    }

    fn read(&self, map: &MapName, operation: &'static str) -> Result<MapFile, StoreError> {
        if map.as_str().len() > limits().map_name_bytes {
            // D4: there can be no such map.
            return Ok(MapFile::default());
        }
        MapFile::read(&self.file(map)).map_err(|error| failed(operation, error).in_map(map))
    }

    fn write(&self, map: &MapName, file: &MapFile, operation: &'static str) -> Result<(), StoreError> {
        // A failure may come after the file got its name: nobody knows then which one a reader sees.
        file.write(&self.path, &self.file(map))
            .map_err(|error| failed(operation, error).in_map(map).with_unknown_outcome())
    }

    /// Reads a map that this store holds the claim of.
    fn claimed(&self, map: &MapName, operation: &'static str) -> Result<MapFile, StoreError> {
        let refused = |kind, what| Err(StoreError::new(kind, NAME, operation, what).in_map(map));
        let file = self.read(map, operation)?;
        match locked(&self.epochs).get(map) {
            None => refused(ErrorKind::NotClaimed, "claim the map first"),
            Some(epoch) if *epoch != file.epoch => {
                refused(ErrorKind::Fenced, "another writer claimed the map")
            }
            Some(_) => Ok(file),
        }
    }

    fn claim(&self, map: &MapName) -> Result<MapClaim, StoreError> {
        check(limits().map_name_bytes, map.as_str().len(), "claim", "map name").map_err(|e| e.in_map(map))?;
        let mut file = self.read(map, "claim")?;
        file.epoch += 1;
        self.write(map, &file, "claim")?;
        locked(&self.epochs).insert(map.clone(), file.epoch);
        let floors = file.floors;
        let high_water = file.applied.max(floors.cleared).max(floors.purged);
        Ok(MapClaim::new(
            file.epoch,
            high_water,
            floors.cleared,
            floors.purged,
        ))
    }

    /// Makes the writes to one map: judges each, then replaces the file once.
    fn apply(&self, map: &MapName, writes: &[&Write]) -> Vec<WriteResult> {
        let mut file = match self.claimed(map, "apply") {
            Ok(file) => file,
            Err(error) => return fail(writes, vec![WriteResult::Applied; writes.len()], &error),
        };
        let mut changed = false;
        let results: Vec<WriteResult> = writes
            .iter()
            .map(|write| match self.judge(&mut file, write) {
                Ok(verdict) => {
                    changed |= verdict.is_apply();
                    verdict.into_result(write, NAME)
                }
                Err(error) => WriteResult::Rejected(error.in_map(map).at_key(&write.key)),
            })
            .collect();
        match changed.then(|| self.write(map, &file, "apply")) {
            // What was judged stands; what was to be stored has failed, each write by its own error.
            Some(Err(error)) => fail(writes, results, &error),
            _ => results,
        }
    }

    fn judge(&self, file: &mut MapFile, write: &Write) -> Result<Verdict, StoreError> {
        let now = self.clock.now();
        let held = file.records.get(&write.key).map(|record| Held::of(record, now));
        let verdict = judge(held, file.floors, write.version(), write.expect);
        if verdict.is_apply() {
            let bytes = encoded_len(&write.record).map_err(|error| unfit("apply", error))?;
            check(limits().record_bytes, bytes, "apply", "record")?;
            file.applied = file.applied.max(write.version());
            file.records
                .insert(write.key.clone(), stored(&write.record, now)?);
        }
        Ok(verdict)
    }
}

#[async_trait]
impl MapDataStore for FolderDataStore {
    fn name(&self) -> &'static str {
        NAME
    }

    fn limits(&self) -> Limits {
        limits()
    }

    async fn claim(&self, map: &MapName) -> Result<MapClaim, StoreError> {
        let map = map.clone();
        self.run("claim", move |folder| folder.claim(&map)).await
    }

    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        let all = writes.clone();
        let applied = self.run("apply", move |folder| {
            let mut results: Vec<Option<WriteResult>> = vec![None; all.len()];
            let maps: std::collections::BTreeSet<&MapName> = all.iter().map(|write| &write.map).collect();
            for map in maps {
                let (places, writes): (Vec<usize>, Vec<&Write>) = all
                    .iter()
                    .enumerate()
                    .filter(|(_, write)| write.map == *map)
                    .unzip();
                for (place, result) in places.into_iter().zip(folder.apply(map, &writes)) {
                    results[place] = Some(result);
                }
            }
            Ok(results.into_iter().flatten().collect())
        });
        applied.await.unwrap_or_else(|error| {
            let each = |write: &Write| error.clone().in_map(&write.map).at_key(&write.key);
            writes
                .iter()
                .map(|write| WriteResult::Rejected(each(write)))
                .collect()
        })
    }

    async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
        let mut found = self.load_all(map, std::slice::from_ref(key)).await?;
        Ok(found.pop().flatten())
    }

    async fn load_all(&self, map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        let (map, keys) = (map.clone(), keys.to_vec());
        self.run("load", move |folder| {
            let file = folder.read(&map, "load")?;
            let now = folder.clock.now();
            let visible = |key| {
                let record = file.records.get(key)?;
                Held::is_visible(record, file.floors, now).then(|| copy(record))
            };
            keys.iter().map(|key| visible(key).transpose()).collect()
        })
        .await
    }

    async fn scan_page(&self, map: &MapName, request: ScanRequest) -> Result<ScanPage, StoreError> {
        let map = map.clone();
        self.run("scan_page", move |folder| {
            let file = folder.read(&map, "scan_page")?;
            let (now, range) = (folder.clock.now(), (request.start, request.end));
            let mut visible = file.records.iter().filter(|(key, record)| {
                let wanted = request.include == Include::Tombstones || !record.is_tombstone();
                wanted && range.contains(*key) && Held::is_visible(record, file.floors, now)
            });
            let page = visible.by_ref().take(request.limit.max(1));
            let records: Vec<(Key, Record)> = page
                .map(|(key, record)| Ok((key.clone(), copy(record)?)))
                .collect::<Result<_, StoreError>>()?;
            let last = records.last().map(|(key, _)| key.clone());
            Ok(ScanPage {
                next: visible.next().and(last),
                records,
            })
        })
        .await
    }

    async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        self.run("list_maps", |folder| {
            let mut maps = Vec::new();
            for entry in fs::read_dir(&folder.path).map_err(|error| failed("list_maps", error))? {
                let path = entry.map_err(|error| failed("list_maps", error))?.path();
                if let Some(map) = map_of(&path)
                    && folder.read(&map, "list_maps")?.is_used()
                {
                    maps.push(map);
                }
            }
            maps.sort();
            Ok(maps)
        })
        .await
    }

    async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        let map = map.clone();
        self.run("clear", move |folder| {
            let mut file = folder.claimed(&map, "clear")?;
            file.floors.cleared = file.floors.cleared.max(up_to);
            let floors = file.floors;
            // D2: floor and records change in one step, the renaming of the file.
            file.records.retain(|_, record| !floors.hide(record.version()));
            folder.write(&map, &file, "clear")
        })
        .await
    }

    async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        let map = map.clone();
        self.run("purge", move |folder| {
            let mut file = folder.claimed(&map, "purge")?;
            file.floors.purged = file.floors.purged.max(horizon);
            let (floors, before, now) = (file.floors, file.records.len(), folder.clock.now());
            file.records
                .retain(|_, record| !floors.may_purge(record, horizon, now));
            folder.write(&map, &file, "purge")?;
            Ok(u64::try_from(before - file.records.len()).unwrap_or(u64::MAX))
        })
        .await
    }

    // D3: what was acknowledged is in its file, synced. A barrier has nothing to wait for.
    async fn hard_flush(&self) -> Result<(), FlushError> {
        self.run("hard_flush", |_| Ok(()))
            .await
            .map_err(|error| FlushError {
                pending: Vec::new(),
                source: Some(error),
            })
    }

    async fn flush_key(&self, _map: &MapName, _key: &Key) -> Result<(), FlushError> {
        self.hard_flush().await
    }

    async fn close(&self, _deadline: Duration) -> CloseReport {
        let closed = self.run("close", |folder| {
            folder.closed.store(true, Ordering::Release);
            Ok(())
        });
        CloseReport {
            pending: Vec::new(),
            error: closed
                .await
                .err()
                .filter(|error| error.kind() != ErrorKind::Closed),
        }
    }
}

/// Turns every `Applied` into the error that kept it from being so.
fn fail(writes: &[&Write], results: Vec<WriteResult>, error: &StoreError) -> Vec<WriteResult> {
    let each = |(write, result): (&&Write, WriteResult)| {
        if result.is_applied() {
            WriteResult::Rejected(error.clone().at_key(&write.key))
        } else {
            result
        }
    };
    writes.iter().zip(results).map(each).collect()
}

/// What a map file can hold: its name is the map's in hexadecimal, and file names have 255 bytes.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.map_name_bytes = 120;
    limits.key_bytes = MAX_KEY_BYTES;
    limits.record_bytes = MAX_RECORD_BYTES;
    limits
}

fn check(limit: usize, bytes: usize, operation: &'static str, part: &str) -> Result<(), StoreError> {
    if bytes <= limit {
        return Ok(());
    }
    let what = format!("a {part} of {bytes} bytes is above the limit of {limit}");
    Err(StoreError::new(ErrorKind::TooLarge, NAME, operation, what))
}

fn map_of(path: &Path) -> Option<MapName> {
    let hex = path.file_name()?.to_str()?.strip_suffix(".map")?.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = hex.chunks(2).map(byte).collect();
    MapName::new(String::from_utf8(bytes?).ok()?).ok()
}

/// Makes the record that a file holds: without the access statistics of the one in memory.
fn stored(record: &Record, now: Millis) -> Result<Record, StoreError> {
    let copy = copy(record)?;
    copy.mark_stored(now);
    Ok(copy)
}

fn copy(record: &Record) -> Result<Record, StoreError> {
    let bytes = encode_record(record).map_err(|error| unfit("copy", error))?;
    decode_record(&bytes).map_err(|error| unfit("copy", error))
}

fn unfit(operation: &'static str, error: impl Error + Send + Sync + 'static) -> StoreError {
    let what = "the record cannot be encoded";
    StoreError::new(ErrorKind::TooLarge, NAME, operation, what).because(error)
}

/// Says what an error of the file system means to a caller: the one place that knows (D6).
fn failed(operation: &'static str, error: io::Error) -> StoreError {
    let (kind, what) = match error.kind() {
        IoKind::InvalidData => (ErrorKind::Corrupt, "the file is damaged: restore it"),
        IoKind::PermissionDenied => (ErrorKind::Forbidden, "grant access to the folder"),
        IoKind::StorageFull | IoKind::QuotaExceeded => (ErrorKind::Full, "make room on the disk"),
        _ => (ErrorKind::Unavailable, "the file system does not work"),
    };
    StoreError::new(kind, NAME, operation, what).because(error)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts a record into a folder, opens the folder again and finds it.
#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let (map, key) = (MapName::new("settings")?, Key::new("theme")?);
    let store = FolderDataStore::open(folder.path(), Arc::new(SystemClock))?;
    store.claim(&map).await?;
    let at = Timestamp::new(SystemClock.now(), 0, NodeId::random());
    let record = Record::builder(RecordValue::lww("dark", at), Version::new(at)).build();
    let results = store
        .apply(vec![Write::new(map.clone(), key.clone(), Arc::new(record))])
        .await;
    println!("applied: {}", results.iter().all(WriteResult::is_applied));
    drop(store);

    let store = FolderDataStore::open(folder.path(), Arc::new(SystemClock))?;
    let found = store.load(&map, &key).await?;
    println!(
        "found again: {:?}",
        found.and_then(|record| record.value().value().cloned())
    );
    Ok(())
}
