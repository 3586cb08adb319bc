use layerstore::Layerstore;

use super::get;
use crate::args::{One, Place};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Form, say};

/// Removes a record.
pub(super) async fn run(store: &Layerstore, place: &Place, form: Form, args: &One) -> Result<Exit, Failure> {
    let key = get::key(&args.key)?;
    let removed = store.records(&args.map)?.remove(&key).await?;
    if removed.value.is_none() {
        return Err(get::not_found(place, args));
    }
    say(&match form {
        Form::Text => format!("removed {:?} from map {:?}", args.key, args.map),
        Form::Json => serde_json::json!({ "map": args.map, "key": args.key, "removed": true }).to_string(),
    })?;
    Ok(Exit::Done)
}
