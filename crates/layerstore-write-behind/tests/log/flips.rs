//! R7: no flipped bit of a segment or the sidecar changes what a log gives without a word.

use layerstore_testkit::disk::{Restart, SimulatedDisk};
use layerstore_testkit::proof;
use layerstore_write_behind::{LogError, SyncPolicy};

use crate::cuts::Full;

const SEGMENT: &str = "00000000000000000001.segment";
const SIDECAR: &str = "sidecar";

#[test]
fn r7_a_flipped_bit_of_a_segment_is_found_or_cut_off_with_the_last_group() {
    let full = Full::of_64_kib(SyncPolicy::Always);
    let segment = full.segment();
    let bits = segment.len() as u64 * 8;
    let cases = proof::scaled(bits);
    // A share of the bits, evenly; all of them in the full run.
    let step = bits.div_ceil(cases);
    let last_group = full.groups[full.groups.len() - 2].0;
    let (power, kill) = (
        full.disk.after(Restart::Drop, 0),
        full.disk.after(Restart::Keep, 0),
    );
    let (mut flips, mut corrupt, mut cut) = (0, 0, 0);
    let mut bit = proof::seed() % step;
    while bit < bits {
        let at = usize::try_from(bit / 8).unwrap();
        for (disk, knows_the_end) in [(&power, false), (&kill, true)] {
            let disk = flipped(disk, SEGMENT, &segment, bit);
            match full.read(&disk) {
                Err(LogError::Corrupt {
                    segment: 1, offset, ..
                }) => {
                    // What is named lies before the damage or holds it, as a frame or header does.
                    assert!(offset as usize <= at, "{bit}: {offset}");
                    corrupt += 1;
                }
                Ok((entries, bytes)) => {
                    assert!(!knows_the_end && at >= last_group, "bit {bit} changed nothing");
                    assert_eq!(entries, full.groups[full.groups.len() - 2].1);
                    assert_eq!(bytes as usize, segment.len() - last_group);
                    cut += 1;
                }
                Err(error) => panic!("bit {bit}: {error}"),
            }
            flips += 1;
        }
        bit += step;
    }
    proof::report(
        "R7",
        &[
            ("flips", flips),
            ("corrupt", corrupt),
            ("tail_cuts", cut),
            ("violations", 0),
        ],
    );
}

#[test]
fn r7_a_flipped_bit_of_the_sidecar_is_found_or_harmless() {
    let full = Full::of(SyncPolicy::Always, 4 << 10);
    let (mut flips, mut refused) = (0, 0);
    for disk in [
        full.disk.after(Restart::Drop, 0),
        full.disk.after(Restart::Keep, 0),
    ] {
        let sidecar = disk.contents(SIDECAR).unwrap();
        for bit in 0..sidecar.len() as u64 * 8 {
            let disk = flipped(&disk, SIDECAR, &sidecar, bit);
            match full.read(&disk) {
                Ok(found) => assert_eq!(found, (full.sizes.len(), 0), "{bit}"),
                Err(LogError::Corrupt { .. } | LogError::UnknownFormat { .. }) => refused += 1,
                Err(error) => panic!("bit {bit}: {error}"),
            }
            flips += 1;
        }
        // Both slots: nothing is left that says what is needed.
        let mut both = sidecar.clone();
        both[20] ^= 1;
        both[4096 + 20] ^= 1;
        disk.damage(SIDECAR, both);
        assert!(matches!(
            full.read(&disk),
            Err(LogError::Corrupt { segment: 0, .. })
        ));
    }
    proof::report("R7", &[("flips", flips), ("refused", refused), ("violations", 0)]);
}

fn flipped(disk: &SimulatedDisk, name: &str, contents: &[u8], bit: u64) -> SimulatedDisk {
    let mut contents = contents.to_vec();
    contents[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
    let disk = disk.fork();
    disk.damage(name, contents);
    disk
}
