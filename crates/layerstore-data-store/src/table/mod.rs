//! A data store over any table of a database with transactions: the contract here, the statements elsewhere.

mod batch;
mod call;
mod columns;
mod fault;
mod page;
mod record_table;
mod store;
mod turn;

pub use columns::{InvalidColumns, RecordColumns, WriterColumns};
pub use fault::TableFault;
pub use page::{KeyRange, MAX_PAGE_RECORDS};
pub use record_table::{ListMaps, RecordTable};
pub use store::{DEFAULT_CALL_TIMEOUT, TableDataStore};
