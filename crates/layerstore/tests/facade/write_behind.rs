//! Write-behind as whoever turns it on meets it: two lines, a log by default, nothing lost, and dead letters that go when they are told to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use layerstore::data_store::{ErrorKind, InMemoryDataStore, MapDataStore};
use layerstore::{
    Builder, DataStoreConfig, DataStoreKind, Error, Key, Layerstore, Map, MapName, Retried, SyncPolicy,
    SystemClock, WhenFull, WriteBehindOptions, WriteBehindSettings,
};
use layerstore_testkit::doubles::{Call, FailingDataStore, Fault};
use tempfile::TempDir;

use super::opening::open_once_free;
use super::{DEADLINE, User, close, user};

/// So long that nothing is written but by a flush.
const LONG: Duration = Duration::from_secs(3_600);

/// A directory with a configuration of two lines, or some more.
struct Shop {
    directory: TempDir,
}

impl Shop {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let text = format!("format = 1\n{text}");
        std::fs::write(directory.path().join("layerstore.toml"), text).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self) -> PathBuf {
        self.path("layerstore.toml")
    }

    async fn builder(&self) -> Builder {
        Builder::from_file(self.file()).await.unwrap()
    }

    async fn open(&self) -> Layerstore {
        open_once_free(|| self.builder()).await
    }
}

/// A store that refuses and fails as it is told to, with write-behind and its log before it.
struct Rig {
    log: TempDir,
    behind: Arc<FailingDataStore>,
}

impl Rig {
    fn new() -> Self {
        let below = Arc::new(InMemoryDataStore::new(Arc::new(SystemClock)));
        Self {
            log: tempfile::tempdir().unwrap(),
            behind: Arc::new(FailingDataStore::new(below)),
        }
    }

    fn builder(&self) -> Builder {
        let settings = WriteBehindSettings::new()
            .delay(LONG)
            .log_directory(self.log.path());
        Layerstore::builder()
            .data_store(Arc::clone(&self.behind) as Arc<dyn MapDataStore>)
            .write_behind(settings)
    }

    async fn open(&self) -> (Layerstore, Map<u64>) {
        let store = open_once_free(async || self.builder()).await;
        let map = store.map::<u64>("m").unwrap();
        (store, map)
    }

    /// Outlives the stores before it, as one does that other processes have open.
    fn outlive(&self) {
        self.behind
            .fail_always(Call::Close, Fault::before(ErrorKind::Unavailable));
    }

    fn refuse(&self, name: &str) {
        self.behind
            .fail_key(&key(name), Fault::before(ErrorKind::Rejected));
    }
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn map_name() -> MapName {
    MapName::new("m").unwrap()
}

fn pending(store: &Layerstore) -> usize {
    store.write_behind().unwrap().status().pending
}

#[tokio::test]
async fn f5_two_lines_of_a_configuration_turn_write_behind_on_with_a_log() {
    for (text, log) in [
        ("[write_behind]\ndelay = \"1h\"\n", "layerstore-data/write-behind"),
        (
            "[data_store]\npath = \"records\"\n[write_behind]\n",
            "records/write-behind",
        ),
        ("[write_behind]\ndirectory = \"elsewhere\"\n", "elsewhere"),
        (
            "[data_store]\nkind = \"memory\"\n[write_behind]\n",
            "layerstore-write-behind",
        ),
    ] {
        let shop = Shop::new(text);
        let log = shop.path(log);
        assert_eq!(shop.builder().await.log_directory().unwrap(), Some(log.clone()));
        assert!(!log.exists(), "nothing is opened to say where it is");
        let store = shop.open().await;
        let users = store.map::<User>("users").unwrap();
        users.set("alice", &user("Alice", 1)).await.unwrap();
        assert!(log.join("sidecar").exists(), "{text}");
        let status = store.write_behind().unwrap().status();
        assert!(status.log.is_some_and(|log| log.syncs > 0), "{status:?}");
        users.records().clear_memory().await.unwrap();
        assert_eq!(users.get("alice").await.unwrap(), Some(user("Alice", 1)));
        drop(users);
        close(store).await;
    }
}

#[tokio::test]
async fn f5_what_is_pending_survives_a_drop_without_close() {
    let shop = Shop::new("[write_behind]\ndelay = \"1h\"\n");
    for round in 1..4 {
        let store = shop.open().await;
        let taken_over = store.write_behind().unwrap().recovered().unwrap().pending;
        assert_eq!(taken_over, usize::from(round > 1));
        let users = store.map::<User>("users").unwrap();
        let before = (round > 1).then(|| user("Alice", round - 1));
        assert_eq!(users.get("alice").await.unwrap(), before);
        assert!(store.flush(DEADLINE).await.is_complete());
        users.set("alice", &user("Alice", round)).await.unwrap();
        assert_eq!(pending(&store), 1);
    }
    let store = shop.open().await;
    close(store).await;
    // What was brought there needs no write-behind any more.
    let builder = || async { Layerstore::builder().embedded(shop.path("layerstore-data")) };
    let store = open_once_free(builder).await;
    let notes = store.open_data_store().notes();
    assert!(notes.is_empty(), "{notes:?}");
    let users = store.map::<User>("users").unwrap();
    assert_eq!(users.get("alice").await.unwrap(), Some(user("Alice", 3)));
    drop(users);
    close(store).await;
}

#[tokio::test]
async fn a_log_with_writes_that_nobody_reads_is_told_of() {
    let shop = Shop::new("[write_behind]\ndelay = \"1h\"\n");
    let store = shop.open().await;
    let users = store.map::<User>("users").unwrap();
    users.set("alice", &user("Alice", 1)).await.unwrap();
    drop((users, store));
    let builder = || async { Layerstore::builder().embedded(shop.path("layerstore-data")) };
    let store = open_once_free(builder).await;
    let notes = store.open_data_store().notes();
    assert!(
        notes
            .iter()
            .any(|note| note.contains("writes are pending in the log")),
        "{notes:?}"
    );
    close(store).await;
}

#[tokio::test]
async fn f5_a_discarded_dead_letter_leaves_memory_too() {
    let rig = Rig::new();
    let (store, map) = rig.open().await;
    for name in ["put", "removal"] {
        map.set(name, &1).await.unwrap();
    }
    assert!(store.flush(DEADLINE).await.is_complete());
    for name in ["put", "removal"] {
        rig.refuse(name);
    }
    map.set("put", &2).await.unwrap();
    // What is pending makes the removal one that is judged without the store.
    map.set("removal", &2).await.unwrap();
    map.remove("removal").await.unwrap();
    let report = store.flush(DEADLINE).await;
    assert!(!report.is_complete());
    assert_eq!(
        (report.pending.len(), report.dead_letters.len()),
        (2, 2),
        "{report:?}"
    );
    assert_eq!(
        (map.get("put").await.unwrap(), map.get("removal").await.unwrap()),
        (Some(2), None),
        "until they are discarded they are what was acknowledged"
    );
    rig.behind.heal();
    let write_behind = store.write_behind().unwrap();
    for name in ["put", "removal"] {
        assert!(write_behind.discard(&map_name(), &key(name)).await.unwrap());
        assert!(!write_behind.discard(&map_name(), &key(name)).await.unwrap());
        assert_eq!(map.get(name).await.unwrap(), Some(1), "{name}");
    }
    assert_eq!(pending(&store), 0);
    drop(map);
    close(store).await;
}

#[tokio::test]
async fn a_dead_letter_is_there_after_a_restart_and_is_stored_when_it_is_retried() {
    let rig = Rig::new();
    let (store, map) = rig.open().await;
    rig.refuse("k");
    rig.outlive();
    map.set("k", &1).await.unwrap();
    drop(map);
    let report = store.close(DEADLINE).await;
    assert!(!report.is_complete());
    assert_eq!(report.dead_letters.len(), 1, "{report:?}");
    assert_eq!(report.data_store.unwrap().pending, [(map_name(), key("k"))]);
    drop(store);
    let (store, map) = rig.open().await;
    let write_behind = store.write_behind().unwrap();
    let letters = write_behind.dead_letters();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].reason.contains("rejected"), "{letters:?}");
    let (m, k) = (map_name(), key("k"));
    let retried = write_behind.retry(&m, &k, DEADLINE).await.unwrap();
    assert!(matches!(retried, Some(Retried::Refused(_))), "{retried:?}");
    rig.behind.heal();
    assert_eq!(map.get("k").await.unwrap(), Some(1));
    let retried = write_behind.retry(&m, &k, DEADLINE).await.unwrap();
    assert_eq!(retried, Some(Retried::Stored));
    assert_eq!(write_behind.retry(&m, &k, DEADLINE).await.unwrap(), None);
    assert!(rig.behind.load(&m, &k).await.unwrap().is_some());
    drop(map);
    close(store).await;
}

#[tokio::test]
async fn f3_flush_and_close_end_in_time_where_the_store_is_down_and_say_what_is_pending() {
    let rig = Rig::new();
    let (store, map) = rig.open().await;
    map.set("k", &1).await.unwrap();
    rig.behind
        .fail_always(Call::Apply, Fault::before(ErrorKind::Unavailable));
    rig.outlive();
    let second = Duration::from_secs(1);
    let report = store.flush(second).await;
    assert_eq!(report.pending, [(map_name(), key("k"))], "{report:?}");
    assert_eq!(report.error.unwrap().kind(), ErrorKind::Timeout);
    drop(map);
    let report = store.close(second).await;
    assert!(
        report.maps.is_empty() && report.dead_letters.is_empty(),
        "{report:?}"
    );
    assert_eq!(report.data_store.unwrap().pending, [(map_name(), key("k"))]);
    drop(store);
    rig.behind.heal();
    let (store, map) = rig.open().await;
    assert_eq!(map.get("k").await.unwrap(), Some(1));
    drop(map);
    close(store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_is_acknowledged_while_the_store_is_down_whatever_it_replaces() {
    let rig = Rig::new();
    let (store, map) = rig.open().await;
    for name in ["set", "put", "update", "remove"] {
        map.set(name, &1).await.unwrap();
    }
    assert!(store.flush(DEADLINE).await.is_complete());
    rig.behind
        .fail_always(Call::Apply, Fault::before(ErrorKind::Unavailable));
    map.set("set", &2).await.unwrap();
    assert_eq!(map.put("put", &2).await.unwrap(), Some(1));
    map.update("update", |old| old.map(|old| old + 1)).await.unwrap();
    map.remove("remove").await.unwrap();
    assert_eq!(pending(&store), 4);
    rig.behind.heal();
    assert!(store.flush(DEADLINE).await.is_complete());
    for name in ["set", "put", "update"] {
        assert_eq!(map.get(name).await.unwrap(), Some(2));
    }
    assert_eq!(map.get("remove").await.unwrap(), None);
    drop(map);
    close(store).await;
}

#[tokio::test]
async fn verifying_and_opening_alone_see_what_is_pending() {
    let shop = Shop::new("[write_behind]\ndelay = \"1h\"\n");
    let store = shop.open().await;
    let users = store.map::<User>("users").unwrap();
    users.set("alice", &user("Alice", 1)).await.unwrap();
    assert_eq!(pending(&store), 1);
    let verified = store.verify().await.unwrap();
    assert_eq!((verified.maps[0].live, pending(&store)), (1, 0));
    users.set("bob", &user("Bob", 1)).await.unwrap();
    drop((users, store));
    let config = DataStoreConfig::from_file(shop.file()).await.unwrap();
    let opened = loop {
        match config.open(Arc::new(SystemClock)).await {
            Ok(opened) => break opened,
            Err(error) => assert_eq!(error.store_error().unwrap().kind(), ErrorKind::AlreadyOpen),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(
        (opened.name(), opened.store().name()),
        ("embedded", "write-behind")
    );
    assert_eq!(opened.verify().await.unwrap().maps[0].live, 2);
    assert!(opened.close(DEADLINE).await.is_complete());
}

#[tokio::test]
async fn without_a_log_nothing_is_written_beside_the_store() {
    let shop = Shop::new("[write_behind]\nlog = false\n");
    assert_eq!(shop.builder().await.log_directory().unwrap(), None);
    let store = shop.open().await;
    let notes = store.open_data_store().notes().to_vec();
    assert!(
        notes.iter().any(|note| note.contains("without a log")),
        "{notes:?}"
    );
    let users = store.map::<User>("users").unwrap();
    users.set("alice", &user("Alice", 1)).await.unwrap();
    assert!(store.write_behind().unwrap().status().log.is_none());
    drop(users);
    close(store).await;
    assert!(!shop.path("layerstore-data/write-behind").exists());
}

#[tokio::test]
async fn f4_write_behind_that_cannot_be_is_refused_at_build_by_its_name() {
    let plain = WriteBehindSettings::new;
    let options = WriteBehindOptions::default();
    let memory = || Layerstore::builder().data_store_kind(DataStoreKind::Memory);
    let cases = [
        (
            Layerstore::builder().in_memory().write_behind(plain()),
            "write_behind",
        ),
        (memory().write_behind(plain()), "write_behind.directory"),
        (
            memory().write_behind(plain().options(options.batch_records(0)).without_log()),
            "write_behind.batch",
        ),
        (
            memory().write_behind(
                plain()
                    .options(options.call_timeout(Duration::ZERO))
                    .without_log(),
            ),
            "write_behind.call_timeout",
        ),
        (
            memory().write_behind(plain().when_full(WhenFull::Spill).without_log()),
            "write_behind.when_full",
        ),
        (
            memory().write_behind(plain().sync(SyncPolicy::Interval(Duration::ZERO))),
            "write_behind.sync",
        ),
    ];
    for (builder, key) in cases {
        match builder.build().await {
            Err(Error::Config(error)) => assert_eq!(error.key(), key, "{error}"),
            other => panic!("{key}: {:?}", other.err()),
        }
    }
    let null = Arc::new(layerstore::data_store::NullDataStore::new());
    let builder = Layerstore::builder()
        .data_store(null)
        .write_behind(plain().without_log());
    assert!(matches!(builder.build().await, Err(Error::Config(_))));
}

#[tokio::test]
async fn a_damaged_log_is_refused_by_file_and_offset_and_the_store_is_let_go() {
    let shop = Shop::new("[write_behind]\ndelay = \"1h\"\n");
    let store = shop.open().await;
    let users = store.map::<User>("users").unwrap();
    for name in ["alice", "bob"] {
        users.set(name, &user(name, 1)).await.unwrap();
    }
    drop((users, store));
    close(shop.open().await).await;
    flip(&shop.path("layerstore-data/write-behind"));
    let error = shop.builder().await.build().await.map(drop).unwrap_err();
    let error = error.store_error().unwrap();
    assert_eq!(
        (error.kind(), error.store()),
        (ErrorKind::Corrupt, "write-behind")
    );
    let text = error.to_string();
    assert!(text.contains(".segment is damaged at byte "), "{text}");
    let builder = || async { Layerstore::builder().embedded(shop.path("layerstore-data")) };
    let store = open_once_free(builder).await;
    close(store).await;
}

/// Changes a byte of an entry in the first segment of a log.
fn flip(log: &Path) {
    let mut segments: Vec<PathBuf> = std::fs::read_dir(log)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|file| file.extension().is_some_and(|end| end == "segment"))
        .collect();
    segments.sort();
    let mut bytes = std::fs::read(&segments[0]).unwrap();
    let place = bytes.len() / 2;
    bytes[place] ^= 1;
    std::fs::write(&segments[0], bytes).unwrap();
}
