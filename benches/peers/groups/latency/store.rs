use std::time::Duration;

use layerstore::{Layerstore, MapSettings, NewValue, Records, WriteBehindSettings, WriteOptions};
use layerstore_benches::BenchError;
use layerstore_benches::workload::{key, value};
use layerstore_record::Key;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::upset::{OTHERS, READ, Upset};

const MAP: &str = "records";

/// Records of a batch.
const BATCH: usize = 1_000;

/// How long records live that are to be swept: over by the time that they are.
const SHORT: Duration = Duration::from_millis(1);

/// How often ended records are looked for while they are swept.
const SWEEP: Duration = Duration::from_millis(10);

/// How long a flush and closing may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// Batches of a flush, and of overwrites where nothing else goes on.
const BATCHES: usize = 100;

/// A store of ours in the state before the work.
pub(crate) struct Stores {
    store: Layerstore,
    records: Records,
    keys: Vec<Key>,
    others: Vec<Key>,
    value: NewValue,
    upset: Upset,
    runtime: Runtime,
    /// Where the embedded store is, if there is one.
    _dir: Option<TempDir>,
}

impl Stores {
    pub(crate) fn prepare(upset: Upset, part: u64, round: u64) -> Result<Self, BenchError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()?;
        let keys = |from: u64, to: u64| (from..to).map(key).collect::<Result<Vec<_>, _>>();
        let (read, others) = (keys(0, READ)?, keys(READ, READ + OTHERS / part)?);
        let dir = matches!(upset, Upset::Flush | Upset::Preload)
            .then(tempfile::tempdir)
            .transpose()?;
        let value = NewValue::from(value(round)?);
        let store = runtime.block_on(async {
            let store = open(upset, dir.as_ref()).await?;
            if upset != Upset::Preload {
                return Ok::<_, BenchError>(store);
            }
            let all = [read.clone(), others.clone()].concat();
            put_all(&store.records(MAP)?, &all, &value, &WriteOptions::DEFAULT).await?;
            // Whether it closed shows when it is opened again.
            let _ = store.close(DEADLINE).await;
            open(upset, dir.as_ref()).await
        })?;
        let _inside = runtime.enter();
        let stores = Self {
            records: store.records(MAP)?,
            store,
            keys: read,
            others,
            value,
            upset,
            runtime,
            _dir: dir,
        };
        stores.runtime.block_on(stores.bring_in())?;
        Ok(stores)
    }

    /// Has in memory what is read throughout, and what is to be swept.
    async fn bring_in(&self) -> Result<(), BenchError> {
        if self.upset == Upset::Preload {
            self.records.get_all(&self.keys).await?;
            return Ok(());
        }
        put_all(&self.records, &self.keys, &self.value, &WriteOptions::DEFAULT).await?;
        if self.upset == Upset::Evictions {
            // Read twice, they are past their probation: what is evicted are the others.
            self.records.get_all(&self.keys).await?;
            self.records.get_all(&self.keys).await?;
        }
        Ok(())
    }

    pub(crate) fn read(&self, number: u64) -> bool {
        let at = number.wrapping_mul(7_919) % self.keys.len() as u64;
        let key = usize::try_from(at).map(|at| &self.keys[at]);
        let found = key
            .map(|key| self.records.try_get(key).hit().is_some())
            .unwrap_or(false);
        // Of what is evicted some may be read: that is a miss, and no error.
        found || self.upset == Upset::Evictions
    }

    pub(crate) fn upset(&self) -> Result<(), BenchError> {
        self.runtime.block_on(async {
            match self.upset {
                Upset::Quiet => self.overwrite().await,
                Upset::Growth | Upset::Evictions => self.set_others(&WriteOptions::DEFAULT).await,
                Upset::Sweep => self.let_end().await,
                Upset::Flush => self.flush().await,
                Upset::Preload => Ok(self.records.preload(usize::MAX).await.map(drop)?),
            }
        })
    }

    async fn overwrite(&self) -> Result<(), BenchError> {
        for _ in &self.others {
            let value = self.value.clone();
            self.records
                .set(&self.keys[0], value, &WriteOptions::DEFAULT)
                .await?;
        }
        Ok(())
    }

    async fn set_others(&self, options: &WriteOptions) -> Result<(), BenchError> {
        for key in &self.others {
            self.records.set(key, self.value.clone(), options).await?;
        }
        Ok(())
    }

    /// Writes records that end at once, and waits until the sweep has removed them.
    async fn let_end(&self) -> Result<(), BenchError> {
        self.set_others(&WriteOptions::new().ttl(SHORT)).await?;
        while self.records.resident_len() > self.keys.len() {
            tokio::time::sleep(SWEEP).await;
        }
        Ok(())
    }

    async fn flush(&self) -> Result<(), BenchError> {
        for batch in self.others.chunks(BATCH).take(BATCHES) {
            put_all(&self.records, batch, &self.value, &WriteOptions::DEFAULT).await?;
            let report = self.store.flush(DEADLINE).await;
            if !report.is_complete() {
                return Err(format!("not all was flushed: {report:?}").into());
            }
        }
        Ok(())
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        // Nobody reads what it held any more.
        let _ = self.runtime.block_on(self.store.close(DEADLINE));
    }
}

async fn open(upset: Upset, dir: Option<&TempDir>) -> Result<Layerstore, BenchError> {
    let builder = match dir {
        Some(dir) => Layerstore::builder().embedded(dir.path()),
        None => Layerstore::builder().in_memory(),
    };
    let builder = match upset {
        Upset::Evictions => builder.map(MAP, MapSettings::new().max_count(READ * 2)),
        Upset::Sweep => builder.sweep_interval(SWEEP),
        Upset::Flush => builder.write_behind(WriteBehindSettings::new()),
        _ => builder,
    };
    Ok(builder.build().await?)
}

async fn put_all(
    records: &Records,
    keys: &[Key],
    value: &NewValue,
    options: &WriteOptions,
) -> Result<(), BenchError> {
    for keys in keys.chunks(BATCH) {
        let batch = keys.iter().map(|key| (key.clone(), value.clone())).collect();
        for written in records.put_all(batch, options).await? {
            written?;
        }
    }
    Ok(())
}
