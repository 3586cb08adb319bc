//! Write-behind against what one would write by hand for its main part alone: a mutex around a hash map from key to record, where the newest
//! record of a key stays until somebody takes the map away.
//!
//! - *Acknowledged writes*: nothing leaves the queue while the clock runs; between the rounds both are emptied. The bare queue has no order, no
//!   bound, no versions to judge, no places for readers, conditions, retries and dead letters.
//! - *With a log*: the bare way also encodes the record and appends it to a buffer of 8 KiB in front of a file, under the same mutex; a thread
//!   flushes and syncs every 10 ms. What is in that buffer is lost when the process ends: write-behind acknowledges only what the operating
//!   system has. So both are also measured with 64 writes under way in each task, which write-behind gives to the system together.
//! - *Log at always*: the bare way appends as many bytes to a file, and syncs it, on a thread that does nothing else. With 64 writers nothing is
//!   compared: counted are the log's syncs.
//! - *Sustained*: a round ends when everything is in the store behind. The bare way gives the same store batches of 1,000, as many at a time as
//!   write-behind does.

mod acknowledged;
mod bare;
mod sustained;
mod synced;
mod work;

use layerstore_benches::{BenchError, Group};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), BenchError> {
    let mut group = Group::new("write-behind", &["fjall", "sqlx"]);
    group.say("keys drawn from 1,000,000, two tasks unless said otherwise, no observer and no cache above");
    acknowledged::without_log(&mut group).await?;
    acknowledged::with_log(&mut group).await?;
    synced::measure(&mut group).await?;
    sustained::into_embedded(&mut group).await?;
    sustained::into_postgres(&mut group).await?;
    group.finish()
}
