//! A hot and a cold store from a configuration file: what is due moves, is found wherever it is, and whoever moves it ends in time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, TryStreamExt};
use layerstore::data_store::MapDataStoreExt;
use layerstore::{Builder, DataStoreConfig, DataStoreKind, Layerstore, Map, MapName, ScanRequest};
use layerstore_testkit::clock::ManualClock;
use tempfile::TempDir;
use tokio::runtime::Handle;

use super::opening::open_once_free;
use super::{DEADLINE, User, user};

const HOUR: Duration = Duration::from_secs(3_600);
const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// A directory with a configuration: embedded is hot, files are cold, and the archiver hardly rests.
struct Shop {
    directory: TempDir,
    clock: ManualClock,
}

impl Shop {
    fn new(when: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("cold");
        let text = format!(
            "format = 1\n[data_store]\nkind = \"tiered\"\npause = \"1ms\"\n{when}\n\
             [data_store.hot]\npath = \"hot\"\n\
             [data_store.cold]\nkind = \"object\"\nservice = \"fs\"\noptions = {{ root = {:?} }}\n",
            root.display().to_string()
        );
        std::fs::write(directory.path().join("layerstore.toml"), text).unwrap();
        Self {
            directory,
            clock: ManualClock::new(),
        }
    }

    fn file(&self) -> std::path::PathBuf {
        self.directory.path().join("layerstore.toml")
    }

    async fn builder(&self) -> Builder {
        let builder = Builder::from_file(self.file()).await.unwrap();
        builder.clock(self.clock.shared())
    }

    async fn open(&self) -> Layerstore {
        self.builder().await.build().await.unwrap()
    }

    /// Opens the store as soon as nothing holds its directory: an opening that was dropped lets go of it on a thread of its own.
    async fn open_once_free(&self) -> Layerstore {
        open_once_free(|| self.builder()).await
    }

    /// A store whose four records are in cold.
    async fn archived(&self) -> (Layerstore, Map<User>) {
        let store = self.open_once_free().await;
        let users = stocked(&store).await;
        self.clock.advance(2 * HOUR);
        until_archived(&store, 4).await;
        users.records().clear_memory().await.unwrap();
        (store, users)
    }
}

async fn stocked(store: &Layerstore) -> Map<User> {
    let users = store.map::<User>("users").unwrap();
    for name in NAMES {
        users.set(name, &user(name, 1)).await.unwrap();
    }
    users
}

fn archived(store: &Layerstore) -> u64 {
    let report = store.open_data_store().archiver_report();
    report.map_or(0, |report| report.archived)
}

/// Waits until so many records have been archived.
async fn until_archived(store: &Layerstore, count: u64) {
    let archiving = async {
        while archived(store) < count {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(DEADLINE, archiving).await;
    assert!(waited.is_ok(), "{:?}", store.open_data_store().archiver_report());
}

/// Waits until the archiver has looked through everything twice more: what was due when this began has gone.
async fn after_a_round(store: &Layerstore) {
    let rounds = || {
        let report = store.open_data_store().archiver_report();
        report.map_or(0, |report| report.rounds)
    };
    let begin = rounds();
    let archiving = async {
        while rounds() < begin + 2 {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, archiving).await.is_ok());
}

/// Counts what lies in a tier: records and stubs, or copies.
async fn rows(store: &Layerstore, tier: &str) -> usize {
    let opened = store.open_data_store();
    let (_, tier) = opened.tiers().iter().find(|(name, _)| *name == tier).unwrap();
    let map = MapName::new("users").unwrap();
    let rows = tier.store().scan(&map, ScanRequest::first(100));
    let rows: Vec<_> = rows.try_collect().await.unwrap();
    rows.iter().filter(|(_, record)| !record.is_tombstone()).count()
}

async fn names(users: &Map<User>) -> Vec<String> {
    let all: Vec<(_, User)> = users.entries().try_collect().await.unwrap();
    all.into_iter().map(|(_, user)| user.name).collect()
}

/// Closes a store; returns how many records its archiver has archived.
async fn close(store: Layerstore) -> u64 {
    let report = store.close(DEADLINE).await;
    assert!(report.is_complete(), "{report:?}");
    let archiver = report.archiver.unwrap();
    assert!(archiver.ended_in_time && archiver.failed == 0, "{archiver:?}");
    archiver.archived
}

#[tokio::test]
async fn what_is_due_moves_to_cold_and_is_read_overwritten_removed_and_scanned_like_anything_else() {
    let shop = Shop::new("age = \"1h\"");
    let (store, users) = shop.archived().await;
    assert_eq!(
        (rows(&store, "hot").await, rows(&store, "cold").await),
        (4, 4),
        "hot keeps a stub of each"
    );
    assert_eq!(names(&users).await, NAMES);
    assert_eq!(users.get("alice").await.unwrap(), Some(user("alice", 1)));
    users.set("bob", &user("bob", 2)).await.unwrap();
    assert!(users.remove("carol").await.unwrap().is_some());
    users
        .update("dave", |old: Option<User>| {
            old.map(|old| user(&old.name, old.visits + 1))
        })
        .await
        .unwrap();
    users.records().clear_memory().await.unwrap();
    let expected = [
        ("alice", Some(1)),
        ("bob", Some(2)),
        ("carol", None),
        ("dave", Some(2)),
    ];
    for (name, visits) in expected {
        let found = users.get(name).await.unwrap();
        assert_eq!(found, visits.map(|visits| user(name, visits)), "{name}");
    }
    users.clear().await.unwrap();
    assert_eq!(names(&users).await, [""; 0]);
    drop(users);
    assert_eq!(close(store).await, 4);
}

#[tokio::test]
async fn what_was_archived_is_found_after_a_restart_and_goes_again_when_it_is_due_again() {
    let shop = Shop::new("age = \"1h\"\npromotion = \"on-read\"");
    let (store, users) = shop.archived().await;
    drop(users);
    close(store).await;
    let store = shop.open().await;
    let users = store.map::<User>("users").unwrap();
    users.set("erin", &user("erin", 1)).await.unwrap();
    assert_eq!(users.get("alice").await.unwrap(), Some(user("alice", 1)));
    assert_eq!(names(&users).await.len(), 5);
    after_a_round(&store).await;
    assert_eq!(archived(&store), 0, "what was brought back counts as used then");
    shop.clock.advance(2 * HOUR);
    until_archived(&store, 2).await;
    drop(users);
    assert_eq!(close(store).await, 2);
}

#[tokio::test]
async fn what_is_read_in_memory_is_not_idle_and_a_restart_counts_as_a_use() {
    let shop = Shop::new("idle = \"1h\"");
    let store = shop.open().await;
    let users = stocked(&store).await;
    for _ in 0..3 {
        shop.clock.advance(HOUR / 2);
        assert!(users.get("alice").await.unwrap().is_some());
        after_a_round(&store).await;
    }
    assert_eq!(
        archived(&store),
        3,
        "alice is read all the while, of which no data store hears"
    );
    drop(users);
    assert_eq!(close(store).await, 3);
    // Who read alice is forgotten now. She is not archived for that.
    let store = shop.open().await;
    let users = store.map::<User>("users").unwrap();
    users.set("erin", &user("erin", 1)).await.unwrap();
    shop.clock.advance(HOUR / 2);
    after_a_round(&store).await;
    assert_eq!(archived(&store), 0);
    shop.clock.advance(HOUR);
    until_archived(&store, 2).await;
    drop(users);
    close(store).await;
}

#[tokio::test]
async fn only_a_store_that_serves_archives() {
    let shop = Shop::new("age = \"1h\"");
    let store = shop.builder().await.without_archiver().build().await.unwrap();
    let users = stocked(&store).await;
    shop.clock.advance(2 * HOUR);
    assert!(store.open_data_store().archiver_report().is_none());
    drop(users);
    let report = store.close(DEADLINE).await;
    assert!(report.is_complete() && report.archiver.is_none(), "{report:?}");
    let config = DataStoreConfig::from_file(shop.file()).await.unwrap();
    assert_eq!(config.kind(), DataStoreKind::Tiered);
    assert_eq!(config.directories(), [shop.directory.path().join("hot")]);
    let opened = config.open(shop.clock.shared()).await.unwrap();
    assert!(opened.archiver_report().is_none());
    let verified = opened.verify().await.unwrap();
    assert_eq!(verified.maps[0].live, 4);
    for (name, tier) in opened.tiers() {
        let live: u64 = tier.verify().await.unwrap().maps.iter().map(|map| map.live).sum();
        assert_eq!(live, if *name == "hot" { 4 } else { 0 }, "{name}");
    }
    // A store that was opened before serves, too, once it is given to one that does.
    let store = Layerstore::builder()
        .open_data_store(opened)
        .clock(shop.clock.shared())
        .build()
        .await
        .unwrap();
    let users = store.map::<User>("users").unwrap();
    users.set("erin", &user("erin", 1)).await.unwrap();
    until_archived(&store, 4).await;
    drop(users);
    assert_eq!(close(store).await, 4);
}

#[tokio::test]
async fn a_close_that_is_dropped_leaves_an_archiver_that_ends_and_a_store_that_opens_again() {
    let shop = Shop::new("age = \"1h\"");
    for polls in 0..6 {
        let store = shop.open_once_free().await;
        let users = stocked(&store).await;
        shop.clock.advance(2 * HOUR);
        drop(users);
        let mut closing = Box::pin(store.close(DEADLINE));
        for _ in 0..polls {
            if (&mut closing).now_or_never().is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(closing);
        drop(store);
        until_idle().await;
    }
    let (store, users) = shop.archived().await;
    assert_eq!(names(&users).await, NAMES);
    drop(users);
    close(store).await;
}

#[tokio::test]
async fn an_opening_or_a_read_of_what_is_archived_that_is_dropped_leaves_everything_as_it_was() {
    let shop = Shop::new("age = \"1h\"");
    let (store, users) = shop.archived().await;
    for (number, name) in NAMES.into_iter().enumerate() {
        let mut reading = Box::pin(users.get(name));
        for _ in 0..number {
            let _ = futures::poll!(&mut reading);
            tokio::task::yield_now().await;
        }
        drop(reading);
        assert_eq!(users.get(name).await.unwrap(), Some(user(name, 1)));
    }
    drop(users);
    close(store).await;
    for polls in 0..12 {
        let builder = shop.builder().await;
        let mut opening = Box::pin(builder.build());
        for _ in 0..polls {
            if futures::poll!(&mut opening).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(opening);
        until_idle().await;
    }
    let store = shop.open_once_free().await;
    let users = store.map::<User>("users").unwrap();
    assert_eq!(names(&users).await, NAMES);
    drop(users);
    close(store).await;
}

/// Waits until no task is left, and so nothing holds a directory.
async fn until_idle() {
    let idle = async {
        while Handle::current().metrics().num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, idle).await.is_ok());
}

#[tokio::test]
async fn a_tier_that_does_not_open_is_named_and_the_other_is_let_go() {
    let shop = Shop::new("age = \"1h\"");
    // A file where the directory of objects has to be.
    std::fs::write(shop.directory.path().join("cold"), "x").unwrap();
    let refused = shop.builder().await.build().await.map(drop).unwrap_err();
    let store_error = refused.store_error().unwrap();
    assert!(
        store_error.to_string().contains("the cold store does not open"),
        "{store_error}"
    );
    assert!(std::error::Error::source(store_error).is_some());
    std::fs::remove_file(shop.directory.path().join("cold")).unwrap();
    let hot = Layerstore::builder().embedded(shop.directory.path().join("hot"));
    let held = hot.build().await.unwrap();
    let refused = shop.builder().await.build().await.map(drop).unwrap_err();
    let store_error = refused.store_error().unwrap();
    assert!(
        store_error.to_string().contains("the hot store does not open"),
        "{store_error}"
    );
    assert!(held.close(DEADLINE).await.is_complete());
    close(shop.open().await).await;
}

#[tokio::test]
async fn memory_is_both_tiers_for_tests() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("layerstore.toml");
    let memory = "[data_store.hot]\nkind = \"memory\"\n[data_store.cold]\nkind = \"memory\"\n";
    let text =
        format!("format = 1\n[data_store]\nkind = \"tiered\"\nage = \"1h\"\npause = \"1ms\"\n{memory}");
    std::fs::write(&file, text).unwrap();
    let clock = ManualClock::new();
    let store = open_at(&file, &clock).await;
    let users = stocked(&store).await;
    clock.advance(2 * HOUR);
    until_archived(&store, 4).await;
    let notes = store.open_data_store().notes();
    assert!(notes.iter().any(|note| note.starts_with("cold: ")), "{notes:?}");
    drop(users);
    close(store).await;
}

async fn open_at(file: &Path, clock: &ManualClock) -> Layerstore {
    let builder = Builder::from_file(file).await.unwrap();
    builder.clock(Arc::clone(&clock.shared())).build().await.unwrap()
}
