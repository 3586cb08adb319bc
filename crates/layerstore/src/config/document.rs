//! The configuration file, table by table.

use std::collections::BTreeMap;
use std::fmt;

use layerstore_record_store as records;

use super::section::section;
use super::setting::{Kind, OrNone, Setting, Span};
use super::size::Size;
use crate::data_store_kind::DataStoreKind;
use crate::settings::{self, Eviction, OnExpiry};

section! {
    /// What stands at the top of the file, before any table.
    struct Document {
        /// The version of this file's format: 1. Required.
        format: u64 = "required",
        /// Tells this process's clock from others': 1 to 16 hexadecimal digits, different in every process that may
        /// ever write the same records.
        node_id: String = "64 random bits at every start",
    }
    tables {
        /// Where records are kept: taken out before, since what it may hold depends on its kind.
        data_store: Setting<toml::Table>,
        /// Memory that maps share.
        memory: MemorySection,
        /// Work in the background.
        maintenance: MaintenanceSection,
        /// Maps by name, and `default`.
        map: BTreeMap<String, MapSection>,
        /// Write-behind: taken out before, so that an empty table is told from none.
        write_behind: Setting<toml::Table>,
    }
}

section! {
    /// Where records are kept when the process does not. What else stands here depends on the kind.
    struct DataStoreSection {
        /// The kind of store.
        kind: DataStoreKind = DataStoreKind::Embedded,
    }
}

section! {
    /// Memory that maps without a limit of their own share. At most one of the two.
    struct MemorySection {
        /// The most records of all those maps together.
        max_count: u64 = "unlimited",
        /// The most memory of all those maps together.
        max_cost: Size = "unlimited",
    }
}

section! {
    /// Work in the background.
    struct MaintenanceSection {
        /// How often records that have ended are looked for.
        sweep_interval: Span = Span(settings::DEFAULT_SWEEP_INTERVAL),
        /// How often old tombstones are dropped from the data store.
        purge_interval: Span = Span(settings::DEFAULT_PURGE_INTERVAL),
        /// How long a removal is remembered: the longest that a late write may be on its way.
        tombstone_horizon: Span = Span(records::DEFAULT_TOMBSTONE_HORIZON),
    }
}

section! {
    /// How a map behaves. `[map.default]` is for every map; `[map.NAME]` sets apart what differs for one.
    struct MapSection {
        /// How long a record lives after its write.
        ttl: OrNone<Span> = "none",
        /// How long a record lives without being read. Not longer than `ttl`, where both are set.
        max_idle: OrNone<Span> = "none",
        /// The most records that the map keeps in memory. Not together with `max_cost`.
        max_count: OrNone<u64> = "none: the share of `[memory]`",
        /// The most memory that the map takes, in bytes. Not together with `max_count`.
        max_cost: OrNone<Size> = "none: the share of `[memory]`",
        /// Which records leave memory first when it is full.
        eviction: Eviction = Eviction::TwoSegment,
        /// What becomes of records that have ended: `through-store` removes them from memory and data store,
        /// `memory-only` leaves the data store to purge them in its own time.
        expiry: OnExpiry = OnExpiry::ThroughStore,
        /// In how many parts the map is kept in memory, 1 to 1,024. May change between starts.
        partitions: u32 = settings::DEFAULT_PARTITIONS,
        /// How long a write waits for earlier writes to its key, and for room in memory.
        put_deadline: Span = Span(records::DEFAULT_PUT_DEADLINE),
        /// How long one call of the data store may take.
        store_deadline: Span = Span(records::DEFAULT_STORE_DEADLINE),
        /// How long a load may take, its turn included, and how long `get_or_insert_with` waits for another caller's value.
        load_deadline: Span = Span(records::DEFAULT_LOAD_DEADLINE),
        /// How long an absent key is remembered; `"none"` for not at all.
        absent_ttl: OrNone<Span> = Span(records::DEFAULT_ABSENT_TTL),
    }
}

impl Kind for DataStoreKind {
    const FORM: &'static str = "`embedded`, `postgres`, `object`, `tiered`, `memory`, `null`";
}

impl Kind for Eviction {
    const FORM: &'static str = "`two-segment`, `lru`, `lfu`, `random`, `none`";
}

impl Kind for OnExpiry {
    const FORM: &'static str = "`through-store`, `memory-only`";
}

impl fmt::Display for DataStoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Eviction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for OnExpiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
