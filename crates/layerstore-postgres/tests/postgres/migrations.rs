//! The tables: made once whoever comes first, pinned for every version that was released, refused when newer.

use std::path::Path;

use layerstore_data_store::{ErrorKind, MapDataStore, Write};
use layerstore_postgres::{Migrations, PostgresDataStore, ValueFormat};
use layerstore_record::{Expiry, Millis, Record, RecordValue};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::proof;
use layerstore_testkit::records::{key as numbered, record, version};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::server::Database;
use crate::support::{applied, key, map, number, put};

async fn connection(database: &Database) -> PgConnection {
    PgConnection::connect(database.get().await.url()).await.unwrap()
}

async fn run(connection: &mut PgConnection, text: &str) {
    sqlx::raw_sql(AssertSqlSafe(text.to_owned()))
        .execute(connection)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_processes_that_start_at_once_one_makes_the_tables() {
    for _ in 0..5 {
        let database = Database::default();
        database.get().await;
        let opens = (0..8).map(|_| async { database.builder().await.pool_size(1).connect().await });
        let stores = futures::future::try_join_all(opens).await.unwrap();
        stores[0].claim(&map("map")).await.unwrap();
        applied(&stores[0], vec![put(&map("map"), &key("a"), 1)]).await;
        for store in &stores {
            assert_eq!(number(store, &map("map"), &key("a")).await, Some(1));
        }
        let mut sql = connection(&database).await;
        let rows = sqlx::query("SELECT version FROM layerstore.migrations")
            .fetch_all(&mut sql)
            .await
            .unwrap();
        assert_eq!(rows.len(), 1);
    }
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused_by_name() {
    let database = Database::default();
    drop(database.builder().await.connect().await.unwrap());
    run(
        &mut connection(&database).await,
        "INSERT INTO layerstore.migrations (version) VALUES (99)",
    )
    .await;
    for migrations in [Migrations::Run, Migrations::Require] {
        let error = database
            .builder()
            .await
            .migrations(migrations)
            .connect()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownFormat);
        assert!(
            error.to_string().contains("99") && !error.is_retryable(),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_user_without_rights_uses_tables_that_another_has_made() {
    let database = Database::default();
    let mut sql = connection(&database).await;
    let role = format!("{}_user", database.get().await.name());
    run(
        &mut sql,
        &format!("CREATE ROLE \"{role}\" LOGIN PASSWORD 'hunter2'"),
    )
    .await;
    let url = database.get().await.url().to_owned();
    let (before, host) = (url.find("//").unwrap() + 2, url.find('@').unwrap());
    let limited = format!("{}{role}:hunter2{}", &url[..before], &url[host..]);
    let open = |migrations| {
        PostgresDataStore::builder(&limited)
            .migrations(migrations)
            .pool_size(2)
            .connect()
    };
    let error = open(Migrations::Run).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden, "{error}");
    let error = open(Migrations::Require).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
    assert!(!format!("{error:?}").contains("hunter2"));
    drop(database.builder().await.connect().await.unwrap());
    let grants = format!(
        "GRANT USAGE ON SCHEMA layerstore TO \"{role}\"; GRANT SELECT ON layerstore.migrations TO \"{role}\"; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON layerstore.maps, layerstore.records TO \"{role}\"; \
         GRANT USAGE ON SEQUENCE layerstore.maps_id_seq TO \"{role}\""
    );
    run(&mut sql, &grants).await;
    for (number, migrations) in (1..).zip([Migrations::Run, Migrations::Require]) {
        let store = open(migrations).await.unwrap();
        store.claim(&map("map")).await.unwrap();
        applied(&store, vec![put(&map("map"), &key("a"), number)]).await;
        store.clear(&map("map"), version(number)).await.unwrap();
        store.purge(&map("map"), version(number)).await.unwrap();
    }
    run(
        &mut sql,
        &format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\""),
    )
    .await;
}

#[tokio::test]
async fn stores_of_different_schemas_share_nothing() {
    let database = Database::default();
    let map = map("map");
    for (schema, value) in [("one", 1), ("Two_2", 2)] {
        let store = database.builder().await.schema(schema).connect().await.unwrap();
        store.claim(&map).await.unwrap();
        applied(&store, vec![put(&map, &key("a"), value)]).await;
    }
    for (schema, value) in [("one", 1), ("Two_2", 2)] {
        let store = database.builder().await.schema(schema).connect().await.unwrap();
        assert_eq!(number(&store, &map, &key("a")).await, Some(value));
    }
}

/// What the catalogue says of the tables: columns and indexes.
async fn shape(connection: &mut PgConnection) -> String {
    let columns = "SELECT table_name || '.' || column_name || ' ' || data_type || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END \
                   FROM information_schema.columns WHERE table_schema = 'layerstore' ORDER BY table_name, ordinal_position";
    let indexes = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'layerstore' ORDER BY indexname";
    let mut lines = Vec::new();
    for text in [columns, indexes] {
        let rows = sqlx::query(text).fetch_all(&mut *connection).await.unwrap();
        lines.extend(rows.iter().map(|row| row.get::<String, _>(0)));
    }
    lines.join("\n") + "\n"
}

fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

#[tokio::test]
async fn the_tables_of_version_1_are_as_they_were_released() {
    let database = Database::default();
    drop(database.builder().await.connect().await.unwrap());
    let found = shape(&mut connection(&database).await).await;
    let path = fixtures().join("shape-v1.txt");
    let Ok(pinned) = std::fs::read_to_string(&path) else {
        std::fs::write(&path, found).unwrap();
        panic!("wrote the shape of the tables: look at it, commit it, and run again");
    };
    assert_eq!(
        found, pinned,
        "a released version of the tables is never changed: add a step"
    );
}

/// What every fixture holds, at this time.
const NOW: Millis = Millis(1_000_000);

#[tokio::test]
async fn r28_every_version_of_the_tables_opens() {
    if !fixtures().join("v1.sql").exists() {
        write_the_fixture_of_this_version().await;
        panic!("wrote the fixture of this version: look at it, commit it, and run again");
    }
    let mut opened = 0;
    let mut files: Vec<_> = std::fs::read_dir(fixtures())
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    for path in files
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
    {
        let database = Database::default();
        run(
            &mut connection(&database).await,
            &std::fs::read_to_string(path).unwrap(),
        )
        .await;
        let clock = ManualClock::at(NOW).shared();
        let store = database.builder().await.clock(clock).connect().await.unwrap();
        let map = map("a/b\0🔑");
        assert_eq!(
            store.list_maps().await.unwrap(),
            std::slice::from_ref(&map),
            "{path:?}"
        );
        // One written as bytes, one as JSON, one that has ended, a tombstone.
        let keys = [1, 2, 3, 4].map(numbered);
        let found = store.load_all(&map, &keys).await.unwrap();
        assert_eq!(found[0].as_ref(), Some(&*record(101)), "{path:?}");
        assert_eq!(found[1].as_ref(), Some(&*record(102)), "{path:?}");
        assert!(
            found[2].is_none() && found[3].as_ref().is_some_and(Record::is_tombstone),
            "{path:?}"
        );
        let claim = store.claim(&map).await.unwrap();
        assert_eq!(
            (claim.epoch, claim.cleared, claim.purged),
            (3, version(50), version(60))
        );
        assert!(claim.high_water >= version(104));
        applied(&store, vec![put(&map, &numbered(1), 200)]).await;
        opened += 1;
    }
    assert!(opened > 0, "no fixture was found");
    proof::report("R28", &[("versions", opened), ("violations", 0)]);
}

async fn write_the_fixture_of_this_version() {
    let (database, map) = (Database::default(), map("a/b\0🔑"));
    let clock = ManualClock::at(NOW);
    for format in [ValueFormat::Bytes, ValueFormat::Jsonb] {
        let builder = database
            .builder()
            .await
            .value_format(format)
            .clock(clock.shared());
        let store = builder.connect().await.unwrap();
        store.claim(&map).await.unwrap();
        if format == ValueFormat::Jsonb {
            applied(&store, vec![put(&map, &numbered(2), 102)]).await;
            continue;
        }
        store.clear(&map, version(50)).await.unwrap();
        store.purge(&map, version(60)).await.unwrap();
        let ended = Expiry {
            deadline: Some(Millis(NOW.0 - 1)),
            ..Expiry::NEVER
        };
        let at = version(103);
        let ended = Record::builder(RecordValue::lww(103_u64, at.timestamp()), at)
            .expiry(ended)
            .build();
        let tombstone = RecordValue::Tombstone {
            timestamp: version(104).timestamp(),
        };
        let removed = Record::builder(tombstone, version(104)).build();
        let others = [(3, ended), (4, removed)]
            .map(|(number, record)| Write::new(map.clone(), numbered(number), record.into()));
        applied(
            &store,
            [vec![put(&map, &numbered(1), 101)], others.to_vec()].concat(),
        )
        .await;
    }
    let step = std::fs::read_to_string(fixtures().join("../../migrations/0001_records.sql")).unwrap();
    let mut text = "CREATE SCHEMA layerstore;\n\
        CREATE TABLE layerstore.migrations (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());\n\
        INSERT INTO layerstore.migrations (version) VALUES (1);\n\n"
        .to_owned();
    text.push_str(&step.replace("{schema}", "layerstore"));
    let rows = "SELECT format('INSERT INTO layerstore.maps (id, name, epoch, high_water, cleared, purged) VALUES (%s, %L, %s, %L, %L, %L);', \
        id, name, epoch, high_water, cleared, purged) FROM layerstore.maps UNION ALL \
        SELECT format('INSERT INTO layerstore.records (map, created_at, updated_at, ends_at, tombstone, key, version, body, value) \
        VALUES (%s, %s, %s, %L, %L, %L, %L, %L, %L);', map, created_at, updated_at, ends_at, tombstone, key, version, body, value) \
        FROM layerstore.records";
    for row in sqlx::query(rows)
        .fetch_all(&mut connection(&database).await)
        .await
        .unwrap()
    {
        text.push_str(&format!("\n{}", row.get::<String, _>(0)));
    }
    std::fs::write(fixtures().join("v1.sql"), text + "\n").unwrap();
}
