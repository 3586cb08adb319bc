//! An engine under test, and what the clauses ask of it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use layerstore_engine::{Computed, Cursor, Decision, Lookup, Page, Previous, Slot, StorageEngine};
use layerstore_record::{Cost, Key, Record};
use tokio::runtime::Runtime;

/// How to make the engine under test.
pub struct EngineSubject(Box<dyn Fn() -> Arc<dyn StorageEngine> + Send + Sync>);

impl EngineSubject {
    /// An engine that `make` makes, empty each time.
    pub fn new<E: StorageEngine>(make: impl Fn() -> E + Send + Sync + 'static) -> Self {
        Self(Box::new(move || Arc::new(make())))
    }

    /// Makes an empty engine.
    #[must_use]
    pub fn make(&self) -> Arc<dyn StorageEngine> {
        (self.0)()
    }
}

/// The record of `key`, loaded if it is cold.
pub(super) fn get(engine: &dyn StorageEngine, key: &Key) -> Option<Arc<Record>> {
    resolve(engine.lookup(key))
}

/// The record that a lookup found, loaded if it is cold.
pub(super) fn resolve(lookup: Lookup) -> Option<Arc<Record>> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    match lookup {
        Lookup::Hit(record) => Some(record),
        Lookup::Miss => None,
        Lookup::Cold(handle) => {
            let runtime = RUNTIME.get_or_init(|| Runtime::new().expect("a runtime"));
            runtime.block_on(handle.load()).expect("the record can be loaded")
        }
    }
}

/// Computes with the record that is there, loading it as often as it is found cold.
pub(super) fn compute(
    engine: &dyn StorageEngine,
    key: &Key,
    mut decide: impl FnMut(Option<&Arc<Record>>) -> Decision,
) -> Computed {
    loop {
        let computed = engine.compute(key, &mut |lookup| match lookup {
            Lookup::Hit(record) => decide(Some(&record)),
            Lookup::Miss => decide(None),
            Lookup::Cold(_) => Decision::NeedsLoad,
        });
        if !matches!(computed, Computed::NeedsLoad) {
            return computed;
        }
        get(engine, key);
    }
}

/// The number that [`record`](crate::records::record) put into a record.
pub(super) fn number(record: &Record) -> u64 {
    record.version().millis().0
}

/// Whether put or remove told the truth about what was there.
pub(super) fn tells(previous: &Previous, was: Option<&Arc<Record>>) -> bool {
    match previous {
        Previous::Absent => was.is_none(),
        Previous::Present(found) => was.is_some_and(|was| Arc::ptr_eq(was, found)),
        Previous::Cold => was.is_some(),
    }
}

/// Reads every page from `cursor` on.
pub(super) fn scan_from(engine: &dyn StorageEngine, cursor: Cursor, n: usize) -> Vec<(Key, Slot)> {
    let (mut slots, mut cursor) = (Vec::new(), Some(cursor));
    while let Some(at) = cursor {
        let page = engine.fetch(&at, n);
        check_size(&page, n);
        slots.extend(page.slots);
        cursor = page.next;
    }
    slots
}

/// A page holds at least one record unless it is the last, and about as many as were asked for.
pub(super) fn check_size(page: &Page, n: usize) {
    let len = page.slots.len();
    assert!(len <= n.max(1).saturating_mul(2), "asked for {n}, got {len}");
    assert!(len > 0 || page.next.is_none(), "an empty page, and more to come");
}

/// Every key once, with its record if that is resident.
pub(super) fn contents(engine: &dyn StorageEngine) -> BTreeMap<Key, Option<Arc<Record>>> {
    let slots = scan_from(engine, Cursor::start(), 1_000).into_iter();
    let record = |slot| match slot {
        Slot::Resident(record) => Some(record),
        Slot::Cold => None,
    };
    slots.map(|(key, slot)| (key, record(slot))).collect()
}

/// What a quiet engine must say that it costs, judged by a scan and by what one record costs in an engine alone.
pub(super) fn expected_cost(subject: &EngineSubject, engine: &dyn StorageEngine) -> Cost {
    let (key, record) = (crate::records::key(1), crate::records::record(1));
    let single = subject.make();
    single.put(key.clone(), record.clone());
    let overhead = single.cost().minus(record.cost(&key));
    let contents = contents(engine);
    let resident = contents
        .iter()
        .filter_map(|(key, record)| Some((key, record.as_ref()?)));
    resident.map(|(key, record)| record.cost(key) + overhead).sum()
}
