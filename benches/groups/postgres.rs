//! PostgreSQL through the data store against the same records through the bare driver.
//!
//! The bare way is what one would write by hand for this purpose alone: a table of key, version and bytes, an upsert by `UNNEST` that
//! does not replace what is newer, `ANY($1)`, keyset pages; values are encoded before the clock starts, and what is read is looked at
//! as bytes. The store, beside that: encodes and checks, keeps times, ends and tombstones, looks at the writer epoch and the floors in
//! every transaction, answers for each record, and gives back decoded records. Both use one connection.

use std::hint::black_box;
use std::ops::Bound;
use std::sync::Arc;

use layerstore_benches::workload::{START, key, record};
use layerstore_benches::{BenchError, Case, Group};
use layerstore_data_store::{MapDataStore, ScanRequest, Write, WriteResult};
use layerstore_postgres::PostgresDataStore;
use layerstore_record::codec::encode_record;
use layerstore_record::{Key, MapName};
use layerstore_testkit::services::private_postgres;
use sqlx::postgres::PgRow;
use sqlx::{Connection, Executor, PgConnection, Row};

/// Records of a batch, keys of a read, rows of a page.
const BATCH: u32 = 1_000;

/// Does not replace what is newer.
const UPSERT: &str = "INSERT INTO bare AS b (key, version, value) SELECT * FROM UNNEST($1::bytea[], $2::bytea[], $3::bytea[]) \
    ON CONFLICT (key) DO UPDATE SET version = EXCLUDED.version, value = EXCLUDED.value WHERE b.version < EXCLUDED.version";

/// Any fixed number: every run updates and reads in the same order.
const SEED: u64 = 7;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), BenchError> {
    let mut group = Group::new("postgres", &["sqlx"]);
    // As PostgreSQL is shipped: servers for tests do not sync.
    let server = private_postgres(&["fsync=on", "full_page_writes=on"]).await?;
    let database = server.database().await?;
    let mut subjects = Subjects::open(database.url()).await?;
    let (version,): (String,) = sqlx::query_as("SHOW server_version")
        .fetch_one(&mut subjects.bare)
        .await?;
    group.say(format!(
        "PostgreSQL {version} on the same machine, settings as shipped, one connection each"
    ));
    subjects.measure(&mut group).await?;
    group.finish()
}

/// Both ways into one database.
struct Subjects {
    store: PostgresDataStore,
    map: MapName,
    bare: PgConnection,
}

/// A batch for either way.
struct Batch {
    writes: Vec<Write>,
    keys: Vec<Vec<u8>>,
    versions: Vec<[u8; 16]>,
    values: Vec<Vec<u8>>,
}

/// The work of all rounds of a comparison, the first not counted.
type Work = Vec<Vec<Batch>>;

impl Subjects {
    async fn open(url: &str) -> Result<Self, BenchError> {
        let store = PostgresDataStore::builder(url).pool_size(1).connect().await?;
        let map = MapName::new("bench")?;
        store.claim(&map).await?;
        let mut bare = PgConnection::connect(url).await?;
        let table = "CREATE TABLE bare (key bytea PRIMARY KEY, version bytea NOT NULL, value bytea NOT NULL)";
        bare.execute(table).await?;
        Ok(Self { store, map, bare })
    }

    async fn measure(mut self, group: &mut Group) -> Result<(), BenchError> {
        let (batches, rounds) = if group.is_quick() { (2, 4) } else { (10, 22) };
        let case = |what, unit| Case {
            what,
            unit,
            count: batches * BATCH,
            target: 0.9,
        };
        let mut numbers: Vec<u64> = (0..u64::from(rounds * batches * BATCH)).collect();
        let work = work(&self.map, &numbers, batches, START)?;
        self.upsert(
            group,
            case("upsert of new records, batches of 1,000", "records"),
            work,
        )
        .await?;
        fastrand::Rng::with_seed(SEED).shuffle(&mut numbers);
        let work = self::work(&self.map, &numbers, batches, START + 1)?;
        self.upsert(
            group,
            case("upsert of newer records, batches of 1,000", "records"),
            work,
        )
        .await?;
        self.bare.execute("VACUUM ANALYZE").await?;
        self.load(group, case("load_all of 1,000 keys", "keys"), &numbers)
            .await?;
        self.scan(group, case("scan in pages of 1,000", "records")).await
    }

    async fn upsert(&mut self, group: &mut Group, case: Case, work: Work) -> Result<(), BenchError> {
        let Self { store, bare, .. } = self;
        let mut writes = Vec::new();
        let mut columns = Vec::new();
        for round in work {
            let mut of_round = (Vec::new(), Vec::new());
            for Batch {
                writes,
                keys,
                versions,
                values,
            } in round
            {
                of_round.0.push(writes);
                of_round.1.push((keys, versions, values));
            }
            writes.push(of_round.0);
            columns.push(of_round.1);
        }
        let (mut writes, mut columns) = (writes.into_iter(), columns.into_iter());
        let ours = async |_| {
            for batch in writes.next().ok_or("no work is left")? {
                let results = store.apply(batch).await;
                if !results.iter().all(WriteResult::is_applied) {
                    return Err("a write was not applied".into());
                }
            }
            Ok(())
        };
        let bare = async |_| {
            for (keys, versions, values) in columns.next().ok_or("no work is left")? {
                let query = sqlx::query(UPSERT).bind(&keys).bind(&versions).bind(&values);
                if query.execute(&mut *bare).await?.rows_affected() != u64::from(BATCH) {
                    return Err("a row was not written".into());
                }
            }
            Ok(())
        };
        group.compare(case, ours, bare).await
    }

    async fn load(&mut self, group: &mut Group, case: Case, numbers: &[u64]) -> Result<(), BenchError> {
        let Self { store, map, bare } = self;
        let reads = usize::try_from(case.count / BATCH)?;
        let keys = numbers.chunks(BATCH as usize).take(reads);
        let keys: Vec<Vec<Key>> = keys
            .map(|numbers| numbers.iter().map(|number| key(*number)).collect())
            .collect::<Result<_, _>>()?;
        let ours = async |_| {
            for keys in &keys {
                let records = store.load_all(map, keys).await?;
                if black_box(records).iter().flatten().count() != keys.len() {
                    return Err("a record was not found".into());
                }
            }
            Ok(())
        };
        let bare = async |_| {
            for keys in &keys {
                let named: Vec<&[u8]> = keys.iter().map(Key::as_bytes).collect();
                let rows =
                    sqlx::query("SELECT key, version, value FROM bare WHERE key = ANY($1)").bind(named);
                look_at(&rows.fetch_all(&mut *bare).await?)?;
            }
            Ok(())
        };
        group.compare(case, ours, bare).await
    }

    async fn scan(&mut self, group: &mut Group, case: Case) -> Result<(), BenchError> {
        let Self { store, map, bare } = self;
        let pages = case.count / BATCH;
        let ours = async |_| {
            let mut request = ScanRequest::first(BATCH as usize);
            for _ in 0..pages {
                let page = black_box(store.scan_page(map, request.clone()).await?);
                if page.records.len() != BATCH as usize {
                    return Err("a page is short".into());
                }
                request = request.from(page.next.map_or(Bound::Unbounded, Bound::Excluded));
            }
            Ok(())
        };
        let bare = async |_| {
            let mut last: Vec<u8> = Vec::new();
            for _ in 0..pages {
                let rows =
                    sqlx::query("SELECT key, version, value FROM bare WHERE key > $1 ORDER BY key LIMIT $2");
                let rows = rows
                    .bind(&last)
                    .bind(i64::from(BATCH))
                    .fetch_all(&mut *bare)
                    .await?;
                look_at(&rows)?;
                last = rows.last().ok_or("a page is empty")?.try_get(0)?;
            }
            Ok(())
        };
        group.compare(case, ours, bare).await
    }
}

/// Reads the columns of a batch of rows as bytes.
fn look_at(rows: &[PgRow]) -> Result<(), BenchError> {
    if rows.len() != BATCH as usize {
        return Err("a row was not found".into());
    }
    for row in rows {
        let (key, version, value): (&[u8], &[u8], &[u8]) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        black_box((key, version, value));
    }
    Ok(())
}

/// Makes the batches of all rounds.
fn work(map: &MapName, numbers: &[u64], batches: u32, millis: u64) -> Result<Work, BenchError> {
    let all = numbers.chunks(BATCH as usize);
    let all = all.map(|numbers| batch(map, numbers, millis));
    let mut all = all.collect::<Result<Vec<Batch>, BenchError>>()?.into_iter();
    let mut work = Vec::new();
    loop {
        let round: Vec<Batch> = all.by_ref().take(batches as usize).collect();
        if round.is_empty() {
            return Ok(work);
        }
        work.push(round);
    }
}

fn batch(map: &MapName, numbers: &[u64], millis: u64) -> Result<Batch, BenchError> {
    let mut batch = Batch {
        writes: Vec::new(),
        keys: Vec::new(),
        versions: Vec::new(),
        values: Vec::new(),
    };
    for number in numbers {
        let (key, record) = (key(*number)?, record(*number, millis)?);
        batch.keys.push(key.as_bytes().to_vec());
        batch.versions.push(record.version().to_bytes());
        batch.values.push(encode_record(&record)?);
        batch.writes.push(Write::new(map.clone(), key, Arc::new(record)));
    }
    Ok(batch)
}
