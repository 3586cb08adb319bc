//! The program that starts all services once: it says where they are, and they end with it.

#![cfg(feature = "services")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: an unexpected answer ends the test"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::net::TcpStream;
use url::Url;

fn start() -> (Child, Vec<String>) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_layerstore-services"))
        // Containers have tests of their own; and what the run of this test was given is not to be handed on.
        .env("LAYERSTORE_TEST_PROVIDER", "native")
        .env_remove("LAYERSTORE_TEST_POSTGRES")
        .env_remove("LAYERSTORE_TEST_S3")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let lines = lines
        .map_while(Result::ok)
        .take_while(|line| line != "READY")
        .collect();
    (program, lines)
}

fn environment(lines: &[String]) -> BTreeMap<&str, Url> {
    let pairs = lines.iter().filter_map(|line| line.split_once('='));
    pairs
        .filter_map(|(name, value)| Some((name, Url::parse(value).ok()?)))
        .collect()
}

#[tokio::test]
async fn services_are_named_and_end_with_the_program_that_started_them() {
    let (mut program, lines) = start();
    assert!(
        lines.iter().any(|line| line.starts_with("PROVIDER PostgreSQL: ")),
        "{lines:?}"
    );
    assert!(
        lines.contains(&"PROVIDER S3 server: in process".to_owned()),
        "{lines:?}"
    );
    let servers = environment(&lines);
    let postgres = servers["LAYERSTORE_TEST_POSTGRES"].as_str();
    PgConnection::connect(postgres).await.unwrap();
    let s3 = servers["LAYERSTORE_TEST_S3"].socket_addrs(|| None).unwrap()[0];
    TcpStream::connect(s3).await.unwrap();
    drop(program.stdin.take());
    assert!(program.wait().unwrap().success());
    assert!(PgConnection::connect(postgres).await.is_err());
    assert!(TcpStream::connect(s3).await.is_err());
}

#[tokio::test]
async fn services_end_with_a_program_that_is_killed() {
    let (mut program, lines) = start();
    let servers = environment(&lines);
    let postgres = servers["LAYERSTORE_TEST_POSTGRES"].as_str();
    program.kill().unwrap();
    program.wait().unwrap();
    let gone = async {
        while PgConnection::connect(postgres).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.unwrap();
}
