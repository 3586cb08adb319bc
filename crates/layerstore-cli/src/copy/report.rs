use layerstore::{CopyReport, DataStoreConfig, MapCopy};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{self, Form, shown};

/// Refused records that are named for a map on the terminal; `--json` names up to 1,000.
const NAMED: usize = 20;

/// Says what was copied, map by map.
pub(super) fn say(
    report: &CopyReport,
    (from, to): (&DataStoreConfig, &DataStoreConfig),
    form: Form,
) -> Result<(), Failure> {
    for map in &report.maps {
        out::say(&match form {
            Form::Text => text(map),
            Form::Json => json(map),
        })?;
    }
    if !form.is_json() {
        let written: u64 = report.maps.iter().map(|map| map.written).sum();
        out::say(&format!("copied {written} records from {from} to {to}"))?;
    }
    Ok(())
}

/// Decides how the command ends.
pub(super) fn judge(report: &CopyReport) -> Result<Exit, Failure> {
    if report.is_complete() {
        return Ok(Exit::Done);
    }
    let refused: u64 = report.maps.iter().map(|map| map.refused_count).sum();
    let different: u64 = report.maps.iter().map(|map| map.different).sum();
    if refused > 0 {
        let what = format!("{refused} records were refused by the target, as listed; the others are there");
        return Err(Failure::new(Exit::Partial, what)
            .advise("make room for them in the target's limits, or take another"));
    }
    let what = format!(
        "{different} records differ at the end: the source was written to meanwhile, or a store does not keep what it is given"
    );
    Err(Failure::new(Exit::Partial, what)
        .advise("end who writes to the source, or use --fence-source, and run the same command again"))
}

fn text(map: &MapCopy) -> String {
    let mut text = format!(
        "map {}: {} written, {} there already, {} newer in the target, {} only there\n  source {} records, {} tombstones, checksum {:08x}\n  target {} records, {} tombstones, checksum {:08x}",
        shown(map.map.as_str()),
        map.written,
        map.unchanged,
        map.superseded,
        map.extra,
        map.source.records,
        map.source.tombstones,
        map.source.checksum,
        map.target.records,
        map.target.tombstones,
        map.target.checksum,
    );
    for refused in map.refused.iter().take(NAMED) {
        text.push_str(&format!(
            "\n  refused: key {}: {}",
            shown(refused.key.as_str()),
            refused.error
        ));
    }
    let listed = u64::try_from(map.refused.len().min(NAMED)).unwrap_or(u64::MAX);
    if map.refused_count > listed {
        text.push_str(&format!("\n  and {} more", map.refused_count - listed));
    }
    text
}

fn json(map: &MapCopy) -> String {
    let side = |side: &layerstore::Side| {
        serde_json::json!({
            "records": side.records,
            "tombstones": side.tombstones,
            "checksum": format!("{:08x}", side.checksum),
        })
    };
    let refused = map.refused.iter().map(
        |refused| serde_json::json!({ "key": refused.key.as_str(), "error": refused.error.to_string() }),
    );
    serde_json::json!({
        "map": map.map.as_str(),
        "written": map.written,
        "unchanged": map.unchanged,
        "superseded": map.superseded,
        "extra": map.extra,
        "refused_count": map.refused_count,
        "refused": refused.collect::<Vec<_>>(),
        "different": map.different,
        "source": side(&map.source),
        "target": side(&map.target),
        "complete": map.is_complete(),
    })
    .to_string()
}
