//! Two processes have a copy of one map each and write to it without seeing each other; then they meet over TCP, and become equal.
//!
//! `cargo run -p layerstore --features sync --example two_replicas`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod copy;
mod other;
mod tcp;

use std::error::Error;
use std::process::Command;

use copy::{Copy, Side};
use other::Other;
use tcp::{TcpPeer, serve};
use tokio::net::TcpListener;

/// What the other process is told to be.
const OTHER: &str = "other";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() == Some(OTHER) {
        return be_the_other().await;
    }
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(OTHER);
    meet(command).await
}

/// Starts the other process with this command, meets it, and fails unless both are equal afterwards.
pub(crate) async fn meet(command: Command) -> Result<(), Box<dyn Error>> {
    let mut other = Other::start(command)?;
    let copy = Copy::open(Side::One).await?;
    copy.write_apart().await?;
    let peer = TcpPeer::new(other.address()?, copy.replica().map().clone());
    let report = copy.replica().sync(&peer).await?;
    let (exchanged, whole) = (peer.bytes(), copy.bytes_of_all().await?);
    println!(
        "records: {} here, {} sent, {} received",
        report.root.leaves(),
        report.sent,
        report.received
    );
    println!(
        "merged:  {} here, {} there, by {} calls",
        report.merged_here, report.merged_there, report.calls
    );
    println!(
        "bytes:   {exchanged} exchanged; a full copy has {whole}, {} times as many",
        whole / exchanged.max(1)
    );
    drop(peer);
    // Not the trees that were compared: both read all that they hold once more.
    let (ours, theirs) = (copy.fingerprint().await?, other.fingerprint()?);
    println!("equal:   {}", ours == theirs);
    if report.is_equal && ours == theirs {
        Ok(())
    } else {
        Err(format!("the copies differ: {ours} here, {theirs} there").into())
    }
}

/// Is the process that is met: says where it listens, serves one visitor, and says what it holds then.
pub(crate) async fn be_the_other() -> Result<(), Box<dyn Error>> {
    let copy = Copy::open(Side::Other).await?;
    copy.write_apart().await?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    other::say(&listener.local_addr()?);
    serve(&listener, copy.replica()).await?;
    other::say(&copy.fingerprint().await?);
    Ok(())
}
