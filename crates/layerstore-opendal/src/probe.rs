//! What the service really does, tried before anything is entrusted to it.

use layerstore_data_store::{ErrorKind, StoreError};
use opendal::Operator;

use crate::bucket::{Bucket, Condition, Conditions, Found, Put, Tag};
use crate::convert::{STORE, from_opendal};

/// Below it are the objects that a probe makes and takes away again.
const PROBES: &str = "probe/";

/// What a service was seen to do when the store was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeReport {
    /// The service, by OpenDAL's name.
    pub service: String,
    /// Whether a write on a condition that does not hold fails. Only then is a second writer kept out by the service.
    pub conditional_writes: bool,
    /// Whether a deletion on a condition that does not hold fails. Without it, what is dropped is replaced by an empty
    /// object, where other writers are kept out by the service.
    pub conditional_deletes: bool,
    /// Whether a listing can begin behind a name. Without it, each scan lists the whole map once.
    pub lists_from: bool,
}

/// Tries reading, writing, listing and deleting, and whether conditions are kept. `number` names the probe's object.
pub(crate) async fn probe(operator: &Operator, number: u64) -> Result<ProbeReport, StoreError> {
    let path = format!("{PROBES}{number:016x}");
    let capability = operator.info().capability();
    let promised = Conditions {
        writes: capability.write_with_if_not_exists
            && (capability.write_with_if_match || capability.write_with_if_version_match),
        deletes: capability.delete_with_if_match || capability.delete_with_if_version_match,
    };
    let bucket = Bucket::new(operator.clone(), promised);
    let trial = Trial { bucket, path };
    let seen = trial.run(promised).await;
    // The object is of no use, whatever came of it.
    let swept = operator.delete(&trial.path).await;
    let seen = seen?;
    swept.map_err(|error| failed("deleting", error))?;
    Ok(ProbeReport {
        service: operator.info().scheme().to_owned(),
        conditional_writes: seen.writes,
        conditional_deletes: seen.deletes,
        lists_from: capability.list_with_start_after,
    })
}

struct Trial {
    bucket: Bucket,
    path: String,
}

impl Trial {
    async fn run(&self, promised: Conditions) -> Result<Conditions, StoreError> {
        let first = self.write(b"first", Condition::Absent).await?;
        let listing = self.bucket.list(PROBES, None, usize::MAX).await;
        let listing = listing.map_err(|error| failed("listing", error))?;
        if !listing.paths.contains(&self.path) {
            let what = "an object that was just written is not listed: the service is not consistent enough";
            return Err(StoreError::new(ErrorKind::Rejected, STORE, "open", what));
        }
        let mut seen = Conditions::default();
        if promised.writes && self.keeps_conditions(first).await? {
            seen.writes = true;
            seen.deletes = promised.deletes && self.keeps_deletions().await?;
        }
        Ok(seen)
    }

    /// Makes a write that must succeed; if it is refused all the same, an earlier try may have made it.
    async fn write(&self, bytes: &[u8], condition: Condition<'_>) -> Result<Option<Tag>, StoreError> {
        let put = self.bucket.put(&self.path, bytes.to_vec(), condition).await;
        let put = put.map_err(|error| failed("writing", error))?;
        let found = self.read().await?;
        if found.bytes != bytes {
            let what =
                "an object that was just written is not read back: the service is not consistent enough";
            return Err(StoreError::new(ErrorKind::Rejected, STORE, "open", what));
        }
        Ok(match put {
            Put::Done(tag) => tag.or(found.tag),
            Put::Refused => found.tag,
        })
    }

    async fn read(&self) -> Result<Found, StoreError> {
        let found = self.bucket.get(&self.path).await;
        found.map_err(|error| failed("reading", error))?.ok_or_else(|| {
            let what = "an object that was just written is not found: the service is not consistent enough";
            StoreError::new(ErrorKind::Rejected, STORE, "open", what)
        })
    }

    /// Some services answer that they have made a write whose condition did not hold, and have made it.
    async fn keeps_conditions(&self, first: Option<Tag>) -> Result<bool, StoreError> {
        let Some(first) = first else { return Ok(false) };
        if !self.is_refused(Condition::Absent).await? {
            return Ok(false);
        }
        let second = self.write(b"second", Condition::Unchanged(Some(&first))).await?;
        Ok(second.is_some() && self.is_refused(Condition::Unchanged(Some(&first))).await?)
    }

    async fn is_refused(&self, condition: Condition<'_>) -> Result<bool, StoreError> {
        let put = self.bucket.put(&self.path, b"late".to_vec(), condition).await;
        match put {
            Ok(Put::Refused) => Ok(self.read().await?.bytes != b"late"),
            Ok(Put::Done(_)) => Ok(false),
            Err(error) => Err(failed("writing on a condition", error)),
        }
    }

    async fn keeps_deletions(&self) -> Result<bool, StoreError> {
        let old = self.read().await?.tag;
        self.write(b"third", Condition::Unchanged(old.as_ref())).await?;
        let bucket = Bucket::new(
            self.bucket.operator().clone(),
            Conditions {
                writes: true,
                deletes: true,
            },
        );
        // What the service does not know of may be an error, too.
        if bucket.delete(&self.path, old.as_ref()).await.unwrap_or(true) {
            return Ok(false);
        }
        let current = self.read().await?;
        let deleted = bucket.delete(&self.path, current.tag.as_ref()).await;
        Ok(deleted.unwrap_or(false))
    }
}

fn failed(step: &str, error: opendal::Error) -> StoreError {
    let converted = from_opendal("open", error);
    let what = format!("{step} an object of the probe failed");
    StoreError::new(converted.kind(), STORE, "open", what).because(converted)
}
