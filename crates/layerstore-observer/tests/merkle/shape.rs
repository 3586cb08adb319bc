//! Any range has a digest, wherever it begins, and pieces that add up to it.

use std::ops::Bound;

use layerstore_observer::{Digest, KeyRange, LEVELS, LeafHash, MerkleTree};
use layerstore_record::{Key, RecordValue};
use layerstore_testkit::proof;

use crate::samples::{any_key, at, key};

fn any_tree(rng: &mut fastrand::Rng, keys: usize) -> MerkleTree {
    let mut tree = MerkleTree::new();
    for _ in 0..keys {
        let key = any_key(rng);
        if rng.u8(..4) == 0 {
            tree.remove(&key);
        } else {
            let leaf = LeafHash::of(&key, &RecordValue::lww(rng.u64(..), at(1)));
            tree.set(&key, leaf);
        }
    }
    tree
}

fn any_bound(rng: &mut fastrand::Rng) -> Bound<Key> {
    match rng.u8(..5) {
        0 => Bound::Unbounded,
        1 | 2 => Bound::Included(any_key(rng)),
        _ => Bound::Excluded(any_key(rng)),
    }
}

/// The sum of the leaves of a range, added up one by one.
fn added_up(tree: &MerkleTree, range: &KeyRange) -> Digest {
    let within = tree.leaves(&KeyRange::ALL).filter(|(key, _)| range.contains(key));
    within.map(|(_, leaf)| Digest::of(leaf)).sum()
}

#[test]
fn any_range_has_the_digest_of_its_leaves_and_is_cut_into_pieces_that_add_up() {
    let mut rng = fastrand::Rng::with_seed(proof::seed());
    for _ in 0..20 {
        let keys = rng.usize(..4_000);
        let tree = any_tree(&mut rng, keys);
        for _ in 0..20 {
            let range = KeyRange {
                start: any_bound(&mut rng),
                end: any_bound(&mut rng),
            };
            let digest = tree.digest(&range);
            assert_eq!(digest, added_up(&tree, &range), "{range}");
            let limit = rng.usize(2..70);
            let pieces = tree.split(&range, limit).unwrap_or_default();
            assert!(pieces.len() <= limit);
            let by_level = tree.buckets(rng.usize(..=LEVELS), &range);
            for cut in [pieces, by_level].into_iter().filter(|cut| !cut.is_empty()) {
                assert_eq!(cut.iter().map(|piece| piece.digest).sum::<Digest>(), digest);
                for piece in &cut {
                    assert_eq!(piece.digest, added_up(&tree, &piece.range), "{}", piece.range);
                }
            }
        }
    }
}

#[test]
fn a_range_of_few_leaves_is_split_no_further() {
    let mut tree = MerkleTree::new();
    let mut range = KeyRange::ALL;
    for number in 0..5_000 {
        let key = key(&format!("{number:06}"));
        tree.set(&key, LeafHash::of(&key, &RecordValue::lww(number, at(1))));
    }
    let mut cuts = 0;
    while let Some(pieces) = tree.split(&range, 64) {
        assert!(pieces.len() > 1, "{range} was cut into itself");
        range = pieces
            .into_iter()
            .max_by_key(|piece| piece.digest.leaves())
            .unwrap()
            .range;
        cuts += 1;
    }
    assert!(cuts >= 2 && tree.digest(&range).leaves() < 300, "{cuts} cuts");
}
