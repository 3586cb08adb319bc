//! The two steps of a write: checking, and writing whole or not at all.

use std::sync::Arc;

use layerstore_kv::{KvError, KvErrorKind, KvOperation, KvResult, Precondition};
use slatedb::{Db, WriteBatch};

use crate::convert::{convert, convert_write, late};
use crate::driver::Driver;
use crate::layout;
use crate::view::{Catalog, number_of};

/// Checks preconditions against the newest state, while nothing else writes: the first that does not hold, or names an unknown
/// keyspace, is the error.
pub(crate) fn check<'a>(
    driver: &Driver,
    db: &Arc<Db>,
    catalog: &Catalog,
    required: impl Iterator<Item = Precondition<'a>>,
) -> KvResult<()> {
    let operation = KvOperation::Commit;
    let rows: Vec<KvResult<Required>> = required
        .map(|required| {
            let number = number_of(catalog, operation, required.keyspace)?;
            Ok(Required {
                row: layout::row(number, required.key),
                keyspace: required.keyspace.to_vec(),
                expected: required.expected.map(<[u8]>::to_vec),
            })
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let db = Arc::clone(db);
    let checked = driver.run(async move {
        for (index, required) in rows.into_iter().enumerate() {
            required?.check(&db, index).await?;
        }
        Ok(())
    });
    checked.map_err(|error| late(operation, error))?
}

/// Writes a batch, which is durable with the next sync. Once SlateDB has it, its outcome is not known before it answers.
pub(crate) fn write(
    driver: &Driver,
    db: &Arc<Db>,
    operation: KvOperation,
    batch: WriteBatch,
) -> KvResult<()> {
    let db = Arc::clone(db);
    let written = driver.run(async move { db.write(batch).await });
    let written = written.map_err(|error| late(operation, error).outcome_unknown())?;
    written.map(drop).map_err(|error| convert_write(operation, error))
}

struct Required {
    row: Vec<u8>,
    keyspace: Vec<u8>,
    expected: Option<Vec<u8>>,
}

impl Required {
    async fn check(&self, db: &Db, index: usize) -> KvResult<()> {
        let found = db.get(&self.row).await;
        let found = found.map_err(|error| convert(KvOperation::Commit, error).in_keyspace(&self.keyspace))?;
        if found.as_deref() == self.expected.as_deref() {
            return Ok(());
        }
        let kind = KvErrorKind::PreconditionFailed { index };
        Err(KvError::new(kind, KvOperation::Commit).in_keyspace(&self.keyspace))
    }
}
