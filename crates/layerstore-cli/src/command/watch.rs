//! `layerstore watch`: changes come in on standard input, and every change of the map goes out as it happens.

mod change;
mod input;
mod shown;

use std::sync::Arc;

use layerstore::observer::{ChangeFeed, FeedStart, Subscription, Topic};
use layerstore::{Layerstore, Records};
use tokio::sync::mpsc::Receiver;

use crate::args::{Place, Watch};
use crate::command::map_name;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::interrupted;
use crate::out::{Form, say, warn};
use crate::store::{self, Missing};
use change::Change;
use input::Line;

/// Watches a map until standard input ends, or Ctrl-C; everything that was shown is in the store then.
pub(super) async fn run(place: &Place, form: Form, args: Watch) -> Result<Exit, Failure> {
    map_name(&args.map)?;
    let store = place.open(Missing::Refuse).await?;
    let watched = tokio::select! {
        biased;
        () = interrupted() => Err(Failure::new(Exit::Interrupted, "interrupted")),
        watched = watch(&store, form, &args) => watched,
    };
    let was_interrupted = matches!(&watched, Err(failure) if failure.exit == Exit::Interrupted);
    let closed = match was_interrupted {
        true => store::close_soon(&store).await,
        false => store::close(&store).await,
    };
    if let Ok(left) = &closed
        && let Some(left) = left.shown(&place.command())
    {
        warn(&left);
    }
    let exit = watched?;
    closed?;
    Ok(exit)
}

async fn watch(store: &Layerstore, form: Form, args: &Watch) -> Result<Exit, Failure> {
    let records = store.records(&args.map)?;
    let mut changes = subscribe(&records, &args.prefix)?;
    let mut lines = input::lines();
    let mut rejected = 0_u64;
    while let Some(line) = next(&mut changes, &mut lines, form).await? {
        rejected += u64::from(!apply(&records, line).await?);
    }
    show_all(&mut changes, form)?;
    if args.follow {
        while let Some(item) = changes.next().await {
            say(&shown::item(&item, form))?;
        }
    }
    if rejected > 0 {
        return Err(Failure::new(
            Exit::Partial,
            format!("{rejected} lines were no changes"),
        ));
    }
    Ok(Exit::Done)
}

fn subscribe(records: &Records, prefix: &str) -> Result<Subscription, Failure> {
    let failed = |error: &dyn std::error::Error| Failure::new(Exit::Failed, error.to_string());
    let feed = ChangeFeed::builder("watch")
        .build()
        .map_err(|error| failed(&error))?;
    let feed = Arc::new(feed);
    let changes = feed.subscribe(FeedStart::Now, Topic::everything().key_prefix(prefix));
    records.add_observer(feed)?;
    changes.map_err(|error| failed(&error))
}

/// Shows changes until there is a line to apply; `None` at the end of the input. What a line changed is shown before the next is read.
async fn next(
    changes: &mut Subscription,
    lines: &mut Receiver<Line>,
    form: Form,
) -> Result<Option<Line>, Failure> {
    loop {
        tokio::select! {
            biased;
            Some(item) = changes.next() => say(&shown::item(&item, form))?,
            line = lines.recv() => return Ok(line),
        }
    }
}

fn show_all(changes: &mut Subscription, form: Form) -> Result<(), Failure> {
    while let Ok(Some(item)) = changes.try_next() {
        say(&shown::item(&item, form))?;
    }
    Ok(())
}

/// Makes the change that a line says; tells whether it says one.
async fn apply(records: &Records, line: Line) -> Result<bool, Failure> {
    let (number, text) = match line {
        Line::Text(number, text) => (number, text),
        Line::Failed(failure) => return Err(failure),
    };
    match text.and_then(|text| Change::read(&text)) {
        Ok(change) => {
            change.make(records).await?;
            Ok(true)
        }
        Err(reason) => {
            warn(&format!("line {number}: {reason}"));
            Ok(false)
        }
    }
}
