//! Doubles for whoever tells observers: one that records, one that fails, one that panics.

mod failing;
mod order;
mod recording;

pub use failing::{FailingObserver, PanickingObserver};
pub use order::order_violations;
pub use recording::RecordingObserver;
