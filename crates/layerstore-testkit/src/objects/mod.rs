//! Object storage for tests, through OpenDAL: a service in memory that keeps conditions as S3 does, and faults from a seed.
//!
//! ```
//! use layerstore_testkit::objects::{FaultRates, ObjectFaults, ObjectMemory};
//!
//! # #[tokio::main]
//! # async fn main() -> opendal::Result<()> {
//! let faults = ObjectFaults::seeded(7);
//! let operator = ObjectMemory::new().operator()?.layer(faults.layer());
//! faults.set(FaultRates { throttled: 1_000, ..FaultRates::NONE });
//! assert!(operator.write("a", "x").await.is_err_and(|error| error.is_temporary()));
//! faults.set(FaultRates::NONE);
//! operator.write("a", "x").await?;
//! # Ok(()) }
//! ```

mod faults;
mod faulty;
mod memory;
mod service;
#[expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that finds a loss has to end"
)]
mod survival;

pub use faults::{FaultRates, ObjectFaults};
pub use faulty::FaultyObjects;
pub use memory::{ObjectMemory, Quirk};
pub use survival::{Survival, Survived};
