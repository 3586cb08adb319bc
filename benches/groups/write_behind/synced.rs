//! A log that is synced before a write is acknowledged, against the syncs of the disk.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use layerstore_benches::{BenchError, Case, Group};
use layerstore_write_behind::{SyncPolicy, WriteBehindDataStore};

use crate::acknowledged::disk;
use crate::work::{open, shares, write};

/// Writes of a round with one writer, each a sync.
const ALONE: u32 = 200;

/// Writers that share syncs.
const WRITERS: u32 = 64;

/// Writes of a round with all of them.
const TOGETHER: u32 = 64 * 100;

/// What the log appends for one write, commit included, rounded.
const APPEND: [u8; 400] = [7; 400];

pub(crate) async fn measure(group: &mut Group) -> Result<(), BenchError> {
    let dir = disk()?;
    let sync = Some(SyncPolicy::Always);
    let ours = open(sync, &dir.path().join("alone")).await?;
    alone(group, &ours, File::create(dir.path().join("bare"))?).await?;
    let ours = open(sync, &dir.path().join("together")).await?;
    together(group, &ours).await
}

async fn alone(group: &mut Group, ours: &Arc<WriteBehindDataStore>, bare: File) -> Result<(), BenchError> {
    let case = Case {
        what: "log at always, 1 writer, against append and fdatasync",
        unit: "writes",
        count: if group.is_quick() { ALONE / 10 } else { ALONE },
        target: 0.8,
    };
    let bare = Arc::new(bare);
    group
        .compare_prepared(
            case,
            (
                async |round| shares(round, case.count, 1),
                async |shares| write(ours, shares, 1).await,
            ),
            (
                async |_| Ok(Arc::clone(&bare)),
                async |bare| tokio::task::spawn_blocking(move || syncs(&bare, case.count)).await?,
            ),
        )
        .await
        .map(drop)
}

fn syncs(mut file: &File, count: u32) -> Result<(), BenchError> {
    for _ in 0..count {
        file.write_all(&APPEND)?;
        file.sync_data()?;
    }
    Ok(())
}

async fn together(group: &mut Group, ours: &Arc<WriteBehindDataStore>) -> Result<(), BenchError> {
    let case = Case {
        what: "log at always, 64 writers, writes a sync",
        unit: "writes",
        count: if group.is_quick() { TOGETHER / 10 } else { TOGETHER },
        target: 30.0,
    };
    group
        .count(case, async |round| {
            let before = syncs_of(ours);
            write(ours, shares(round, case.count, WRITERS)?, 1).await?;
            Ok(u32::try_from(syncs_of(ours) - before)?)
        })
        .await
}

fn syncs_of(store: &WriteBehindDataStore) -> u64 {
    store.status().log.map_or(0, |log| log.syncs)
}
