//! Opening: a place with one object a record.

use std::sync::Arc;

use layerstore_data_store::{Limits, StoreError};
use layerstore_record::MAX_KEY_BYTES;
use layerstore_record::codec::MAX_RECORD_BYTES;
use opendal::{Operator, OperatorInfo};

use crate::options::OpendalOptions;
use crate::path::longest_key;
use crate::place::{Layout, Place};
use crate::probe::ProbeReport;
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
    let place = Place::enter(operator, options, Layout::Objects, rng).await?;
    let report = place.report().clone();
    Ok(Opened {
        limits: limits(&info, &report, options),
        report,
        shared: Shared {
            bucket: place.bucket().clone(),
            clock: Arc::clone(&options.clock),
            concurrency: options.concurrency.max(1),
            group_records: options.group_records.max(1),
            known_keys: options.known_keys,
            // The other half is for settling what the earlier writer had begun.
            claim_contest: options.call_deadline() / 2,
            _place: place,
        },
    })
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
