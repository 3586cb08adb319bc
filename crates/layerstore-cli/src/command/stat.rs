use layerstore::{Layerstore, MapReport};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Form, say, shown};

/// Counts records and bytes, map by map, by reading all of them; with write-behind, shows how that stands.
pub(super) async fn run(store: &Layerstore, form: Form) -> Result<Exit, Failure> {
    let maps = store.verify().await?.maps;
    for map in &maps {
        say(&match form {
            Form::Text => line(map),
            Form::Json => json(map),
        })?;
    }
    if maps.is_empty() && !form.is_json() {
        say("no maps")?;
    }
    #[cfg(feature = "write-behind")]
    super::write_behind::say_status(store, form)?;
    let damaged = maps
        .iter()
        .find(|map| map.corrupt_count > 0 || map.unreadable.is_some());
    match damaged {
        None => Ok(Exit::Done),
        Some(map) => {
            let what = format!(
                "map {:?} cannot be read in whole: the counts are of what can be",
                map.map.as_str()
            );
            Err(Failure::new(Exit::Corrupt, what)
                .advise("run `layerstore verify` to see which records are concerned"))
        }
    }
}

fn line(map: &MapReport) -> String {
    format!(
        "{}\t{} records\t{} bytes\t{} expired\t{} tombstones",
        shown(map.map.as_str()),
        map.live,
        map.bytes,
        map.expired,
        map.tombstones,
    )
}

fn json(map: &MapReport) -> String {
    serde_json::json!({
        "map": map.map.as_str(),
        "records": map.live,
        "bytes": map.bytes,
        "expired": map.expired,
        "tombstones": map.tombstones,
        "corrupt": map.corrupt_count,
    })
    .to_string()
}
