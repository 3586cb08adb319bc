//! R8: whatever damage, a log gives what was appended or says what is wrong.

use fastrand::Rng;
use layerstore_testkit::disk::{Restart, SECTOR, SimulatedDisk};
use layerstore_testkit::proof;
use layerstore_write_behind::{LogError, Sequence, SyncPolicy};

use crate::support::{NOW, contents, encoded, is_of, open, options};

const ENTRIES: u64 = 60;

#[test]
fn r8_damage_of_any_shape_never_gives_a_wrong_value_or_loses_synced_entries_silently() {
    let seed = proof::seed();
    let cases = proof::scaled(100_000);
    let whole = filled(42);
    let other = filled(43);
    let (mut corrupt, mut cut, mut harmless) = (0, 0, 0);
    for case in 0..cases {
        let mut rng = Rng::with_seed(seed.wrapping_add(case));
        let disk = match rng.bool() {
            true => whole.after(Restart::Keep, 0),
            false => whole.after(Restart::Drop, 0),
        };
        let what = damage(&disk, &other, &mut rng);
        let at = format!("seed {seed}, case {case}: {what}");
        match open(&disk, options(SyncPolicy::Always)) {
            Err(LogError::Corrupt { .. }) => corrupt += 1,
            Err(error) => panic!("{at}: {error}"),
            Ok((mut log, recovered)) => {
                let found = contents(&mut log);
                for entry in &found {
                    assert!(is_of(entry, entry.sequence.0, size(entry.sequence.0)), "{at}");
                }
                let expected: Vec<u64> = (21..=found.last().map_or(20, |last| last.sequence.0)).collect();
                let sequences: Vec<u64> = found.iter().map(|entry| entry.sequence.0).collect();
                assert_eq!(sequences, expected, "{at}");
                match recovered.tail_cut {
                    Some(_) => cut += 1,
                    None => {
                        assert_eq!(
                            sequences.last(),
                            Some(&ENTRIES),
                            "{at}: the end is missing without a word"
                        );
                        harmless += 1;
                    }
                }
            }
        }
    }
    proof::report(
        "R8",
        &[
            ("cases", cases),
            ("corrupt", corrupt),
            ("tail_cuts", cut),
            ("harmless", harmless),
            ("seed", seed),
            ("violations", 0),
        ],
    );
}

fn size(number: u64) -> usize {
    usize::try_from(number * 37 % 500).unwrap()
}

/// A log of several segments, the first entries done, not closed.
fn filled(identity: u64) -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let (mut log, _) = open(&disk, options(SyncPolicy::Always).identity(identity)).unwrap();
    for number in (1..=ENTRIES).step_by(3) {
        let group: Vec<_> = (number..number + 3)
            .map(|number| encoded(number, size(number)))
            .collect();
        log.append(&group, NOW).unwrap();
        if number == 40 {
            log.done(&(1..=20).map(Sequence).collect::<Vec<_>>()).unwrap();
        }
    }
    disk
}

/// Damages a segment, and says how.
fn damage(disk: &SimulatedDisk, other: &SimulatedDisk, rng: &mut Rng) -> String {
    let segments: Vec<String> = disk
        .names()
        .into_iter()
        .filter(|name| name.ends_with(".segment"))
        .collect();
    let name = segments[rng.usize(0..segments.len())].clone();
    let mut bytes = disk.contents(&name).unwrap();
    let len = bytes.len();
    let what = match rng.u8(0..6) {
        0 => {
            for _ in 0..2 {
                let at = rng.usize(0..len);
                bytes[at] ^= rng.u8(1..=255);
            }
            "two bytes"
        }
        1 => {
            let at = rng.usize(0..len) / SECTOR * SECTOR;
            let end = (at + SECTOR).min(len);
            // A sector of zeros is found at the latest where it ends.
            bytes[at..end].fill(0);
            "a zeroed sector"
        }
        2 => {
            let sectors = len / SECTOR;
            if sectors > 1 {
                let (from, to) = (rng.usize(0..sectors), rng.usize(0..sectors));
                let sector = bytes[from * SECTOR..][..SECTOR].to_vec();
                bytes[to * SECTOR..][..SECTOR].copy_from_slice(&sector);
            }
            "a misplaced sector"
        }
        3 => {
            let with = segments[rng.usize(0..segments.len())].clone();
            let from = if rng.bool() { disk } else { other };
            let swapped = from.contents(&with).unwrap_or_default();
            if from.contents(&with).is_some() {
                bytes = swapped;
            }
            "another segment"
        }
        4 => {
            let (from, frames) = frames(&bytes, rng);
            let frame = bytes[from..frames].to_vec();
            let at = if rng.bool() { frames } else { from };
            bytes.splice(at..at, frame);
            "a doubled frame"
        }
        _ => {
            let (from, to) = frames(&bytes, rng);
            bytes.drain(from..to);
            "a lost frame"
        }
    };
    disk.damage(&name, bytes);
    format!("{what} in {name}")
}

/// Where a frame begins and ends, of one that is chosen.
fn frames(bytes: &[u8], rng: &mut Rng) -> (usize, usize) {
    let mut found = Vec::new();
    let mut at = 56;
    while at + 48 <= bytes.len() {
        let len = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap());
        let end = at + 48 + len as usize;
        found.push((at, end.min(bytes.len())));
        at = end;
    }
    if found.is_empty() {
        (56, 56)
    } else {
        found[rng.usize(0..found.len())]
    }
}
