use layerstore::{Key, Layerstore};

use crate::args::{One, Place};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Form, quoted, say};
use crate::record_json;

/// Shows the value of a record.
pub(super) async fn run(store: &Layerstore, place: &Place, form: Form, args: &One) -> Result<Exit, Failure> {
    let key = key(&args.key)?;
    match store.records(&args.map)?.get(&key).await? {
        Some(record) if form.is_json() => say(&record_json::whole(&key, &record))?,
        Some(record) => say(&record_json::value(&record))?,
        None => return Err(not_found(place, args)),
    }
    Ok(Exit::Done)
}

/// Makes a key of an argument.
pub(super) fn key(text: &str) -> Result<Key, Failure> {
    Key::new(text).map_err(|error| Failure::usage(error.to_string()))
}

/// Says that there is no such record.
pub(super) fn not_found(place: &Place, args: &One) -> Failure {
    let failure = Failure::new(
        Exit::NotFound,
        format!("there is no record {:?} in map {:?}", args.key, args.map),
    );
    failure.advise(format!(
        "look at the keys with `{} scan --map {}`",
        place.command(),
        quoted(&args.map)
    ))
}
