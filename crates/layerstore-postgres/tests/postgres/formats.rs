//! Both formats of values in the tables, as SQL sees them and as they come back.

use layerstore_data_store::{MapDataStore, Write};
use layerstore_postgres::{PostgresDataStore, ValueFormat};
use layerstore_record::{Expiry, Fields, MAX_DEPTH, Millis, Record, RecordValue, Value, to_value};
use layerstore_testkit::proof;
use layerstore_testkit::records::version;
use sqlx::{Connection, PgConnection, Row};

use crate::proxy::Proxy;
use crate::server::Database;
use crate::support::{applied, key, map, put_value};

async fn open(database: &Database, format: ValueFormat) -> PostgresDataStore {
    let store = database
        .builder()
        .await
        .value_format(format)
        .connect()
        .await
        .unwrap();
    store.claim(&map("map")).await.unwrap();
    store
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::U64(1), |inner, _| Value::Array([inner].into()))
}

/// Values that databases, JSON and text like to change.
fn awkward() -> Vec<Value> {
    let mut values = vec![
        Value::Null,
        Value::Bool(true),
        Value::I64(i64::MIN),
        Value::I64(5),
        Value::U64(0),
        Value::U64(u64::MAX),
        Value::Bytes([0_u8, 255].into()),
        nested(MAX_DEPTH),
    ];
    let floats = [
        0.0,
        -0.0,
        0.1,
        -2.5,
        3.0,
        1e15,
        1e16,
        1e20,
        1e308,
        1.7e308,
        5e-324,
        f64::MIN_POSITIVE,
        f64::EPSILON,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    values.extend(floats.map(Value::F64));
    let texts = [
        "",
        "\0",
        "a\0b",
        "null",
        "\"",
        "\\u0000",
        "'; DROP TABLE records; --",
        "é😀",
        "\u{10ffff}",
        "\u{7f}\n\t",
    ];
    values.extend(texts.map(|text| Value::String(text.into())));
    for name in texts {
        let fields = Fields::new(vec![(name.into(), Value::U64(1)), ("zz".into(), Value::F64(2.0))]).unwrap();
        values.push(Value::Map(fields));
    }
    values
}

#[tokio::test]
async fn every_value_comes_back_from_either_format_as_it_was() {
    let database = Database::default();
    let (values, map) = (awkward(), map("map"));
    let mut number = 0;
    // The second round of each overwrites what the other format left.
    for format in [
        ValueFormat::Bytes,
        ValueFormat::Jsonb,
        ValueFormat::Bytes,
        ValueFormat::Jsonb,
    ] {
        let store = open(&database, format).await;
        for (place, value) in values.iter().enumerate() {
            number += 1;
            let write = put_value(&map, &key(&format!("{place}")), number, value.clone());
            applied(&store, vec![write.clone()]).await;
            let found = store.load(&map, &write.key).await.unwrap();
            assert_eq!(found.as_ref(), Some(&*write.record), "{format:?}");
        }
        // What one format wrote, a store of the other reads.
        let other = database.builder().await.connect().await.unwrap();
        let keys: Vec<_> = (0..values.len()).map(|place| key(&format!("{place}"))).collect();
        let found = other.load_all(&map, &keys).await.unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|record| record.as_ref().unwrap().value().value().unwrap())
            .collect();
        assert!(
            found.iter().zip(&values).all(|(found, value)| ***found == *value),
            "{format:?}"
        );
    }
}

#[tokio::test]
async fn random_floats_and_text_come_back_through_jsonb() {
    let database = Database::default();
    let (store, map) = (open(&database, ValueFormat::Jsonb).await, map("map"));
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let value = |rng: &mut fastrand::Rng| {
        let text: String = (0..rng.usize(0..9)).map(|_| rng.char(..)).collect();
        let numbers = [
            Value::F64(f64::from_bits(rng.u64(..))),
            Value::U64(rng.u64(..)),
            Value::I64(rng.i64(..)),
        ];
        let fields = vec![
            (text.clone().into(), Value::String(text.into())),
            ("n".into(), Value::Array(numbers.into())),
        ];
        Fields::new(fields).map_or(Value::Null, Value::Map)
    };
    let writes: Vec<_> = (1..=2_000)
        .map(|number| put_value(&map, &key(&format!("{number}")), number, value(&mut rng)))
        .collect();
    applied(&store, writes.clone()).await;
    let keys: Vec<_> = writes.iter().map(|write| write.key.clone()).collect();
    for (write, found) in writes.iter().zip(store.load_all(&map, &keys).await.unwrap()) {
        assert_eq!(found.as_ref(), Some(&*write.record));
    }
}

#[tokio::test]
async fn json_values_are_read_and_found_in_sql() {
    #[derive(serde::Serialize)]
    struct User {
        email: &'static str,
        visits: u32,
    }
    let database = Database::default();
    let (store, map) = (open(&database, ValueFormat::Jsonb).await, map("map"));
    let users = [
        User {
            email: "ann@example.org",
            visits: 3,
        },
        User {
            email: "bob@example.org",
            visits: 40,
        },
    ];
    for (number, user) in (1..).zip(users) {
        applied(
            &store,
            vec![put_value(
                &map,
                &key(user.email),
                number,
                to_value(&user).unwrap(),
            )],
        )
        .await;
    }
    let mut sql = PgConnection::connect(database.get().await.url()).await.unwrap();
    let text = "SELECT convert_from(r.key, 'UTF8'), r.value ->> 'email' FROM layerstore.records r \
                JOIN layerstore.maps m ON m.id = r.map WHERE m.name = 'map' AND (r.value ->> 'visits')::int > 10";
    let rows = sqlx::query(text).fetch_all(&mut sql).await.unwrap();
    assert_eq!(rows.len(), 1);
    for column in 0..2 {
        assert_eq!(rows[0].get::<&str, _>(column), "bob@example.org");
    }
}

/// What the columns of a map's records hold beside the body: key, creation, update, end, and whether a tombstone.
type Columns = Vec<(String, i64, i64, Option<i64>, bool)>;

async fn columns(database: &Database, map: &str) -> Columns {
    let mut sql = PgConnection::connect(database.get().await.url()).await.unwrap();
    let text = "SELECT convert_from(r.key, 'UTF8'), r.created_at, r.updated_at, r.ends_at, r.tombstone \
                FROM layerstore.records r JOIN layerstore.maps m ON m.id = r.map WHERE m.name = $1 ORDER BY r.key";
    let found = sqlx::query_as(text).bind(map.as_bytes());
    found.fetch_all(&mut sql).await.unwrap()
}

/// Of a batch in which a column says nothing new that column is not sent: the table must not show it.
#[tokio::test]
async fn columns_hold_what_the_record_says_whatever_else_is_in_its_batch() {
    let database = Database::default();
    let store = open(&database, ValueFormat::Bytes).await;
    let plain = |name: &str, number| put_value(&map(name), &key("plain"), number, Value::Null);
    let ended = |name: &str, number| {
        let expiry = Expiry {
            deadline: Some(Millis(u64::MAX)),
            ..Expiry::NEVER
        };
        let value = RecordValue::lww(Value::Null, version(number).timestamp());
        let record = Record::builder(value, version(number)).expiry(expiry);
        let record = record.created(Millis(1)).updated(Millis(2)).build();
        Write::new(map(name), key("ended"), record.into())
    };
    let removed = |name: &str, number| {
        let timestamp = version(number).timestamp();
        let record = Record::builder(RecordValue::Tombstone { timestamp }, version(number)).build();
        Write::new(map(name), key("removed"), record.into())
    };
    for name in ["map", "other"] {
        store.claim(&map(name)).await.unwrap();
    }
    // Together in one map; in the other each alone, and over another kind of record.
    applied(&store, vec![plain("map", 5), ended("map", 5), removed("map", 5)]).await;
    let under = |name: &str| Write::new(map("other"), key(name), ended("other", 4).record);
    for (name, write) in [
        ("plain", plain("other", 5)),
        ("ended", ended("other", 5)),
        ("removed", removed("other", 5)),
    ] {
        applied(&store, vec![under(name)]).await;
        applied(&store, vec![write]).await;
    }
    let expected = vec![
        ("ended".to_owned(), 1, 2, Some(i64::MAX), false),
        ("plain".to_owned(), 5, 5, None, false),
        ("removed".to_owned(), 5, 5, None, true),
    ];
    assert_eq!(columns(&database, "map").await, expected);
    assert_eq!(columns(&database, "other").await, expected);
}

/// Stands in for a pooler in transaction mode that knows no prepared statements: it would mix up what this proxy notes.
#[tokio::test]
async fn without_a_statement_cache_no_session_is_needed() {
    let database = Database::default();
    let proxy = Proxy::to(&database.get().await.server()).await;
    let through = database.get().await.url_through(proxy.address());
    let store = PostgresDataStore::builder(through)
        .statement_cache(0)
        .connect()
        .await
        .unwrap();
    let map = map("map");
    store.claim(&map).await.unwrap();
    let two = |number| {
        vec![
            put_value(&map, &key("a"), number, Value::Null),
            put_value(&map, &key("b"), number, Value::Null),
        ]
    };
    applied(&store, two(1)).await;
    applied(&store, [two(2), two(3)].concat()).await;
    assert!(store.load(&map, &key("a")).await.unwrap().is_some());
    store
        .scan_page(&map, layerstore_data_store::ScanRequest::first(9))
        .await
        .unwrap();
    store.list_maps().await.unwrap();
    store.clear(&map, version(2)).await.unwrap();
    store.purge(&map, version(2)).await.unwrap();
    assert_eq!(proxy.complaints(), Vec::<&str>::new());
}
