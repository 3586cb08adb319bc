//! The commands, one a file; `import` has a folder of its own.

mod check;
#[cfg(feature = "write-behind")]
mod dead_letters;
mod export;
mod get;
#[cfg(feature = "write-behind")]
mod log;
mod put;
mod rm;
mod scan;
mod stat;
mod verify;
mod watch;
#[cfg(feature = "write-behind")]
mod write_behind;

use layerstore::{Error, Layerstore, MapName};

use crate::args::{Command, Place};
use crate::copy;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::import;
use crate::interrupt::interrupted;
use crate::out::{Form, warn};
use crate::store::{self, Missing};

/// Does what the command line says.
pub(crate) async fn run(place: &Place, form: Form, command: Command) -> Result<Exit, Failure> {
    match command {
        // An import ends by itself on Ctrl-C, with a report of what is durable.
        Command::Import(args) => import::run(place, form, args).await,
        // So does a watch, once everything is shown.
        Command::Watch(args) => watch::run(place, form, args).await,
        // So does a copy.
        Command::Copy(args) => copy::run(place, form, args).await,
        // It needs no store.
        #[cfg(feature = "write-behind")]
        Command::Log(args) => log::run(place, form, args).await,
        other => tokio::select! {
            biased;
            () = interrupted() => Err(Failure::new(Exit::Interrupted, "interrupted")),
            done = one(place, form, other) => done,
        },
    }
}

async fn one(place: &Place, form: Form, command: Command) -> Result<Exit, Failure> {
    // Before a store is looked for: a command line that cannot be must not leave an empty one behind.
    check(&command)?;
    let missing = if matches!(command, Command::Put(_)) {
        Missing::Create
    } else {
        Missing::Refuse
    };
    let store = place.open(missing).await?;
    let done = with(&store, place, form, command).await;
    let closed = store::close(&store).await;
    if let Ok(left) = &closed
        && let Some(left) = left.shown(&place.command())
    {
        warn(&left);
    }
    let exit = done?;
    closed?;
    Ok(exit)
}

/// Refuses maps, keys and values that cannot be.
fn check(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Import(args) => map_name(&args.map),
        Command::Export(args) => map_name(&args.map),
        Command::Scan(args) => map_name(&args.map),
        Command::Watch(args) => map_name(&args.map),
        Command::Get(args) | Command::Rm(args) => {
            map_name(&args.map)?;
            get::key(&args.key).map(drop)
        }
        Command::Put(args) => {
            map_name(&args.map)?;
            put::record(args).map(drop)
        }
        #[cfg(feature = "write-behind")]
        Command::DeadLetters(args) => dead_letters::check(args),
        #[cfg(feature = "write-behind")]
        Command::Log(_) => Ok(()),
        Command::Stat | Command::Check | Command::Verify | Command::Copy(_) => Ok(()),
    }
}

/// Refuses the name of a map that cannot be.
pub(crate) fn map_name(text: &str) -> Result<(), Failure> {
    let name = MapName::new(text).map_err(Error::from);
    name.map(drop).map_err(Failure::from)
}

async fn with(store: &Layerstore, place: &Place, form: Form, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Import(_) | Command::Copy(_) | Command::Watch(_) => Ok(Exit::Done),
        #[cfg(feature = "write-behind")]
        Command::Log(_) => Ok(Exit::Done),
        #[cfg(feature = "write-behind")]
        Command::DeadLetters(args) => dead_letters::run(store, place, form, &args).await,
        Command::Export(args) => export::run(store, form, args).await,
        Command::Get(args) => get::run(store, place, form, &args).await,
        Command::Put(args) => put::run(store, form, &args).await,
        Command::Rm(args) => rm::run(store, place, form, &args).await,
        Command::Scan(args) => scan::run(store, form, &args).await,
        Command::Stat => stat::run(store, form).await,
        Command::Check => check::run(store, place, form).await,
        Command::Verify => verify::run(store, form).await,
    }
}
