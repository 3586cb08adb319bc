//! How many writes a second are acknowledged, with nothing that leaves the queue meanwhile.

use std::sync::Arc;
use std::time::Duration;

use layerstore_benches::{BenchError, Case, Group};
use layerstore_data_store::MapDataStore;
use layerstore_write_behind::{SyncPolicy, WriteBehindDataStore};
use tempfile::TempDir;

use crate::bare::BareQueue;
use crate::work::{TASKS, open, shares, write};

/// Writes of a round.
const WRITES: u32 = 200_000;

/// Where a hand-over of each write would take seconds.
const FEW_WRITES: u32 = 40_000;

/// Writes under way in each task, as of a server with many callers.
const MANY: usize = 64;

/// At most so long is lost with the power.
const INTERVAL: Duration = Duration::from_millis(10);

pub(crate) async fn without_log(group: &mut Group) -> Result<(), BenchError> {
    let dir = tempfile::tempdir()?;
    let ours = open(None, dir.path()).await?;
    let bare = Arc::new(BareQueue::new(None));
    let case = case(group, "acknowledged, no log", WRITES);
    compare(group, case, (&ours, 1), &bare).await
}

pub(crate) async fn with_log(group: &mut Group) -> Result<(), BenchError> {
    let dir = disk()?;
    let sync = Some(SyncPolicy::Interval(INTERVAL));
    let (bare, _syncing) = BareQueue::with_file(&dir.path().join("bare"))?;
    let one = case(
        group,
        "acknowledged, log synced every 10 ms, one under way a task",
        FEW_WRITES,
    );
    let ours = open(sync, &dir.path().join("one")).await?;
    compare(group, one, (&ours, 1), &bare).await?;
    let many = case(
        group,
        "acknowledged, log synced every 10 ms, 64 under way a task",
        WRITES,
    );
    let ours = open(sync, &dir.path().join("many")).await?;
    compare(group, many, (&ours, MANY), &bare).await
}

/// A folder on the disk that the workspace is on, not in memory.
pub(crate) fn disk() -> Result<TempDir, BenchError> {
    Ok(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}

fn case(group: &Group, what: &'static str, count: u32) -> Case {
    Case {
        what,
        unit: "writes",
        count: if group.is_quick() { count / 20 } else { count },
        target: 0.5,
    }
}

async fn compare(
    group: &mut Group,
    case: Case,
    (ours, under_way): (&Arc<WriteBehindDataStore>, usize),
    bare: &Arc<BareQueue>,
) -> Result<(), BenchError> {
    let prepare_ours = async |round| {
        ours.hard_flush().await?;
        shares(round, case.count, TASKS)
    };
    let prepare_bare = async |round| {
        bare.empty();
        shares(round, case.count, TASKS)
    };
    group
        .compare_prepared(
            case,
            (prepare_ours, async |shares| write(ours, shares, under_way).await),
            (prepare_bare, async |shares| bare.write(shares).await),
        )
        .await
        .map(drop)
}
