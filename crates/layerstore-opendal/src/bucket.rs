//! The few requests that this store makes, with conditions where the service has them.

use futures::{StreamExt, TryStreamExt};
use opendal::{ErrorKind, Metadata, Operator};

/// The most entries that services return for one request.
const LIST_REQUEST: usize = 1_000;

/// Makes requests.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    operator: Operator,
    conditions: Conditions,
}

/// What the service was seen to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Conditions {
    /// A write on a condition that does not hold fails.
    pub(crate) writes: bool,
    /// A deletion on a condition that does not hold fails.
    pub(crate) deletes: bool,
}

/// Names a state of an object: its ETag, or its version where the service compares that.
#[derive(Debug, Clone)]
pub(crate) struct Tag(Metadata);

/// An object that is there.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) bytes: Vec<u8>,
    pub(crate) tag: Option<Tag>,
}

/// What must hold for a write to be made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Condition<'a> {
    /// Nothing; also what the others become where the service knows no conditions.
    None,
    /// No object is there.
    Absent,
    /// The object is as it was. Without a tag that cannot be told, and the write is refused.
    Unchanged(Option<&'a Tag>),
}

/// What became of a conditional write.
#[derive(Debug)]
pub(crate) enum Put {
    /// It was made; here is what names the object now.
    Done(Option<Tag>),
    /// The condition did not hold when the last try arrived: an earlier try of the same write may be why.
    Refused,
}

/// Part of a listing.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Paths in byte order.
    pub(crate) paths: Vec<String>,
    /// Whether there are more behind them.
    pub(crate) more: bool,
}

impl Bucket {
    pub(crate) fn new(operator: Operator, conditions: Conditions) -> Self {
        Self { operator, conditions }
    }

    pub(crate) fn operator(&self) -> &Operator {
        &self.operator
    }

    pub(crate) fn conditions(&self) -> Conditions {
        self.conditions
    }

    /// Tells whether a listing can begin behind a path, so that a page costs what it returns.
    pub(crate) fn lists_from(&self) -> bool {
        self.operator.info().capability().list_with_start_after
    }

    /// Reads an object.
    pub(crate) async fn get(&self, path: &str) -> opendal::Result<Option<Found>> {
        let read = async {
            let reader = self.operator.reader(path).await?;
            let bytes = reader.read(..).await?;
            Ok(Found {
                bytes: bytes.to_vec(),
                tag: reader.metadata().cloned().and_then(Tag::new),
            })
        };
        match read.await {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes an object.
    pub(crate) async fn put(
        &self,
        path: &str,
        bytes: Vec<u8>,
        condition: Condition<'_>,
    ) -> opendal::Result<Put> {
        let condition = if self.conditions.writes {
            condition
        } else {
            Condition::None
        };
        let write = self.operator.write_with(path, bytes);
        let written = match condition {
            Condition::None => write.await,
            Condition::Unchanged(None) => return Ok(Put::Refused),
            Condition::Absent => write.if_not_exists(true).await,
            Condition::Unchanged(Some(tag)) => write.if_not_changed(&tag.0).await,
        };
        match written {
            Ok(metadata) => Ok(Put::Done(Tag::new(metadata))),
            Err(error) if !matches!(condition, Condition::None) && is_refusal(&error) => Ok(Put::Refused),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object if it is as it was; tells whether it is gone.
    pub(crate) async fn delete(&self, path: &str, tag: Option<&Tag>) -> opendal::Result<bool> {
        let delete = self.operator.delete_with(path);
        let deleted = match tag.filter(|_| self.conditions.deletes) {
            Some(tag) => delete.if_not_changed(&tag.0).await,
            None => delete.await,
        };
        match deleted {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(error) if is_refusal(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Lists objects below a place that lie behind a path: at most `limit`, or all where the service cannot begin there.
    pub(crate) async fn list(
        &self,
        dir: &str,
        after: Option<&str>,
        limit: usize,
    ) -> opendal::Result<Listing> {
        let listed = if self.lists_from() {
            self.list_from(dir, after, limit).await
        } else {
            self.list_all(dir, after).await
        };
        match listed {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Listing::default()),
            listed => listed,
        }
    }

    /// Lists the places directly below a place.
    pub(crate) async fn list_dirs(&self, dir: &str) -> opendal::Result<Vec<String>> {
        match self.operator.list(dir).await {
            Ok(entries) => {
                let dirs = entries.iter().map(opendal::Entry::path);
                Ok(dirs
                    .filter(|path| path.ends_with('/') && *path != dir)
                    .map(str::to_owned)
                    .collect())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn list_from(&self, dir: &str, after: Option<&str>, limit: usize) -> opendal::Result<Listing> {
        let request = self.operator.lister_with(dir).recursive(true);
        // One more than is wanted tells whether there are more, without another request.
        let request = request.limit(limit.saturating_add(1).min(LIST_REQUEST));
        let mut entries = match after {
            Some(after) => request.start_after(after).await?,
            None => request.await?,
        };
        let mut listing = Listing::default();
        while let Some(entry) = entries.next().await {
            let path = entry?.path().to_owned();
            // Some services return the path itself, and some say that they begin behind it and do not.
            if path.ends_with('/') || after.is_some_and(|after| path.as_str() <= after) {
                continue;
            }
            if listing.paths.len() == limit {
                listing.more = true;
                break;
            }
            listing.paths.push(path);
        }
        Ok(listing)
    }

    async fn list_all(&self, dir: &str, after: Option<&str>) -> opendal::Result<Listing> {
        let entries = self.operator.lister_with(dir).recursive(true).await?;
        let entries: Vec<_> = entries.try_collect().await?;
        let paths = entries.iter().map(opendal::Entry::path);
        let wanted = |path: &&str| !path.ends_with('/') && after.is_none_or(|after| *path > after);
        let mut paths: Vec<String> = paths.filter(wanted).map(str::to_owned).collect();
        paths.sort_unstable();
        Ok(Listing { paths, more: false })
    }
}

impl Tag {
    fn new(metadata: Metadata) -> Option<Self> {
        (metadata.etag().is_some() || metadata.version().is_some()).then_some(Self(metadata))
    }
}

/// A directory where an object was is no object either.
fn is_absent(error: &opendal::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// A write on the condition that an object is unchanged finds, on some services, nothing where it was deleted.
fn is_refusal(error: &opendal::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConditionNotMatch | ErrorKind::Conflict | ErrorKind::NotFound
    )
}
