//! What a covered key costs, counted by the allocator.

use allocation_counter::measure;
use layerstore_observer::{LeafHash, MerkleTree};
use layerstore_record::{Key, RecordValue};

use crate::samples::{at, key, observer, tell_of};

const KEYS: u64 = 100_000;
/// What the docs of `MerkleObserver` state.
const STATED: i64 = 96;
const STATED_OF_A_REMOVAL: i64 = 180;

fn bytes_a_key(keys: &[Key]) -> i64 {
    let leaf = LeafHash::of(&keys[0], &RecordValue::lww(1_u64, at(1)));
    let mut tree = MerkleTree::new();
    let info = measure(|| {
        for key in keys {
            tree.set(key, leaf);
        }
    });
    assert_eq!(tree.root().leaves(), KEYS);
    info.bytes_current / i64::try_from(KEYS).unwrap()
}

#[test]
fn a_covered_key_costs_what_is_stated() {
    let mut keys: Vec<Key> = (0..KEYS)
        .map(|number| key(&format!("user:{number:014}")))
        .collect();
    let in_order = bytes_a_key(&keys);
    fastrand::Rng::with_seed(7).shuffle(&mut keys);
    let at_random = bytes_a_key(&keys);
    println!("{in_order} bytes a key in order, {at_random} at random");
    assert!(
        in_order <= STATED && at_random <= STATED,
        "{in_order} in order, {at_random} at random"
    );
    assert!(in_order * 2 > STATED, "the stated figure is far above {in_order}");
}

#[test]
fn a_covered_removal_costs_what_is_stated() {
    let keys: Vec<Key> = (0..KEYS)
        .map(|number| key(&format!("user:{number:014}")))
        .collect();
    let observer = observer();
    let info = measure(|| {
        for (key, number) in keys.iter().zip(1..) {
            tell_of(
                &observer,
                key,
                &RecordValue::Tombstone {
                    timestamp: at(number),
                },
                number,
            );
        }
    });
    let bytes = info.bytes_current / i64::try_from(KEYS).unwrap();
    println!("{bytes} bytes a removal, its leaf included");
    assert!(bytes <= STATED + STATED_OF_A_REMOVAL, "{bytes}");
    observer.raise_cutoff(at(KEYS));
    assert_eq!((observer.removals(), observer.root().unwrap().leaves()), (0, 0));
}

#[test]
fn a_write_over_a_covered_key_allocates_nothing_that_stays() {
    let mut tree = MerkleTree::new();
    let key = key("user:1");
    let leaves = [1_u64, 2].map(|number| LeafHash::of(&key, &RecordValue::lww(number, at(1))));
    tree.set(&key, leaves[0]);
    let info = measure(|| {
        tree.set(&key, leaves[1]);
    });
    assert_eq!(info.count_total, 0);
}
