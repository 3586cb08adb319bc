//! Objects through the data store against the same number of objects through a bare operator, over HTTP, 64 requests in flight.
//!
//! The bare operator has no timeouts, no retries and no conditions, and its objects are 1 KiB of nothing. The store writes each object on
//! the condition that nobody else has, after a head for each group of 1,000, and looks at a key that it does not know first; what it
//! reads it decodes. The server is the one of the tests, in a process of its own: what a real service would add to a request, it
//! would add to both.
//!
//! Then the packed layout against one object a record, both by the data store, with the requests that each makes.

use std::hint::black_box;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use layerstore_benches::{BenchError, Case, Group};
use layerstore_data_store::{MapDataStore, Write, WriteResult};
use layerstore_opendal::opendal::Operator;
use layerstore_opendal::{OpendalDataStore, OpendalOptions};
use layerstore_record::{Key, MapName, Millis, NodeId, Record, RecordValue, Timestamp, Version};
use layerstore_slatedb::{SlateDataStore, SlateOptions};
use layerstore_testkit::objects::ObjectFaults;
use layerstore_testkit::services::s3;

/// Requests at once.
const IN_FLIGHT: usize = 64;

/// What an object holds.
const OBJECT_BYTES: usize = 1_024;

/// What the store puts around the text of a value.
const ENVELOPE_BYTES: usize = 130;

/// Where versions start: some day in 2023.
const START: u64 = 1_700_000_000_000;

/// Makes this program the server.
const SERVE: &str = "--serve";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), BenchError> {
    if std::env::args().any(|arg| arg == SERVE) {
        return serve().await;
    }
    run().await
}

/// Prints where the bucket is, and serves until stdin ends.
#[expect(clippy::print_stdout, reason = "what was asked for")]
async fn serve() -> Result<(), BenchError> {
    let bucket = s3().await?;
    println!(
        "{} {} {} {} {}",
        bucket.endpoint(),
        bucket.name(),
        bucket.region(),
        bucket.access_key(),
        bucket.secret_key()
    );
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// The server, which ends with this value.
struct Server(Child);

impl Server {
    fn start() -> Result<(Self, Vec<(String, String)>), BenchError> {
        let mut server = Command::new(std::env::current_exe()?)
            .arg(SERVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(server.stdout.take().ok_or("the server says nothing")?).lines();
        let server = Self(server);
        // Before it, the server says where it comes from.
        let line = loop {
            match lines.next().ok_or("the server did not start")?? {
                line if line.starts_with("http://") => break line,
                _ => {}
            }
        };
        let names = [
            "endpoint",
            "bucket",
            "region",
            "access_key_id",
            "secret_access_key",
        ];
        let mut settings: Vec<(String, String)> = names
            .into_iter()
            .zip(line.split(' '))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        settings.extend(
            ["disable_config_load", "disable_ec2_metadata"].map(|name| (name.to_owned(), "true".to_owned())),
        );
        Ok((server, settings))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It has emptied the bucket then.
        let _ = self.0.wait();
    }
}

async fn run() -> Result<(), BenchError> {
    let mut group = Group::new("opendal", &["opendal", "s3s-fs"]);
    let (_server, settings) = Server::start()?;
    group.say("an S3 server of the tests (s3s-fs) in a process of its own on the same machine, 64 requests in flight");
    let in_place = |root: &str| {
        let root = ("root".to_owned(), root.to_owned());
        settings.iter().cloned().chain([root]).collect::<Vec<_>>()
    };
    let options = OpendalOptions::default().concurrency(IN_FLIGHT);
    let store = OpendalDataStore::open("s3", in_place("ours"), options).await?;
    let bare = OpendalDataStore::operator("s3", in_place("bare"))?;
    let map = MapName::new("bench")?;
    store.claim(&map).await?;
    let subjects = Subjects { store, map, bare };
    subjects.measure(&mut group).await?;
    let packed = Packed::open(in_place("packed")).await?;
    packed.measure(&subjects, &mut group).await?;
    packed.count_requests(in_place("counted"), &mut group).await?;
    group.finish()
}

/// Both ways into one bucket.
struct Subjects {
    store: OpendalDataStore,
    map: MapName,
    bare: Operator,
}

impl Subjects {
    async fn measure(&self, group: &mut Group) -> Result<(), BenchError> {
        let count: u32 = if group.is_quick() { 128 } else { 1_000 };
        let case = |what| Case {
            what,
            unit: "objects",
            count,
            target: 0.9,
        };
        let numbers = |round: u64| round * u64::from(count)..(round + 1) * u64::from(count);
        let first = || numbers(0);
        group
            .compare(
                case("PUT of new records of 1 KB"),
                async |round| self.put(numbers(round), START).await,
                async |round| self.put_bare(numbers(round)).await,
            )
            .await?;
        group
            .compare(
                case("PUT of newer records of 1 KB"),
                async |round| self.put(first(), START + 1 + round).await,
                async |_| self.put_bare(first()).await,
            )
            .await?;
        group
            .compare(
                case("GET of records of 1 KB"),
                async |_| self.get(first()).await,
                async |_| self.get_bare(first()).await,
            )
            .await
    }

    async fn put(&self, numbers: std::ops::Range<u64>, millis: u64) -> Result<(), BenchError> {
        put(&self.store, &self.map, numbers, millis).await
    }

    async fn put_bare(&self, numbers: std::ops::Range<u64>) -> Result<(), BenchError> {
        let puts = numbers.map(|number| async move {
            self.bare
                .write(&path(number), vec![b'x'; OBJECT_BYTES])
                .await
                .map(drop)
        });
        Ok(stream::iter(puts)
            .buffer_unordered(IN_FLIGHT)
            .try_collect()
            .await?)
    }

    async fn get(&self, numbers: std::ops::Range<u64>) -> Result<(), BenchError> {
        let keys: Vec<Key> = numbers.map(key).collect::<Result<_, _>>()?;
        let records = self.store.load_all(&self.map, &keys).await?;
        if black_box(records).iter().flatten().count() == keys.len() {
            return Ok(());
        }
        Err("a record was not found".into())
    }

    async fn get_bare(&self, numbers: std::ops::Range<u64>) -> Result<(), BenchError> {
        let gets = numbers.map(|number| async move {
            self.bare
                .read(&path(number))
                .await
                .map(|bytes| drop(black_box(bytes.to_vec())))
        });
        Ok(stream::iter(gets).buffered(IN_FLIGHT).try_collect().await?)
    }
}

/// Records packed, in a bucket of the same server, and the requests that they take.
struct Packed {
    store: SlateDataStore,
    map: MapName,
    requests: ObjectFaults,
}

impl Packed {
    async fn open(settings: Vec<(String, String)>) -> Result<Self, BenchError> {
        // It only counts.
        let requests = ObjectFaults::seeded(0);
        let operator = OpendalDataStore::operator("s3", settings)?.layer(requests.layer());
        let store = SlateDataStore::over(operator, SlateOptions::default()).await?;
        let map = MapName::new("bench")?;
        store.claim(&map).await?;
        Ok(Self { store, map, requests })
    }

    async fn measure(&self, single: &Subjects, group: &mut Group) -> Result<(), BenchError> {
        let count: u32 = if group.is_quick() { 128 } else { 1_000 };
        let case = Case {
            what: "new records of 1 KB, packed, against one object a record",
            unit: "records",
            count,
            target: 20.0,
        };
        // Behind what the other cases wrote.
        let numbers = |round: u64| (1_000 + round) * u64::from(count)..(1_001 + round) * u64::from(count);
        group
            .compare(
                case,
                async |round| put(&self.store, &self.map, numbers(round), START).await,
                async |round| single.put(numbers(round), START).await,
            )
            .await
    }

    /// Counts what ten batches of a thousand records take, in each layout.
    async fn count_requests(
        &self,
        settings: Vec<(String, String)>,
        group: &mut Group,
    ) -> Result<(), BenchError> {
        const BATCHES: u64 = 10;
        let counting = ObjectFaults::seeded(0);
        let operator = OpendalDataStore::operator("s3", settings)?.layer(counting.layer());
        let options = OpendalOptions::default().concurrency(IN_FLIGHT);
        let single = OpendalDataStore::over(operator, options).await?;
        single.claim(&self.map).await?;
        let (before, single_before) = (self.requests.requests(), counting.requests());
        for batch in 0..BATCHES {
            let numbers = (5_000 + batch) * 1_000..(5_001 + batch) * 1_000;
            put(&self.store, &self.map, numbers.clone(), START).await?;
            put(&single, &self.map, numbers, START).await?;
        }
        let packed = self.requests.requests() - before;
        let single = counting.requests() - single_before;
        group.say(format!(
            "{BATCHES} batches of 1,000 new records: {packed} requests packed, with those of its background work meanwhile, and {single} \
             one object a record: {} times fewer",
            single / packed.max(1)
        ));
        Ok(())
    }
}

async fn put(
    store: &impl MapDataStore,
    map: &MapName,
    numbers: std::ops::Range<u64>,
    millis: u64,
) -> Result<(), BenchError> {
    let writes = numbers.map(|number| Ok(Write::new(map.clone(), key(number)?, Arc::new(record(millis)))));
    let results = store.apply(writes.collect::<Result<_, BenchError>>()?).await;
    if results.iter().all(WriteResult::is_applied) {
        return Ok(());
    }
    Err("a write was not applied".into())
}

fn key(number: u64) -> Result<Key, BenchError> {
    Ok(Key::new(format!("customer:{number:011}"))?)
}

/// The same depth of folders as the store's.
fn path(number: u64) -> String {
    format!("m/tbench/r/customer_3a{number:011}-")
}

fn record(millis: u64) -> Record {
    let at = Timestamp::new(Millis(millis), 0, NodeId(1));
    let text = "x".repeat(OBJECT_BYTES - ENVELOPE_BYTES);
    Record::builder(RecordValue::lww(text, at), Version::new(at)).build()
}
