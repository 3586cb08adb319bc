use layerstore_data_store::StoreError;
use layerstore_record::{Key, MapName};

/// How many refused records a report names for a map; more are counted.
pub(super) const NAMED: usize = 1_000;

/// How far a copy is. What it counts as written is durable.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CopyProgress {
    /// The map that is being copied or compared.
    pub map: MapName,
    /// Records and tombstones of the map that were read from the source in this pass.
    pub read: u64,
    /// Those that this copy has written.
    pub written: u64,
    /// The key up to which the map is in the target.
    pub up_to: Option<Key>,
    /// Whether what was copied is being compared.
    pub is_verifying: bool,
}

/// What a copy did, map by map.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CopyReport {
    /// One report a map, in name order.
    pub maps: Vec<MapCopy>,
}

/// What a copy did to one map.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MapCopy {
    /// The map.
    pub map: MapName,
    /// Records and tombstones that were written to the target.
    pub written: u64,
    /// Those that were there already when this copy began.
    pub unchanged: u64,
    /// Records that the target has in a newer version, which stands.
    pub superseded: u64,
    /// Records that the target has and the source has not: they are left as they are.
    pub extra: u64,
    /// Records that the target refuses for what they are.
    pub refused_count: u64,
    /// The first 1,000 of them.
    pub refused: Vec<RefusedRecord>,
    /// What the source had, when both were read at the end.
    pub source: Side,
    /// What the target had of it, in the same versions.
    pub target: Side,
    /// Records of the source that were not in the target, or older there, or of other content under the same version.
    pub different: u64,
}

/// A record that the target refuses.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RefusedRecord {
    /// Its key.
    pub key: Key,
    /// Why.
    pub error: StoreError,
}

/// What one side of a copy had: what the other has in a newer version left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Side {
    /// Values that had not ended.
    pub records: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// A CRC32C over keys, versions, times, expiry and values, in key order.
    pub checksum: u32,
}

impl CopyReport {
    /// Tells whether everything that the source had is in the target, in the same version or a newer one.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.maps.iter().all(MapCopy::is_complete)
    }
}

impl MapCopy {
    /// Tells whether everything that the source had is in the target, in the same version or a newer one.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.refused_count == 0 && self.different == 0 && self.source == self.target
    }

    pub(super) fn new(map: MapName) -> Self {
        Self {
            map,
            written: 0,
            unchanged: 0,
            superseded: 0,
            extra: 0,
            refused_count: 0,
            refused: Vec::new(),
            source: Side::default(),
            target: Side::default(),
            different: 0,
        }
    }

    pub(super) fn refuse(&mut self, key: Key, error: StoreError) {
        self.refused_count += 1;
        if self.refused.len() < NAMED {
            self.refused.push(RefusedRecord { key, error });
        }
    }
}
