//! `layerstore copy`: the records of one store become those of another.
//!
//! **C6**: what is reported as copied is durable in the target. A copy that was interrupted, or is run again, goes on where it
//! stopped; nothing newer in the target gives way to it. It ends well only if counts and checksums of both stores agree.

mod report;
mod shown;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use layerstore::{Copy, CopyReport, DataStoreConfig, Layerstore, MapName, OpenDataStore, SystemClock};

use crate::args::{self, Place};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::interrupted;
use crate::out::{Form, warn};
use crate::store::Left;
use shown::Shown;

/// How long closing a store may take.
const CLOSE_DEADLINE: Duration = Duration::from_secs(60);

/// Copies. Ctrl-C ends it; what was reported is durable.
pub(crate) async fn run(place: &Place, form: Form, args: args::Copy) -> Result<Exit, Failure> {
    if place.config.is_some() || place.data.is_some() {
        return Err(Failure::usage(
            "copy takes its stores from --from and --to: leave out --config and --data",
        ));
    }
    let maps = args
        .map
        .iter()
        .map(|map| MapName::new(map).map_err(layerstore::Error::from));
    let maps: Vec<MapName> = maps.collect::<Result<_, _>>()?;
    let from = store("--from", &args.from).await?;
    let to = store("--to", &args.to).await?;
    check_source(&from)?;
    check_two(&from, &to)?;
    let clock = Arc::new(SystemClock);
    let source = from
        .open(clock.clone())
        .await
        .map_err(|error| Failure::from(error).during("--from"))?;
    let target = match to.open(clock).await {
        Ok(target) => target,
        Err(error) => {
            let _ = source.close(CLOSE_DEADLINE).await;
            return Err(Failure::from(error).during("--to"));
        }
    };
    let mut shown = Shown::new(args.progress, form);
    let mut copy = Copy::new(Arc::clone(source.store()), Arc::clone(target.store()));
    if args.fence_source {
        copy = copy.fence_source();
    }
    let copied = tokio::select! {
        biased;
        () = interrupted() => None,
        report = async {
            let copy = maps.into_iter().fold(copy, Copy::map);
            copy.run(&mut |progress| shown.durable(progress)).await
        } => Some(report),
    };
    shown.end();
    let closed = close(&source, &target).await;
    let report: CopyReport = match copied {
        Some(report) => report.map_err(|error| stopped(&shown, Failure::from(error)))?,
        None => return Err(stopped(&shown, Failure::new(Exit::Interrupted, "interrupted"))),
    };
    shown.check()?;
    report::say(&report, (&from, &to), form)?;
    closed?;
    report::judge(&report)
}

async fn store(option: &str, argument: &str) -> Result<DataStoreConfig, Failure> {
    let read = DataStoreConfig::of_argument(argument).await;
    read.map_err(|error| Failure::from(error).during(option))
}

/// Opening a directory without a store would make one there.
fn check_source(from: &DataStoreConfig) -> Result<(), Failure> {
    match from
        .directories()
        .into_iter()
        .find(|directory| !Layerstore::is_at(directory))
    {
        Some(missing) => {
            let what = format!("--from: there is no store in {}", missing.display());
            Err(Failure::new(Exit::NotFound, what).advise("name the directory of a store"))
        }
        None => Ok(()),
    }
}

fn check_two(from: &DataStoreConfig, to: &DataStoreConfig) -> Result<(), Failure> {
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let taken: Vec<PathBuf> = from.directories().into_iter().map(whole).collect();
    if to
        .directories()
        .into_iter()
        .map(whole)
        .any(|path| taken.contains(&path))
    {
        return Err(Failure::usage("--from and --to are the same store: name two"));
    }
    Ok(())
}

fn stopped(shown: &Shown, failure: Failure) -> Failure {
    let failure = failure.during(&format!(
        "copied {} records, all of them durable",
        shown.written()
    ));
    failure
        .advise("run the same command again to go on: nothing is copied twice, and nothing newer is replaced")
}

async fn close(source: &OpenDataStore, target: &OpenDataStore) -> Result<(), Failure> {
    for (name, store) in [("--to", target), ("--from", source)] {
        let report = store.close(CLOSE_DEADLINE).await;
        if let Some(left) = Left::of(store, &report) {
            if left.pending > 0 {
                let pending = left.pending;
                warn(&format!(
                    "{name}: {pending} records are pending: acknowledged, in its log, and not in its data store yet"
                ));
            }
            continue;
        }
        if let Some(error) = report.error {
            return Err(Failure::from(error).during(&format!("closing {name}")));
        }
        if !report.pending.is_empty() {
            let what = format!(
                "{name} did not close cleanly: {} records are pending",
                report.pending.len()
            );
            return Err(Failure::new(Exit::Failed, what));
        }
    }
    Ok(())
}
