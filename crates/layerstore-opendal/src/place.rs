//! A place on a service: locked where the service itself keeps nobody out, tried, and of the layout that is expected.

use layerstore_data_store::{ErrorKind, StoreError};
use opendal::Operator;

use crate::bucket::{Bucket, Condition, Conditions};
use crate::convert::{STORE, closed, from_opendal};
use crate::exclusive::Exclusive;
use crate::head::{PACKED_FORMAT, STORE_FORMAT, decode_format, encode_format};
use crate::object::unreadable;
use crate::options::OpendalOptions;
use crate::path::FORMAT_PATH;
use crate::probe::{ProbeReport, probe};
use crate::service::layered;

/// What the objects of a place are. A place keeps the layout that it was first opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// One object a record.
    Objects,
    /// Many records an object, by a store that is built on this crate.
    Packed,
}

/// A place that may be used: it is held until this is dropped.
#[derive(Debug)]
pub struct Place {
    bucket: Bucket,
    report: ProbeReport,
    /// Held as long as anything is at work there.
    _exclusive: Option<Exclusive>,
}

impl Place {
    /// Enters the place of an operator, which must have no retries or timeouts of its own: puts those of `options` around it,
    /// takes its lock where it has one, tries what the service does, and looks at its layout. `rng` gives the number of the
    /// object that the trial makes.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] when the service cannot keep a second writer out and
    /// [`single_writer`](OpendalOptions::single_writer) does not say that there is none, when it does not show what was just
    /// written, or when the place has another layout; otherwise as [`OpendalDataStore::open`](crate::OpendalDataStore::open).
    pub async fn enter(
        operator: Operator,
        options: &OpendalOptions,
        layout: Layout,
        rng: &mut fastrand::Rng,
    ) -> Result<Self, StoreError> {
        let info = operator.info();
        let operator = layered(operator, options);
        let exclusive = tokio::task::spawn_blocking(move || Exclusive::acquire(&info));
        let exclusive = exclusive.await.unwrap_or_else(|_| Err(closed("open")))?;
        let report = probe(&operator, rng.u64(..)).await?;
        check_writers(&report, exclusive.is_some(), options)?;
        let conditions = Conditions {
            writes: report.conditional_writes,
            deletes: report.conditional_deletes,
        };
        let bucket = Bucket::new(operator, conditions);
        check_format(&bucket, layout).await?;
        Ok(Self {
            bucket,
            report,
            _exclusive: exclusive,
        })
    }

    /// Returns the operator, with the layers around it.
    #[must_use]
    pub fn operator(&self) -> &Operator {
        self.bucket.operator()
    }

    /// Lists the directories in a directory, which ends with a slash, as they do.
    ///
    /// # Errors
    /// A [`StoreError`] when it could not be listed.
    pub async fn directories(
        &self,
        operation: &'static str,
        directory: &str,
    ) -> Result<Vec<String>, StoreError> {
        let listed = self.bucket.list_dirs(directory).await;
        listed.map_err(|error| from_opendal(operation, error))
    }

    /// Reads an object, if there is one.
    ///
    /// # Errors
    /// A [`StoreError`] when it could not be read.
    pub async fn read(&self, operation: &'static str, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.bucket.get(path).await;
        let found = found.map_err(|error| from_opendal(operation, error))?;
        Ok(found.map(|found| found.bytes))
    }

    /// Writes an object, unless there is one.
    ///
    /// # Errors
    /// A [`StoreError`] when it could not be written; it may be there even so.
    pub async fn create(
        &self,
        operation: &'static str,
        path: &str,
        bytes: Vec<u8>,
    ) -> Result<(), StoreError> {
        let put = self.bucket.put(path, bytes, Condition::Absent).await;
        put.map(drop).map_err(|error| from_opendal(operation, error))
    }

    pub(crate) fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// Returns what the service was seen to do.
    #[must_use]
    pub fn report(&self) -> &ProbeReport {
        &self.report
    }
}

impl Layout {
    fn format(self) -> u32 {
        match self {
            Self::Objects => STORE_FORMAT,
            Self::Packed => PACKED_FORMAT,
        }
    }

    fn named(self) -> &'static str {
        match self {
            Self::Objects => "one object a record",
            Self::Packed => "many records an object",
        }
    }
}

fn check_writers(report: &ProbeReport, is_locked: bool, options: &OpendalOptions) -> Result<(), StoreError> {
    let service = &report.service;
    if report.conditional_writes {
        return Ok(());
    }
    if is_locked {
        tracing::info!(store = STORE, service, "open as the single writer, by a lock");
        return Ok(());
    }
    if options.single_writer {
        tracing::warn!(
            store = STORE,
            service,
            "open as the single writer: this service makes conditional writes whatever their condition, so nothing \
             keeps a second writer out"
        );
        return Ok(());
    }
    let what = format!(
        "this {service} service makes conditional writes whatever their condition, so that a second writer could not be \
         kept out: use one that keeps conditions, or set `single_writer` if nobody else ever writes there"
    );
    Err(StoreError::new(ErrorKind::Rejected, STORE, "open", what))
}

async fn check_format(bucket: &Bucket, layout: Layout) -> Result<(), StoreError> {
    let fail = |error| from_opendal("open", error);
    let mut found = bucket.get(FORMAT_PATH).await.map_err(fail)?;
    if found.is_none() {
        let put = bucket
            .put(FORMAT_PATH, encode_format(layout.format()), Condition::Absent)
            .await;
        let _either_way = put.map_err(fail)?;
        found = bucket.get(FORMAT_PATH).await.map_err(fail)?;
    }
    let bytes = found.map(|found| found.bytes).unwrap_or_default();
    let format = decode_format(&bytes).map_err(|error| unreadable("open", error))?;
    if format == layout.format() {
        return Ok(());
    }
    let known = [Layout::Objects, Layout::Packed];
    if let Some(other) = known.into_iter().find(|known| known.format() == format) {
        let what = format!(
            "the place holds {}, and was opened for {}: say which layout it has, or name another place",
            other.named(),
            layout.named()
        );
        return Err(StoreError::new(ErrorKind::Rejected, STORE, "open", what));
    }
    let what = format!(
        "the store has format {format}, this version knows {}: use the newer one",
        layout.format()
    );
    Err(StoreError::new(ErrorKind::UnknownFormat, STORE, "open", what))
}
