//! Layer 3 on object storage, packed: many records an object, by [SlateDB](https://slatedb.io), a log-structured merge tree over
//! the services that OpenDAL knows.
//!
//! [`SlateDataStore`] keeps a database a map below one place of a service, so that maps are claimed one by one, as everywhere else.
//! [`SlateKv`] is one such database as a byte store. This crate translates; it knows nothing of records, which the embedded store
//! turns into rows, nor of any one service, which OpenDAL speaks to.

mod commit;
mod convert;
mod driver;
mod errors;
mod ground;
mod kv;
mod layout;
mod looks;
mod maps;
mod names;
mod objects;
mod opening;
mod options;
mod store;
mod view;
mod watch;
mod writes;

pub use kv::SlateKv;
/// How requests are made, and what is known of the service.
pub use layerstore_opendal::{OpendalOptions, ProbeReport, opendal};
pub use options::{
    DEFAULT_CACHE_BYTES, DEFAULT_CLOSE_DEADLINE, DEFAULT_DEADLINE, DEFAULT_POLL_INTERVAL,
    DEFAULT_TABLE_BYTES, DEFAULT_WORKER_THREADS, SlateOptions,
};
pub use store::SlateDataStore;
