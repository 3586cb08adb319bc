//! R20: a server that takes connections and never answers.

use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapDataStore, Outcome, ScanRequest, WriteResult};
use layerstore_postgres::{PostgresBuilder, PostgresDataStore};
use layerstore_testkit::proof;
use layerstore_testkit::records::version;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::proxy::Proxy;
use crate::server::Database;
use crate::support::{CLOSE, key, map, put};

const TIMEOUT: Duration = Duration::from_millis(500);
const ATTEMPTS: u32 = 2;

fn impatient(url: String) -> PostgresBuilder {
    PostgresDataStore::builder(url)
        .acquire_timeout(TIMEOUT)
        .connect_timeout(TIMEOUT)
        .statement_timeout(TIMEOUT)
        .attempts(ATTEMPTS)
        .pool_size(2)
}

/// Attempts times what one may take, and a tenth.
fn bound() -> Duration {
    2 * TIMEOUT * ATTEMPTS * 11 / 10
}

#[tokio::test]
async fn r20_every_call_to_a_silent_server_ends_in_time() {
    let (database, map) = (Database::default(), map("map"));
    let proxy = Proxy::to(&database.get().await.server()).await;
    let through = database.get().await.url_through(proxy.address());
    // Long enough for a busy machine to open the store; then the times that are tested.
    let patient = PostgresDataStore::builder(&through).connect().await.unwrap();
    assert!(patient.close(CLOSE).await.is_complete());
    let store = impatient(through).connect().await.unwrap();
    store.claim(&map).await.unwrap();
    proxy.fall_silent();
    let calls = [
        "apply",
        "load",
        "load_all",
        "scan_page",
        "list_maps",
        "clear",
        "purge",
        "claim",
    ];
    for call in calls {
        let began = Instant::now();
        let error = match call {
            "apply" => match store
                .apply(vec![put(&map, &key("a"), 1), put(&map, &key("b"), 2)])
                .await
                .remove(0)
            {
                WriteResult::Rejected(error) => error,
                other => panic!("nobody answers: {other:?}"),
            },
            "load" => store.load(&map, &key("a")).await.unwrap_err(),
            "load_all" => store.load_all(&map, &[key("a"), key("b")]).await.unwrap_err(),
            "scan_page" => store.scan_page(&map, ScanRequest::first(9)).await.unwrap_err(),
            "list_maps" => store.list_maps().await.unwrap_err(),
            "clear" => store.clear(&map, version(1)).await.unwrap_err(),
            "purge" => store.purge(&map, version(1)).await.unwrap_err(),
            _ => store.claim(&map).await.unwrap_err(),
        };
        let took = began.elapsed();
        assert!(
            took <= bound(),
            "R20: {call} took {took:?}, the bound is {:?}",
            bound()
        );
        assert_eq!(error.kind(), ErrorKind::Timeout, "{call}: {error}");
    }
    let began = Instant::now();
    assert!(store.close(CLOSE).await.is_complete());
    assert!(began.elapsed() <= bound());
    proof::report("R20", &[("calls", calls.len() as u64), ("violations", 0)]);
}

#[tokio::test]
async fn r20_a_silent_server_is_not_connected_to_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let began = Instant::now();
    let error = impatient(format!("postgres://ann:hunter2@{address}/shop"))
        .connect()
        .await
        .unwrap_err();
    assert!(began.elapsed() <= bound(), "{:?}", began.elapsed());
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Timeout, Outcome::NotApplied)
    );
    let shown = format!("{error} {error:?}");
    assert!(
        shown.contains(&address.to_string()) && !shown.contains("hunter2"),
        "{shown}"
    );
}

/// Of many calls that wait for a server, each has its own deadline: none waits for the others' as well.
#[tokio::test]
async fn r20_calls_beside_each_other_do_not_wait_for_each_other() {
    let (database, map) = (Database::default(), map("map"));
    let proxy = Proxy::to(&database.get().await.server()).await;
    let through = database.get().await.url_through(proxy.address());
    let store = impatient(through).connect().await.unwrap();
    store.claim(&map).await.unwrap();
    proxy.fall_silent();
    let began = Instant::now();
    let names: Vec<_> = (0..32).map(|number| key(&format!("{number}"))).collect();
    let calls = names.iter().map(|key| store.apply(vec![put(&map, key, 1)]));
    for answers in futures::future::join_all(calls).await {
        assert!(matches!(&answers[0], WriteResult::Rejected(error) if error.kind() == ErrorKind::Timeout));
    }
    assert!(began.elapsed() <= bound(), "{:?}", began.elapsed());
}
