//! Openings that wait for an earlier store to let go.

use layerstore::data_store::{ErrorKind, StoreError};
use layerstore::{Builder, Layerstore};

use super::DEADLINE;

/// Opens a store as soon as nothing holds its directories: one that was dropped lets go of them on threads of its own.
pub(super) async fn open_once_free<F: Future<Output = Builder>>(builder: impl Fn() -> F) -> Layerstore {
    let opening = async {
        loop {
            match builder().await.build().await {
                Ok(store) => return store,
                Err(error) => {
                    let kind = error.store_error().map(StoreError::kind);
                    assert_eq!(kind, Some(ErrorKind::AlreadyOpen), "{error}");
                }
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, opening).await.unwrap()
}
