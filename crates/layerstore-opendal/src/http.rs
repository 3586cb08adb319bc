//! The HTTP client that services over a network share.

use layerstore_data_store::{ErrorKind, StoreError};
use opendal::{HttpTransporter, Operator};
use opendal_http_transport_reqwest::ReqwestTransport;
use rustls::crypto::CryptoProvider;

use crate::convert::STORE;

/// Gives an operator a client of its own.
pub(crate) fn with_transport(operator: Operator) -> Result<Operator, StoreError> {
    // The client takes the process-wide provider, and panics where there is none. Who installed one keeps it.
    if CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let client = reqwest::Client::builder().build().map_err(|error| {
        let what = "no HTTP client could be made: are root certificates installed?";
        StoreError::new(ErrorKind::Unavailable, STORE, "open", what).because(error)
    })?;
    let context = operator
        .context()
        .with_http_transport(HttpTransporter::new(ReqwestTransport::new(client)));
    Ok(operator.with_context(context))
}
