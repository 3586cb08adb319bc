//! The example over a table that was there before, clause by clause: it holds one shape of value, so the suite, which writes
//! any, is not for it.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests: an unexpected answer ends the test"
)]

#[expect(
    dead_code,
    reason = "its `main` would take the arguments of the test runner for an address"
)]
#[path = "../examples/existing_table/main.rs"]
mod existing_table;

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use existing_table::{BEFORE, COLUMNS, Customer, Customers, pool};
use layerstore_data_store::{
    ErrorKind, Expect, MapDataStore, MapDataStoreExt, ScanRequest, StoreError, TableDataStore, Write,
    WriteResult,
};
use layerstore_record::{
    Expiry, Key, MapName, Millis, NodeId, Record, RecordValue, Timestamp, Version, to_value,
};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::services::{PostgresDatabase, postgres};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

type CustomerStore = TableDataStore<Customers>;

struct Table {
    database: PostgresDatabase,
    clock: ManualClock,
}

impl Table {
    /// Makes the table as a service had it, puts these customers in it, and adds the columns.
    async fn with(customers: &[&str]) -> Self {
        let database = postgres().await.expect("a test needs a server");
        let mut service = PgConnection::connect(database.url())
            .await
            .expect("the server answers");
        service.execute(BEFORE).await.expect("the service's own table");
        for id in customers {
            let insert = sqlx::query("INSERT INTO customers VALUES ($1, $1 || '@example.com', 'free')");
            insert.bind(id).execute(&mut service).await.expect("a customer");
        }
        service
            .execute(AssertSqlSafe(COLUMNS))
            .await
            .expect("the columns on top");
        Self {
            database,
            clock: ManualClock::new(),
        }
    }

    async fn open(&self) -> CustomerStore {
        let pool = pool(self.database.url()).await.expect("the server answers");
        TableDataStore::new(map(), Customers(pool), self.clock.shared())
    }

    async fn claimed(&self) -> CustomerStore {
        let store = self.open().await;
        store.claim(&map()).await.expect("nobody else is there");
        store
    }
}

fn map() -> MapName {
    MapName::new("customers").expect("a name")
}

fn key(text: &str) -> Key {
    Key::new(text).expect("a key")
}

fn at(millis: u64) -> Timestamp {
    Timestamp::new(Millis(millis), 0, NodeId(1))
}

fn put(id: &str, plan: &str, millis: u64) -> Write {
    let customer = Customer {
        email: "someone@example.com".to_owned(),
        plan: plan.to_owned(),
    };
    let value = RecordValue::lww(to_value(&customer).expect("a value"), at(millis));
    write(id, Record::builder(value, Version::new(at(millis))).build())
}

fn remove(id: &str, millis: u64) -> Write {
    let value = RecordValue::Tombstone {
        timestamp: at(millis - 1),
    };
    write(id, Record::builder(value, Version::new(at(millis))).build())
}

fn write(id: &str, record: Record) -> Write {
    Write::new(map(), key(id), Arc::new(record))
}

/// What a reader finds: the plan and the milliseconds of the version.
async fn plan(store: &CustomerStore, id: &str) -> Option<(String, u64)> {
    let record = store.load(&map(), &key(id)).await.expect("a read")?;
    let plan = record.value().value()?.at(["plan"])?.clone();
    let plan: String = layerstore_record::from_value(&plan).expect("text");
    Some((plan, record.version().millis().0))
}

fn refusal(result: WriteResult) -> StoreError {
    match result {
        WriteResult::Rejected(error) => error,
        other => panic!("{other:?} where a refusal was expected"),
    }
}

#[tokio::test]
async fn d1_what_the_service_had_is_read_and_gives_way_to_what_is_newer_alone() {
    let table = Table::with(&["alice"]).await;
    let store = table.claimed().await;
    assert_eq!(plan(&store, "alice").await, Some(("free".to_owned(), 0)));
    let results = store
        .apply(vec![
            put("alice", "team", 20),
            put("alice", "solo", 10),
            put("bob", "solo", 10),
        ])
        .await;
    assert!(
        matches!(
            results[..],
            [
                WriteResult::Applied,
                WriteResult::Stale { .. },
                WriteResult::Applied
            ]
        ),
        "{results:?}"
    );
    assert!(
        store.apply_one(put("alice", "team", 20)).await.is_applied(),
        "the same again"
    );
    let expecting = put("bob", "team", 30).expecting(Expect::Absent);
    assert!(matches!(
        store.apply_one(expecting).await,
        WriteResult::Conflict { current: Some(_) }
    ));
    assert_eq!(plan(&store, "alice").await, Some(("team".to_owned(), 20)));
    assert_eq!(plan(&store, "bob").await, Some(("solo".to_owned(), 10)));
}

#[tokio::test]
async fn d2_removed_stays_removed_before_and_after_a_purge() {
    let table = Table::with(&["alice", "bob"]).await;
    let store = table.claimed().await;
    assert!(store.apply_one(remove("alice", 20)).await.is_applied());
    assert!(matches!(
        store.apply_one(put("alice", "team", 10)).await,
        WriteResult::Stale { .. }
    ));
    let tombstone = store.load(&map(), &key("alice")).await.unwrap().unwrap();
    assert_eq!(
        (tombstone.is_tombstone(), tombstone.value().timestamp()),
        (true, at(19))
    );
    assert_eq!(store.purge(&map(), Version::new(at(25))).await.unwrap(), 1);
    assert!(store.load(&map(), &key("alice")).await.unwrap().is_none());
    assert_eq!(
        refusal(store.apply_one(put("alice", "team", 10)).await).kind(),
        ErrorKind::BelowHorizon
    );
    store.clear(&map(), Version::new(at(30))).await.unwrap();
    assert_eq!(plan(&store, "bob").await, None);
    assert!(matches!(
        store.apply_one(put("bob", "team", 30)).await,
        WriteResult::Stale { .. }
    ));
    assert!(store.apply_one(put("bob", "team", 31)).await.is_applied());
    let claim = table.open().await.claim(&map()).await.unwrap();
    assert_eq!(
        (claim.cleared, claim.purged),
        (Version::new(at(30)), Version::new(at(25)))
    );
    assert_eq!(claim.high_water, Version::new(at(31)));
}

#[tokio::test]
async fn d4_and_d6_what_the_columns_cannot_hold_is_refused_alone() {
    let table = Table::with(&[]).await;
    let store = table.claimed().await;
    let record =
        |value: RecordValue, expiry| Record::builder(value, Version::new(at(9))).expiry(expiry).build();
    let idle = Expiry::starting(Millis(1), None, Some(Duration::from_secs(60))).unwrap();
    let customer = put("x", "solo", 9).record.value().clone();
    let elsewhere = MapName::new("orders").unwrap();
    let batch = vec![
        put("a\0b", "solo", 9),
        put("nul in a column", "so\0lo", 9),
        write(
            "another shape",
            record(RecordValue::lww(7_u64, at(9)), Expiry::NEVER),
        ),
        write("idle", record(customer.clone(), idle)),
        Write::new(
            elsewhere.clone(),
            key("k"),
            Arc::new(record(customer, Expiry::NEVER)),
        ),
        put("'; DROP TABLE customers; --", "solo", 9),
    ];
    let mut results = store.apply(batch).await;
    assert!(
        results.pop().unwrap().is_applied(),
        "the last of them is a customer"
    );
    for result in results {
        let error = refusal(result);
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(!format!("{error:?}").contains("someone@example.com"), "{error:?}");
    }
    assert_eq!(plan(&store, "a\0b").await, None);
    assert!(plan(&store, "'; DROP TABLE customers; --").await.is_some());
    assert_eq!(
        store.claim(&elsewhere).await.unwrap_err().kind(),
        ErrorKind::Rejected
    );
}

#[tokio::test]
async fn d5_a_record_ends_in_time_and_comes_back_as_it_was() {
    let table = Table::with(&[]).await;
    let store = table.claimed().await;
    let now = ManualClock::START;
    let expiry = Expiry::starting(now, Some(Duration::from_secs(10)), None).unwrap();
    let record = Record::builder(
        put("k", "solo", now.0).record.value().clone(),
        Version::new(at(now.0)),
    )
    .created(Millis(now.0 - 5))
    .expiry(expiry)
    .build();
    let ending = write("k", record);
    assert!(store.apply_one(ending.clone()).await.is_applied());
    assert_eq!(
        store.load(&map(), &key("k")).await.unwrap().as_ref(),
        Some(&*ending.record)
    );
    table.clock.advance(Duration::from_secs(10));
    assert!(store.load(&map(), &key("k")).await.unwrap().is_none());
    assert!(
        store
            .scan_page(&map(), ScanRequest::first(9))
            .await
            .unwrap()
            .records
            .is_empty()
    );
    assert!(
        store
            .apply_one(put("k", "team", now.0 + 1).expecting(Expect::Absent))
            .await
            .is_applied()
    );
}

#[tokio::test]
async fn d7_pages_come_in_the_byte_order_of_keys() {
    let ids = ["B", "a", "a b", "a\u{1}", "ä", "b", "😀"];
    let table = Table::with(&ids).await;
    let store = table.claimed().await;
    assert!(store.apply_one(remove("b", 5)).await.is_applied());
    let read = async |start, end, limit| {
        let (mut request, mut found) = (ScanRequest::first(limit).from(start).until(end), Vec::new());
        loop {
            let page = store.scan_page(&map(), request.clone()).await.unwrap();
            found.extend(page.records.into_iter().map(|(key, _)| key.as_str().to_owned()));
            match page.next {
                Some(next) => request.start = Bound::Excluded(next),
                None => return found,
            }
        }
    };
    let all = ["B", "a", "a\u{1}", "a b", "ä", "😀"];
    for limit in 1..=7 {
        assert_eq!(read(Bound::Unbounded, Bound::Unbounded, limit).await, all);
    }
    assert_eq!(
        read(Bound::Included(key("a")), Bound::Excluded(key("ä")), 9).await,
        all[1..4]
    );
    assert_eq!(
        read(Bound::Excluded(key("a")), Bound::Included(key("ä")), 9).await,
        all[2..5]
    );
    assert_eq!(
        read(Bound::Included(key("a\0")), Bound::Unbounded, 9).await,
        all[2..]
    );
    assert_eq!(
        read(Bound::Unbounded, Bound::Excluded(key("a\0")), 9).await,
        all[..2]
    );
    let tombstones = ScanRequest::first(9).with_tombstones();
    assert_eq!(
        store.scan_page(&map(), tombstones).await.unwrap().records.len(),
        7
    );
}

#[tokio::test]
async fn d8_and_d9_a_later_claim_fences_and_finds_everything() {
    let table = Table::with(&[]).await;
    let first = table.open().await;
    assert_eq!(
        refusal(first.apply_one(put("k", "solo", 9)).await).kind(),
        ErrorKind::NotClaimed
    );
    assert!(first.list_maps().await.unwrap().is_empty());
    let epoch = first.claim(&map()).await.unwrap().epoch;
    assert!(first.apply_one(put("k", "solo", 9)).await.is_applied());
    let second = table.open().await;
    let claim = second.claim(&map()).await.unwrap();
    assert_eq!((claim.epoch, claim.high_water), (epoch + 1, Version::new(at(9))));
    assert_eq!(
        refusal(first.apply_one(put("k", "team", 10)).await).kind(),
        ErrorKind::Fenced
    );
    assert_eq!(
        first
            .clear(&map(), Version::new(at(10)))
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Fenced
    );
    assert_eq!(plan(&second, "k").await, Some(("solo".to_owned(), 9)));
    assert_eq!(second.list_maps().await.unwrap(), [map()]);
    assert!(first.close(Duration::from_secs(5)).await.is_complete());
    assert_eq!(
        first.load(&map(), &key("k")).await.unwrap_err().kind(),
        ErrorKind::Closed
    );
    assert!(first.hard_flush().await.is_err() && second.hard_flush().await.is_ok());
}

#[tokio::test]
async fn the_example_over_an_existing_table_runs() {
    let database = postgres().await.expect("a test needs a server");
    existing_table::show(database.url()).await.unwrap();
}
