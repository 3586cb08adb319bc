//! Opening: layers, lock, probe, format.

use std::sync::Arc;

use layerstore_data_store::{ErrorKind, Limits, StoreError};
use layerstore_record::MAX_KEY_BYTES;
use layerstore_record::codec::MAX_RECORD_BYTES;
use opendal::{Operator, OperatorInfo};

use crate::bucket::{Bucket, Condition, Conditions};
use crate::convert::{STORE, closed, from_opendal};
use crate::exclusive::Exclusive;
use crate::head::{STORE_FORMAT, decode_format, encode_format};
use crate::object::unreadable;
use crate::options::OpendalOptions;
use crate::path::{FORMAT_PATH, longest_key};
use crate::probe::{ProbeReport, probe};
use crate::service::layered;
use crate::shared::Shared;

/// The longest path of a file on Linux, and of what else has files.
const FILE_PATH_BYTES: usize = 4_095;

/// The longest name of an object in S3, Google Cloud Storage and Azure Blob Storage.
const OBJECT_NAME_BYTES: usize = 1_024;

/// A place that is open.
pub(crate) struct Opened {
    pub(crate) shared: Shared,
    pub(crate) report: ProbeReport,
    pub(crate) limits: Limits,
}

/// Opens the place of an operator.
pub(crate) async fn open(
    operator: Operator,
    options: &OpendalOptions,
    rng: &mut fastrand::Rng,
) -> Result<Opened, StoreError> {
    let info = operator.info();
    let operator = layered(operator, options);
    let exclusive = tokio::task::spawn_blocking({
        let info = info.clone();
        move || Exclusive::acquire(&info)
    });
    let exclusive = exclusive.await.unwrap_or_else(|_| Err(closed("open")))?;
    let report = probe(&operator, rng.u64(..)).await?;
    check_writers(&report, exclusive.is_some(), options)?;
    let conditions = Conditions {
        writes: report.conditional_writes,
        deletes: report.conditional_deletes,
    };
    let bucket = Bucket::new(operator, conditions);
    check_format(&bucket).await?;
    Ok(Opened {
        limits: limits(&info, &report, options),
        report,
        shared: Shared {
            bucket,
            clock: Arc::clone(&options.clock),
            concurrency: options.concurrency.max(1),
            group_records: options.group_records.max(1),
            known_keys: options.known_keys,
            _exclusive: exclusive,
        },
    })
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

async fn check_format(bucket: &Bucket) -> Result<(), StoreError> {
    let fail = |error| from_opendal("open", error);
    let mut found = bucket.get(FORMAT_PATH).await.map_err(fail)?;
    if found.is_none() {
        let put = bucket
            .put(FORMAT_PATH, encode_format(STORE_FORMAT), Condition::Absent)
            .await;
        let _either_way = put.map_err(fail)?;
        found = bucket.get(FORMAT_PATH).await.map_err(fail)?;
    }
    let bytes = found.map(|found| found.bytes).unwrap_or_default();
    let format = decode_format(&bytes).map_err(|error| unreadable("open", error))?;
    if format == STORE_FORMAT {
        return Ok(());
    }
    let what = format!("the store has format {format}, this version knows {STORE_FORMAT}: use the newer one");
    Err(StoreError::new(ErrorKind::UnknownFormat, STORE, "open", what))
}

fn limits(info: &OperatorInfo, report: &ProbeReport, options: &OpendalOptions) -> Limits {
    let path_bytes = match info.scheme() {
        "memory" => usize::MAX,
        "fs" => FILE_PATH_BYTES,
        _ => OBJECT_NAME_BYTES,
    };
    // Between root and path stands a slash at most.
    let room = path_bytes.saturating_sub(info.root().len() + 1);
    let mut limits = Limits::default();
    limits.key_bytes = longest_key(room).min(MAX_KEY_BYTES);
    limits.record_bytes = MAX_RECORD_BYTES;
    limits.batch_records = options.group_records.max(1);
    limits.compare_and_set = report.conditional_writes;
    limits
}
