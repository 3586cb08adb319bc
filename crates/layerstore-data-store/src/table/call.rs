use std::time::Duration;

use layerstore_record::MapName;
use tokio::sync::RwLockReadGuard;
use tokio::time::{Instant, timeout_at};

use super::fault::TableFault;
use super::record_table::RecordTable;
use crate::error::{ErrorKind, StoreError};

/// A call under way: all that is asked of the table for it ends in time, and says in an error where it was.
pub(super) struct Call<'a, T> {
    pub(super) table: &'a T,
    operation: &'static str,
    map: Option<&'a MapName>,
    timeout: Duration,
    deadline: Instant,
    /// Closing waits for whoever holds one.
    _open: RwLockReadGuard<'a, ()>,
}

impl<'a, T: RecordTable> Call<'a, T> {
    pub(super) fn begin(
        table: &'a T,
        operation: &'static str,
        map: Option<&'a MapName>,
        timeout: Duration,
        open: RwLockReadGuard<'a, ()>,
    ) -> Self {
        Self {
            table,
            operation,
            map,
            timeout,
            deadline: Instant::now() + timeout,
            _open: open,
        }
    }

    /// Waits for the table, until the call's deadline at the latest. What is given up is dropped.
    pub(super) async fn wait<R>(
        &self,
        answer: impl Future<Output = Result<R, T::Error>> + Send,
    ) -> Result<R, StoreError> {
        let fault = match timeout_at(self.deadline, answer).await {
            Ok(Ok(answer)) => return Ok(answer),
            // Not the source: what a server says may show a value.
            Ok(Err(error)) => self.table.fault(&error),
            Err(_) => {
                let what = format!(
                    "no answer within {:?}: is the server overloaded, or the network cut?",
                    self.timeout
                );
                return Err(self.error(ErrorKind::Timeout, what));
            }
        };
        Err(self.failed(fault))
    }

    pub(super) fn failed(&self, fault: TableFault) -> StoreError {
        self.error(fault.kind, fault.what)
    }

    pub(super) fn error(&self, kind: ErrorKind, what: impl Into<String>) -> StoreError {
        let error = StoreError::new(kind, T::NAME, self.operation, what);
        match self.map {
            Some(map) => error.in_map(map),
            None => error,
        }
    }
}
