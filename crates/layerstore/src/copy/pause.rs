use std::time::Duration;

use layerstore_data_store::Pause;
use tokio::time::Instant;

/// Waits by the runtime's timer.
pub(super) struct TimerPause(Instant);

impl TimerPause {
    /// Begins now.
    pub(super) fn begin() -> Self {
        Self(Instant::now())
    }
}

impl Pause for TimerPause {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn pause(&mut self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}
