//! A recorder that keeps in memory what the code under test tells the `metrics` facade.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// What one metric was described as.
pub type Description = (Option<Unit>, String);

/// Keeps everything in memory, under `name{label=value,…}` with the labels in order.
///
/// ```
/// use layerstore_testkit::metrics::MemoryRecorder;
///
/// let memory = MemoryRecorder::default();
/// metrics::with_local_recorder(&memory, || metrics::counter!("calls", "store" => "memory").increment(2));
/// assert_eq!(memory.counter("calls{store=memory}"), 2);
/// ```
#[derive(Debug, Default)]
pub struct MemoryRecorder {
    numbers: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    described: Mutex<BTreeMap<String, Description>>,
}

impl MemoryRecorder {
    /// Returns a counter; of a histogram, how many values it was given. 0 when it was never heard of.
    #[must_use]
    pub fn counter(&self, name: &str) -> u64 {
        let numbers = lock(&self.numbers);
        numbers
            .get(name)
            .map_or(0, |number| number.load(Ordering::Relaxed))
    }

    /// Returns a gauge.
    #[must_use]
    pub fn gauge(&self, name: &str) -> f64 {
        f64::from_bits(self.counter(name))
    }

    /// Returns all numbers, by name with labels.
    #[must_use]
    pub fn counters(&self) -> BTreeMap<String, u64> {
        let numbers = lock(&self.numbers);
        numbers
            .iter()
            .map(|(name, number)| (name.clone(), number.load(Ordering::Relaxed)))
            .collect()
    }

    /// Returns what was described, by name.
    #[must_use]
    pub fn described(&self) -> BTreeMap<String, Description> {
        lock(&self.described).clone()
    }

    fn number(&self, key: &Key) -> Arc<AtomicU64> {
        let mut labels: Vec<String> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        labels.sort();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        Arc::clone(lock(&self.numbers).entry(name).or_default())
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>, text: &SharedString) {
        lock(&self.described).insert(name.as_str().to_owned(), (unit, text.to_string()));
    }
}

impl Recorder for MemoryRecorder {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe(&name, unit, &text);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe(&name, unit, &text);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe(&name, unit, &text);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.number(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.number(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Values(self.number(key))))
    }
}

/// Counts the values of a histogram.
struct Values(Arc<AtomicU64>);

impl HistogramFn for Values {
    fn record(&self, _value: f64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
