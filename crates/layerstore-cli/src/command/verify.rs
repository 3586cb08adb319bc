use layerstore::{Layerstore, MapReport, VerifyReport};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Form, say, shown};

/// Reads everything and checks every checksum; damage is named by map and key. Of a tiered store its tiers are read after it, each by itself.
pub(super) async fn run(store: &Layerstore, form: Form) -> Result<Exit, Failure> {
    let whole = store.verify().await?;
    let mut damaged = say_reports(&whole, None, form)?;
    for (name, tier) in store.open_data_store().tiers() {
        damaged += say_reports(&tier.verify().await?, Some(name), form)?;
    }
    #[cfg(feature = "write-behind")]
    super::write_behind::say_pending(store, form)?;
    let records: u64 = whole.maps.iter().map(|map| map.live).sum();
    if damaged > 0 {
        let what = format!("{damaged} records or maps are corrupt, as listed; {records} records are sound");
        let failure = Failure::new(Exit::Corrupt, what);
        return Err(failure.advise(
            "keep a copy of the directory, then restore these records or remove them with `layerstore rm`",
        ));
    }
    if !form.is_json() {
        say(&format!("all {records} records are sound"))?;
    }
    Ok(Exit::Done)
}

/// Says what was found in each map, of one tier or of the whole; returns how much of it is damaged.
fn say_reports(report: &VerifyReport, tier: Option<&str>, form: Form) -> Result<u64, Failure> {
    let mut damaged = 0;
    for map in &report.maps {
        damaged += map.corrupt_count + u64::from(map.unreadable.is_some());
        say(&match form {
            Form::Text => text(map, tier),
            Form::Json => json(map, tier),
        })?;
    }
    Ok(damaged)
}

fn text(map: &MapReport, tier: Option<&str>) -> String {
    let name = shown(map.map.as_str());
    let tier = tier.map_or_else(String::new, |tier| format!("{tier}: "));
    let mut text = format!(
        "{tier}{name}: {} records, {} expired, {} tombstones, {} corrupt",
        map.live, map.expired, map.tombstones, map.corrupt_count
    );
    for record in &map.corrupt {
        text.push_str(&format!(
            "\n  corrupt: map {name}, key {}: {}",
            shown(&record.key),
            record.error
        ));
    }
    let listed = u64::try_from(map.corrupt.len()).unwrap_or(u64::MAX);
    if map.corrupt_count > listed {
        text.push_str(&format!("\n  and {} more", map.corrupt_count - listed));
    }
    if let Some(error) = &map.unreadable {
        text.push_str(&format!("\n  unreadable from there on: map {name}: {error}"));
    }
    text
}

fn json(map: &MapReport, tier: Option<&str>) -> String {
    let corrupt = map
        .corrupt
        .iter()
        .map(|record| serde_json::json!({ "key": record.key, "error": record.error.to_string() }));
    let mut said = serde_json::json!({
        "map": map.map.as_str(),
        "records": map.live,
        "expired": map.expired,
        "tombstones": map.tombstones,
        "corrupt_count": map.corrupt_count,
        "corrupt": corrupt.collect::<Vec<_>>(),
        "unreadable": map.unreadable.as_ref().map(ToString::to_string),
    });
    if let Some(tier) = tier {
        said["tier"] = tier.into();
    }
    said.to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use layerstore::embedded::kv::{Batch, Durability, KvBackend, KvRead, MemoryKv};
    use layerstore::embedded::{EmbeddedOptions, KvDataStore};

    use super::*;

    #[tokio::test]
    async fn a_corrupt_record_is_named_by_map_and_key() {
        let kv = Arc::new(MemoryKv::new());
        let below = KvDataStore::over(kv.clone(), EmbeddedOptions::default()).unwrap();
        let store = Layerstore::builder()
            .embedded_store(Arc::new(below))
            .build()
            .await
            .unwrap();
        let map = store.map::<u64>("m").unwrap();
        for key in ["sound", "broken\n"] {
            map.set(key, &1).await.unwrap();
        }
        // Behind the store's back, as a disk would.
        let name = kv
            .keyspaces()
            .unwrap()
            .into_iter()
            .find(|name| kv.get(name, b"broken\n").is_ok_and(|row| row.is_some()));
        let name = name.unwrap();
        let mut row = kv.get(&name, b"broken\n").unwrap().unwrap();
        *row.last_mut().unwrap() ^= 1;
        let mut batch = Batch::new();
        batch.put(&name, b"broken\n", row);
        assert!(kv.commit(&batch, Durability::Sync).is_ok());

        let maps = store.verify().await.unwrap().maps;
        let text = text(&maps[0], None);
        assert!(
            text.starts_with("m: 1 records, 0 expired, 0 tombstones, 1 corrupt\n"),
            "{text}"
        );
        assert!(text.contains("corrupt: map m, key broken\\n: "), "{text}");
        assert_eq!(run(&store, Form::Json).await.unwrap_err().exit, Exit::Corrupt);
        assert_eq!(
            super::super::stat::run(&store, Form::Text)
                .await
                .unwrap_err()
                .exit,
            Exit::Corrupt
        );
        assert!(store.close(Duration::from_secs(5)).await.is_complete());
    }
}
