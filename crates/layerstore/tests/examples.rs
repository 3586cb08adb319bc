//! The examples run, and do what they say.

#[path = "../examples/custom_observer.rs"]
mod custom_observer;
#[path = "../examples/live_query.rs"]
mod live_query;
#[path = "../examples/own_parts.rs"]
mod own_parts;
#[expect(
    dead_code,
    reason = "its `main` would take the arguments of the test runner for an address and a folder"
)]
#[path = "../examples/session_server.rs"]
mod session_server;
#[path = "../examples/slow_source.rs"]
mod slow_source;

use std::path::{Path, PathBuf};
use std::time::Duration;

use layerstore_testkit::clock::ManualClock;
use session_server::{MAX_IDLE, Server, TTL, ask};

fn cities() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/cities.jsonl")
}

#[test]
fn the_examples_run() {
    assert!(slow_source::main().is_ok());
    assert!(custom_observer::main().is_ok());
    assert!(own_parts::main().is_ok());
    assert!(live_query::main().is_ok());
}

#[tokio::test]
async fn the_watcher_of_a_live_query_is_told_who_comes_and_goes() {
    let store = layerstore::Layerstore::builder()
        .in_memory()
        .build()
        .await
        .unwrap();
    let told = live_query::run(&store.map("players").unwrap()).await.unwrap();
    let expected = [
        "first ada, bob, cy",
        "cy leaves",
        "di enters with 60",
        "ada leaves",
        "cy enters with 30",
        "rowing bob, cy",
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn the_session_server_shows_itself() {
    session_server::show().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_slow_source_is_asked_once_a_key_however_many_ask() {
    let cities = slow_source::run(&cities()).await.unwrap();
    assert_eq!(cities.look_ups(), 4, "three cities, and one that is not there");
    let berlin = cities.find("2950159").await.unwrap().unwrap();
    assert_eq!((berlin.name.as_str(), berlin.country.as_str()), ("Berlin", "DE"));
    assert_eq!(cities.find("no such city").await.unwrap(), None);
    assert_eq!(cities.look_ups(), 4, "that there is none is remembered too");
}

#[tokio::test]
async fn the_index_of_the_custom_observer_follows_the_map() {
    let text = std::fs::read_to_string(cities()).unwrap();
    let german = text
        .lines()
        .filter(|line| line.contains("\"country\":\"DE\""))
        .count();
    let (index, told) = custom_observer::run(&cities()).await.unwrap();
    assert_eq!(told, text.lines().count() + 1, "each city came, and one left");
    let found = index.cities("DE");
    assert_eq!(found.len(), german - 1, "all but the one that was removed");
    assert!(!found.iter().any(|key| key.as_str() == "2950159"));
}

#[tokio::test]
async fn a_session_outlives_a_restart_and_ends_in_time() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let start = || Server::start("127.0.0.1:0", directory.path(), clock.shared());
    let server = start().await.unwrap();
    let alice = ask(server.address, "login alice").await.unwrap();
    let bob = ask(server.address, "login bob").await.unwrap();
    assert_ne!(alice, bob);
    server.stop().await.unwrap();

    let server = start().await.unwrap();
    let second = Duration::from_secs(1);
    let who = async |token: &str| ask(server.address, &format!("who {token}")).await.unwrap();
    clock.advance(MAX_IDLE - second);
    assert_eq!(who(&alice).await, "alice");
    clock.advance(MAX_IDLE - second);
    assert_eq!(
        who(&alice).await,
        "alice",
        "reading a session moved the end of its idle time"
    );
    assert_eq!(who(&bob).await, "nobody", "nobody asked for it for too long");
    let mut age = 2 * (MAX_IDLE - second);
    while age + MAX_IDLE < TTL {
        clock.advance(MAX_IDLE - second);
        age += MAX_IDLE - second;
        assert_eq!(who(&alice).await, "alice", "after {age:?}");
    }
    clock.advance(TTL - age);
    assert_eq!(who(&alice).await, "nobody", "a day is over, however busy it was");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_session_ends_at_logout_and_for_good() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let start = || Server::start("127.0.0.1:0", directory.path(), clock.shared());
    let server = start().await.unwrap();
    let token = ask(server.address, "login alice").await.unwrap();
    let bye = ask(server.address, &format!("logout {token}")).await.unwrap();
    assert_eq!(bye, "bye alice");
    server.stop().await.unwrap();

    let server = start().await.unwrap();
    let who = ask(server.address, &format!("who {token}")).await.unwrap();
    assert_eq!(who, "nobody");
    let help = ask(server.address, "nonsense").await.unwrap();
    assert!(help.starts_with("say: "), "{help}");
    server.stop().await.unwrap();
}
