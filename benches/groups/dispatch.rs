//! The same calls through `dyn` and through the facade, against the direct call: in memory, with a data store that keeps nothing.
//!
//! A call in memory may take 10 ns more than the direct one. So the direct way is shown with 10 ns added to each of its calls, and a ratio
//! of 1 is to be reached. Few records, which the caches hold: with more of them what is added would be lost in what the memory takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use layerstore::{Layerstore, Records};
use layerstore_benches::workload::key;
use layerstore_benches::{BenchError, Case, Group};
use layerstore_data_store::NullDataStore;
use layerstore_engine::HashMapEngine;
use layerstore_record::{Key, MapName, Value};
use layerstore_record_store::{DefaultRecordStore, NewValue, RecordStore, TryGet, TrySet, WriteOptions};

/// Records of each store.
const RECORDS: u64 = 1_000;

/// Calls of a round.
const CALLS: u32 = 1_000_000;

/// What a call may take more.
const ALLOWED: Duration = Duration::from_nanos(10);

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Result<(), BenchError> {
    let mut group = Group::new("dispatch", &["papaya"]);
    group.say(format!(
        "{RECORDS} records in memory; the bare way is the direct call and {} ns",
        ALLOWED.as_nanos()
    ));
    let subjects = Subjects::make().await?;
    subjects.gets(&mut group).await?;
    subjects.sets(&mut group).await?;
    group.finish()
}

/// The same records three times: called directly, through `dyn`, and through the facade.
struct Subjects {
    direct: DefaultRecordStore,
    dynamic: Arc<dyn RecordStore>,
    facade: Records,
    keys: Vec<Key>,
    value: Arc<Value>,
}

impl Subjects {
    async fn make() -> Result<Self, BenchError> {
        let facade = Layerstore::builder().in_memory().build().await?;
        let subjects = Self {
            direct: record_store()?,
            dynamic: Arc::new(record_store()?),
            facade: facade.records("bench")?,
            keys: (0..RECORDS).map(key).collect::<Result<_, _>>()?,
            value: Arc::new(Value::from("a value of no great length")),
        };
        for key in &subjects.keys {
            let value = || NewValue::Plain(Arc::clone(&subjects.value));
            subjects.direct.set(key, value(), &WriteOptions::DEFAULT).await?;
            subjects.dynamic.set(key, value(), &WriteOptions::DEFAULT).await?;
            subjects.facade.set(key, value(), &WriteOptions::DEFAULT).await?;
        }
        Ok(subjects)
    }

    async fn gets(&self, group: &mut Group) -> Result<(), BenchError> {
        let direct = async |_| self.time(ALLOWED, |key| is_hit(&self.direct.try_get(key)));
        let dynamic = async |_| self.time(Duration::ZERO, |key| is_hit(&self.dynamic.try_get(key)));
        let what = "try_get through dyn, against the direct call and 10 ns";
        group.compare_times(case(what), dynamic, direct).await?;
        let facade = async |_| self.time(Duration::ZERO, |key| is_hit(&self.facade.try_get(key)));
        let what = "try_get through the facade, against the direct call and 10 ns";
        group.compare_times(case(what), facade, direct).await?;
        let look = |key: &Key| is_hit(&self.facade.read(key, layerstore::Record::version));
        let facade = async |_| self.time(Duration::ZERO, look);
        let read = |key: &Key| {
            let mut version = None;
            let found = self
                .direct
                .read(key, &mut |record| version = Some(record.version()));
            is_hit(&found) && version.is_some()
        };
        let direct = async |_| self.time(ALLOWED, read);
        let what = "read in place through the facade, against the direct call and 10 ns";
        group.compare_times(case(what), facade, direct).await
    }

    async fn sets(&self, group: &mut Group) -> Result<(), BenchError> {
        let value = || NewValue::Plain(Arc::clone(&self.value));
        let set = |key: &Key| is_done(&self.direct.try_set(key, value(), &WriteOptions::DEFAULT));
        let direct = async |_| self.time(ALLOWED, set);
        let set = |key: &Key| is_done(&self.dynamic.try_set(key, value(), &WriteOptions::DEFAULT));
        let dynamic = async |_| self.time(Duration::ZERO, set);
        let what = "try_set through dyn, against the direct call and 10 ns";
        group.compare_times(case(what), dynamic, direct).await?;
        let set = |key: &Key| is_done(&self.facade.try_set(key, value(), &WriteOptions::DEFAULT));
        let facade = async |_| self.time(Duration::ZERO, set);
        let what = "try_set through the facade, against the direct call and 10 ns";
        group.compare_times(case(what), facade, direct).await
    }

    /// Times the calls of a round, and adds what each of them is allowed.
    #[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
    fn time(&self, allowed: Duration, call: impl Fn(&Key) -> bool) -> Result<Duration, BenchError> {
        let begun = Instant::now();
        let mut keys = self.keys.iter().cycle().take(CALLS as usize);
        if !keys.all(call) {
            return Err("a call in memory has to wait".into());
        }
        Ok(begun.elapsed() + allowed * CALLS)
    }
}

fn record_store() -> Result<DefaultRecordStore, BenchError> {
    let (map, engine) = (MapName::new("bench")?, Arc::new(HashMapEngine::new()));
    Ok(DefaultRecordStore::builder(map, engine, Arc::new(NullDataStore::new())).build()?)
}

fn is_hit<T>(found: &TryGet<T>) -> bool {
    matches!(found, TryGet::Hit(_))
}

fn is_done<E>(tried: &Result<TrySet, E>) -> bool {
    matches!(tried, Ok(TrySet::Done(_)))
}

fn case(what: &'static str) -> Case {
    Case {
        what,
        unit: "calls",
        count: CALLS,
        target: 1.0,
    }
}
