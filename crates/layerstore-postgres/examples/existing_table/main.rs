//! Layerstore over a table that a service had already: customers, who stay readable and countable in plain SQL. Run it against an
//! empty database: `cargo run -p layerstore-postgres --example existing_table -- postgres://USER:PASSWORD@HOST/DATABASE`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod customers;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{MapDataStore, MapDataStoreExt, TableDataStore, Write};
use layerstore_record::{
    Key, MapName, Millis, NodeId, Record, RecordValue, SystemClock, Timestamp, Version, to_value,
};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

pub(crate) use customers::{Customer, Customers};

/// What the service had.
pub(crate) const BEFORE: &str =
    "CREATE TABLE customers (id text PRIMARY KEY, email text NOT NULL, plan text NOT NULL)";

/// What the table gets on top.
pub(crate) const COLUMNS: &str = include_str!("columns.sql");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args()
        .nth(1)
        .ok_or("name a database: postgres://USER:PASSWORD@HOST/DATABASE")?;
    show(&url).await
}

/// Opens the service's connections. A client that falls silent keeps the map from others no longer than the server's limits.
pub(crate) async fn pool(url: &str) -> sqlx::Result<PgPool> {
    let limits = [
        ("statement_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "10s"),
    ];
    let options = url.parse::<PgConnectOptions>()?.options(limits);
    let pool = PgPoolOptions::new().acquire_timeout(Duration::from_secs(10));
    pool.connect_with(options).await
}

/// Puts the table of a service to use, with what is in it.
pub(crate) async fn show(url: &str) -> Result<(), Box<dyn Error>> {
    let mut service = PgConnection::connect(url).await?;
    service.execute(BEFORE).await?;
    service
        .execute("INSERT INTO customers VALUES ('alice', 'alice@example.com', 'team')")
        .await?;
    service.execute(AssertSqlSafe(COLUMNS)).await?;

    let (map, key) = (MapName::new("customers")?, Key::new("alice")?);
    let customers = Customers(pool(url).await?);
    let store = TableDataStore::new(map.clone(), customers, Arc::new(SystemClock));
    let found = store.load(&map, &key).await?;
    println!(
        "was there before: {}",
        found.is_some_and(|record| !record.is_tombstone())
    );

    store.claim(&map).await?;
    let moved = |millis: u64, plan: &str| -> Result<Write, Box<dyn Error>> {
        let at = Timestamp::new(Millis(millis), 0, NodeId(1));
        let customer = Customer {
            email: "alice@example.com".to_owned(),
            plan: plan.to_owned(),
        };
        let record = Record::builder(RecordValue::lww(to_value(&customer)?, at), Version::new(at)).build();
        Ok(Write::new(map.clone(), key.clone(), Arc::new(record)))
    };
    println!(
        "newer: {:?}",
        store.apply_one(moved(1_700_000_000_000, "solo")?).await
    );
    println!(
        "older: {:?}",
        store.apply_one(moved(1_600_000_000_000, "free")?).await
    );
    let (plan,): (String,) = sqlx::query_as("SELECT plan FROM customers WHERE id = 'alice'")
        .fetch_one(&mut service)
        .await?;
    println!("in the table: {plan}");
    Ok(())
}
