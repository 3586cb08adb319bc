//! The HashMap engine against the bare papaya map under it: what do paging, sampling and counting cost?
//!
//! Both hold the same records behind `Arc` under the same keys, with the same hash function, and are asked for the
//! same keys in the same order. The bare map can do less: it neither counts cost nor pages nor samples, so an overwrite of
//! the engine is expected to lose, and a get is expected not to. What is written is a new record each time, made while the
//! clock runs, of a value that is shared.

mod reads;
mod subjects;
mod whole;
mod writes;

use layerstore_benches::{BenchError, Group};

fn main() -> Result<(), BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<(), BenchError> {
    let mut group = Group::new("engine", &["papaya", "foldhash"]);
    let size = if group.is_quick() { 10_000 } else { 1_000_000 };
    group.say(format!(
        "{size} records of five small fields under keys of 20 bytes; zipf with an exponent of 0.99"
    ));
    let subjects = subjects::Subjects::of(size)?;
    reads::measure(&mut group, &subjects).await?;
    whole::measure(&mut group, &subjects).await?;
    writes::measure(&mut group, &subjects).await?;
    drop(subjects);
    whole::grown(&mut group, size).await?;
    group.finish()
}
