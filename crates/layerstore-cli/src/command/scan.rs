use std::ops::Bound;
use std::pin::pin;

use futures::TryStreamExt;
use layerstore::{Key, Layerstore, ScanRequest};

use crate::args::Scan;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Form, say, shown};
use crate::record_json;

/// How many records are read at once.
pub(super) const PAGE: usize = 1_000;

/// Shows records in key order.
pub(super) async fn run(store: &Layerstore, form: Form, args: &Scan) -> Result<Exit, Failure> {
    let limit = args.limit.unwrap_or(usize::MAX);
    let mut request = ScanRequest::first(limit.min(PAGE));
    if !args.prefix.is_empty() {
        let first = Key::new(&args.prefix).map_err(|error| Failure::usage(format!("--prefix: {error}")))?;
        request = request.from(Bound::Included(first));
    }
    let records = store.records(&args.map)?;
    let mut scan = pin!(records.scan(&request));
    let mut left = limit;
    while left > 0
        && let Some((key, record)) = scan.try_next().await?
        // In key order, what begins with the prefix stands together.
        && key.as_str().starts_with(&args.prefix)
    {
        say(&match form {
            Form::Text => format!("{}\t{}", shown(key.as_str()), record_json::value(&record)),
            Form::Json => record_json::whole(&key, &record),
        })?;
        left -= 1;
    }
    Ok(Exit::Done)
}
