//! Servers of tests: each test has a database of its own, a private server stops and starts, and nothing outlives the process.

#![cfg(feature = "services-postgres")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: an unexpected answer ends the test"
)]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use layerstore_testkit::proxy::{Direction, Moment, TcpProxy, postgres};
use layerstore_testkit::services::{self, Shutdown};
use sqlx::{Connection, Executor, PgConnection};

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

async fn is_there(connection: &mut PgConnection, database: &str) -> bool {
    let found = sqlx::query("SELECT FROM pg_database WHERE datname = $1").bind(database);
    found.fetch_optional(connection).await.unwrap().is_some()
}

#[tokio::test]
async fn databases_are_apart_and_dropped_even_with_a_connection_to_them() {
    let (one, other) = (
        services::postgres().await.unwrap(),
        services::postgres().await.unwrap(),
    );
    let mut to_one = connect(one.url()).await;
    let mut to_other = connect(other.url()).await;
    to_one.execute("CREATE TABLE t (x int)").await.unwrap();
    to_other.execute("CREATE TABLE t (x int)").await.unwrap();
    assert!(is_there(&mut to_other, one.name()).await);
    let name = one.name().to_owned();
    drop(one);
    assert!(!is_there(&mut to_other, &name).await);
    assert!(to_one.execute("SELECT 1").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_database_is_made_while_the_clock_of_a_test_stands_still() {
    assert!(
        services::postgres()
            .await
            .unwrap()
            .url()
            .contains("layerstore_test_")
    );
}

#[tokio::test]
async fn what_was_committed_outlives_an_immediate_restart_and_a_stop() {
    let server = services::private_postgres(&["work_mem=8MB"]).await.unwrap();
    let database = server.database().await.unwrap();
    let mut connection = connect(database.url()).await;
    connection.execute("CREATE TABLE t (x int)").await.unwrap();
    for round in 1..=3_i64 {
        connection.execute("INSERT INTO t VALUES (1)").await.unwrap();
        server.restart_immediate().await.unwrap();
        assert!(connection.execute("SELECT 1").await.is_err());
        connection = connect(database.url()).await;
        let (count,): (i64,) = sqlx::query_as("SELECT count(*) FROM t")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(count, round);
    }
    server.stop(Shutdown::Fast).await.unwrap();
    assert!(PgConnection::connect(database.url()).await.is_err());
    server.start().await.unwrap();
    let mut connection = connect(database.url()).await;
    let (setting,): (String,) = sqlx::query_as("SHOW work_mem")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(setting, "8MB");
    connection.execute("SELECT * FROM t").await.unwrap();
}

/// Inserts through a proxy that cuts at a moment: the client gets an error. Returns whether the insert was committed.
async fn is_committed_with(cut: impl FnOnce(&TcpProxy) -> Moment) -> bool {
    let database = services::postgres().await.unwrap();
    let mut direct = connect(database.url()).await;
    direct.execute("CREATE TABLE t (x int)").await.unwrap();
    let proxy = TcpProxy::start(&database.server(), postgres::messages)
        .await
        .unwrap();
    let mut connection = connect(&database.url_through(proxy.address())).await;
    let moment = cut(&proxy);
    moment.cut();
    let mut transaction = connection.begin().await.unwrap();
    transaction
        .execute(sqlx::query("INSERT INTO t VALUES ($1)").bind(1))
        .await
        .unwrap();
    assert!(transaction.commit().await.is_err());
    assert!(moment.is_reached());
    // A table lock waits for whatever the server still does with the broken connection.
    direct
        .execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let (count,): (i64,) = sqlx::query_as("SELECT count(*) FROM t")
        .fetch_one(&mut direct)
        .await
        .unwrap();
    count == 1
}

#[tokio::test]
async fn a_cut_before_the_commit_arrives_leaves_nothing() {
    assert!(!is_committed_with(|proxy| proxy.at(Direction::ToServer, postgres::begins("COMMIT"))).await);
}

#[tokio::test]
async fn a_cut_before_the_reply_to_a_commit_leaves_it_committed_and_the_client_does_not_know() {
    assert!(is_committed_with(|proxy| proxy.at(Direction::ToClient, postgres::completes("COMMIT"))).await);
}

/// What the line with the address begins with.
const ADDRESS: &str = "ADDRESS ";

#[tokio::test]
#[ignore = "the child of the test below"]
async fn child_that_is_killed_with_a_server() {
    let server = services::private_postgres(&[]).await.unwrap();
    let database = server.database().await.unwrap();
    println!("\n{ADDRESS}{}", database.url());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn nothing_is_left_of_the_server_of_a_killed_process() {
    let folder = tempfile::tempdir().unwrap();
    // Where this is root, the account of the server cleans up in it.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "child_that_is_killed_with_a_server",
            "--ignored",
            "--nocapture",
        ])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let url = address_of(&mut child);
    connect(&url).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let gone = async {
        while PgConnection::connect(&url).await.is_ok() || !is_empty(folder.path()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.unwrap();
}

fn address_of(child: &mut Child) -> String {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut addresses = lines
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix(ADDRESS).map(str::to_owned));
    addresses.next().unwrap()
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}
