use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use layerstore::observer::MerkleObserver;
use layerstore::record::codec::encode_record;
use layerstore::record::{NodeId, Timestamp};
use layerstore::sync::{Replica, rebuild};
use layerstore::{Key, Layerstore, MapName, Millis, RecordValue, Records, ScanRequest, Value, WriteOptions};

/// What both hold to begin with.
const RECORDS: u64 = 10_000;
/// How many of them each side writes to while it is alone.
const WRITES: u64 = 120;

/// Which of the two it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    One,
    Other,
}

/// One copy of the map.
pub(crate) struct Copy {
    side: Side,
    records: Records,
    replica: Replica,
    _store: Layerstore,
}

impl Copy {
    /// Opens a store in memory, with what both sides have held for long.
    pub(crate) async fn open(side: Side) -> Result<Self, Box<dyn Error>> {
        let map = MapName::new("notes")?;
        let tree = Arc::new(MerkleObserver::new("merkle", map, 0));
        let store = Layerstore::builder()
            .in_memory()
            .observer(Arc::clone(&tree) as _)
            .build()
            .await?;
        let records = store.records("notes")?;
        let [partition] = records.record_stores().await? else {
            return Err("a map has one partition, unless it is set otherwise".into());
        };
        rebuild(&tree, &**partition, |_| {}).await?;
        let replica = Replica::new(Arc::clone(partition), tree)?;
        let copy = Self {
            side,
            records,
            replica,
            _store: store,
        };
        copy.fill().await?;
        Ok(copy)
    }

    pub(crate) fn replica(&self) -> &Replica {
        &self.replica
    }

    async fn fill(&self) -> Result<(), Box<dyn Error>> {
        for number in 0..RECORDS {
            // Written long ago, at the same time on both.
            let at = Timestamp::new(Millis(1_700_000_000_000 + number), 0, NodeId(1));
            let value = RecordValue::lww(note(number, "as it was"), at);
            self.records
                .set(&key(number)?, value.into(), &WriteOptions::new())
                .await?;
        }
        Ok(())
    }

    /// Changes, removes and adds records, some of them those that the other side changes, too.
    pub(crate) async fn write_apart(&self) -> Result<(), Box<dyn Error>> {
        let step = match self.side {
            Side::One => 14,
            Side::Other => 21,
        };
        for number in (0..WRITES).map(|number| number * step) {
            let text = format!("as {:?} has it", self.side);
            let value = note(number, &text);
            self.records
                .set(&key(number)?, value.into(), &WriteOptions::new())
                .await?;
        }
        for number in (0..WRITES / 4).map(|number| number * step + 5) {
            self.records.remove(&key(number)?).await?;
        }
        let of_its_own = Key::new(format!("only {:?} has this", self.side))?;
        let options = WriteOptions::new().ttl(Duration::from_secs(3_600));
        self.records.set(&of_its_own, 1_u64.into(), &options).await?;
        Ok(())
    }

    /// Reads all that it holds into a tree of its own, and returns the root.
    pub(crate) async fn fingerprint(&self) -> Result<String, Box<dyn Error>> {
        let fresh = MerkleObserver::new("fresh", self.replica.map().clone(), 0);
        let root = rebuild(&fresh, &**self.replica.store(), |_| {}).await?;
        Ok(format!("{:?}", root.to_bytes()))
    }

    /// Returns how many bytes all records have, with their keys.
    pub(crate) async fn bytes_of_all(&self) -> Result<usize, Box<dyn Error>> {
        let request = ScanRequest::first(usize::try_from(RECORDS)?.saturating_mul(2)).with_tombstones();
        let page = self.replica.store().scan_page(request).await?;
        let mut bytes = 0;
        for (key, record) in &page.records {
            bytes += key.as_bytes().len() + encode_record(record)?.len();
        }
        Ok(bytes)
    }
}

fn key(number: u64) -> Result<Key, Box<dyn Error>> {
    Ok(Key::new(format!("note:{number:05}"))?)
}

fn note(number: u64, text: &str) -> Value {
    format!("Note {number}, {text}. {}", "Notes have some length. ".repeat(8))
        .as_str()
        .into()
}
