//! The record store over memory alone against what stands under it: what do order, versions, expiry, statistics and the budget cost?
//!
//! - *Reads*: against the engine's own, of the same records under the same keys. The engine neither looks whether a record has ended nor counts.
//! - *The hot key*: two threads read one record in place, against the same of a bare papaya map.
//! - *Writes*: against a bare papaya map that is given a new record each time, which has no versions, order, budget and statistics.
//!
//! How both compare with what others would use is measured by `benches/peers`.

mod reads;
mod subjects;
mod writes;

use layerstore_benches::{BenchError, Group};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), BenchError> {
    let mut group = Group::new("record-store", &["papaya", "foldhash"]);
    let size = if group.is_quick() { 10_000 } else { 1_000_000 };
    group.say(format!(
        "{size} records of five small fields under keys of 20 bytes, no data store, no observer; zipf with an exponent of 0.99"
    ));
    let subjects = subjects::Subjects::of(size).await?;
    reads::measure(&mut group, &subjects).await?;
    writes::measure(&mut group, &subjects).await?;
    group.finish()
}
