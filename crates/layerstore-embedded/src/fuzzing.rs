//! What the decoders of this crate must do with any bytes. The fuzz targets call it, and a test that replays their corpus;
//! no other build has it.

use layerstore_data_store::{Floors, ScanRequest};
use layerstore_kv::{Batch, Durability, KvBackend, KvRead, MemoryKv};
use layerstore_record::codec::{FrameFormat, frame};
use layerstore_record::{MapName, Millis, Version};

use crate::keyspaces::{META, map_of, records_of};
use crate::reader::{list_maps, load_all, scan_page};
use crate::verify::verify;
use crate::{meta, row};

/// When records are looked at: some of the corpus have ended by then.
const NOW: Millis = Millis(1_000_000);

/// Rows of one input; more would only make it slow.
const MAX_ROWS: usize = 64;

/// Gives `input` to every decoder, and makes a store of rows out of it, which is read in every way.
///
/// # Panics
/// When what is accepted does not encode to the same bytes again, or when what is called sound cannot be read whole.
pub fn decoders(input: &[u8]) {
    if let Some(map) = map_of(input) {
        assert_eq!(records_of(&map), input);
    }
    let Ok(map) = MapName::new("m") else { return };
    if let Ok(key) = row::key("read", &map, input) {
        assert_eq!(key.as_bytes(), input);
        if let Ok(record) = row::decode("read", &map, &key, input) {
            assert_eq!(row::encode(&record).as_deref(), Ok(input));
        }
    }
    let kv = MemoryKv::new();
    if fill(&kv, &map, input).is_some() {
        read_everything(&kv, &map);
    }
}

/// Writes the rows that `input` stands for.
fn fill(kv: &MemoryKv, map: &MapName, input: &[u8]) -> Option<()> {
    let records = records_of(map);
    let mut batch = Batch::new();
    let mut rest = input;
    for _ in 0..MAX_ROWS {
        let Some((form, key, content, after)) = one(rest) else {
            break;
        };
        // Whole envelopes as they are, and contents in an envelope whose checksums are right.
        let row = match form & 0x3f {
            0 => content.to_vec(),
            kind => frame(FrameFormat::new(kind, 1), content).ok()?,
        };
        match form >> 6 {
            0 | 1 => batch.put(&records, key, row),
            2 => batch.put(META, meta_key(key, map), row),
            _ => batch.put(META, key, row),
        }
        rest = after;
    }
    for keyspace in [META, &records] {
        kv.create_keyspace(keyspace).ok()?;
    }
    let _durable = kv.commit(&batch, Durability::Sync).ok()?;
    Some(())
}

/// A key that the store knows, chosen by the first byte.
fn meta_key(key: &[u8], map: &MapName) -> Vec<u8> {
    match key.first().map_or(0, |byte| byte % 4) {
        0 => meta::FORMAT_KEY.to_vec(),
        1 => meta::epoch_key(map),
        2 => meta::high_water_key(map),
        _ => meta::floors_key(map),
    }
}

type Row<'a> = (u8, &'a [u8], &'a [u8], &'a [u8]);

/// A form, a length and a key, a length of two bytes and a content.
fn one(input: &[u8]) -> Option<Row<'_>> {
    let (form, rest) = input.split_first()?;
    let (len, rest) = rest.split_first()?;
    let (key, rest) = rest.split_at_checked((*len).into())?;
    let (len, rest) = rest.split_first_chunk()?;
    let (content, rest) = rest.split_at_checked(u16::from_le_bytes(*len).into())?;
    Some((*form, key, content, rest))
}

fn read_everything(kv: &MemoryKv, map: &MapName) {
    check_meta(kv, map);
    let report = verify(kv, NOW);
    let page = scan_page(kv, map, &ScanRequest::first(MAX_ROWS).with_tombstones(), NOW);
    let maps = list_maps(kv);
    let sound = report
        .as_ref()
        .ok()
        .filter(|report| report.is_sound())
        .and_then(|report| report.maps.first());
    let Some(sound) = sound else { return };
    // What is sound is read whole, by scan and by key.
    let page = page.map(|page| page.records);
    let found = page.as_ref().map_or(u64::MAX, |records| records.len() as u64);
    assert_eq!(found, sound.live + sound.tombstones);
    assert!(maps.is_ok());
    for (key, record) in page.into_iter().flatten() {
        let loaded = load_all(kv, map, std::slice::from_ref(&key), NOW).ok();
        assert_eq!(loaded.as_deref(), Some(&[Some(record)][..]));
    }
}

/// Each row about the map, where it is accepted, is the one that would be written.
fn check_meta(kv: &MemoryKv, map: &MapName) {
    let is = |key: &[u8], row: Vec<u8>| kv.get(META, key).ok().flatten().is_none_or(|found| found == row);
    if let Ok(Some(format)) = meta::read_format(kv) {
        assert!(is(meta::FORMAT_KEY, meta::format_row(format)));
    }
    if let Ok(epoch) = meta::read_epoch(kv, map) {
        assert!(is(&meta::epoch_key(map), meta::epoch_row(epoch)));
    }
    if let Ok(version) = meta::read_high_water(kv, map) {
        assert!(is(&meta::high_water_key(map), meta::high_water_row(version)));
        assert!(version >= Version::ZERO);
    }
    if let Ok(floors) = meta::read_floors(kv, map) {
        let Floors { cleared, purged } = floors;
        assert!(is(
            &meta::floors_key(map),
            meta::floors_row(Floors { cleared, purged })
        ));
    }
}

#[cfg(test)]
mod tests {
    use layerstore_testkit::proof;

    use super::decoders;

    #[test]
    fn r23_the_corpus_of_the_store_is_harmless() {
        proof::replay("store", |_, input| decoders(input));
    }
}
