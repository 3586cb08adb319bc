use std::hint;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use layerstore_benches::BenchError;

/// A read is due so often: 50,000 a second, well below what a core can do.
pub(crate) const PERIOD: Duration = Duration::from_micros(20);

/// What is recorded at most: a minute, in nanoseconds.
const LONGEST: u64 = 60_000_000_000;

/// Three digits of a latency are kept.
const DIGITS: u8 = 3;

/// Latencies of many reads.
pub(crate) struct Latencies(Histogram<u64>);

/// Microseconds at each of [`Latencies::NAMES`]; `None` of no reads.
pub(crate) type Percentiles = [Option<f64>; 4];

impl Latencies {
    pub(crate) const NAMES: [&'static str; 4] = ["p50", "p99", "p99.9", "max"];

    pub(crate) fn new() -> Result<Self, BenchError> {
        Ok(Self(Histogram::new_with_bounds(1, LONGEST, DIGITS)?))
    }

    fn record(&mut self, latency: Duration) {
        self.0
            .saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(LONGEST));
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let micros = |nanos: u64| Duration::from_nanos(nanos).as_secs_f64() * 1e6;
        [0.5, 0.99, 0.999, 1.0]
            .map(|share| (!self.0.is_empty()).then(|| micros(self.0.value_at_quantile(share))))
    }
}

/// Reads as long as the other work goes on, each read when it is due or as soon after as can be.
///
/// # Errors
/// When the work fails, or a record is not there.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
pub(crate) fn read_on_schedule(
    latencies: &mut Latencies,
    read: impl Fn(u64) -> bool,
    work: impl FnOnce() -> Result<(), BenchError> + Send,
) -> Result<(), BenchError> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let working = scope.spawn(|| {
            let done = work();
            is_over.store(true, Ordering::Release);
            done
        });
        let mut due = Instant::now();
        let mut missing = 0_u64;
        for number in 0.. {
            while Instant::now() < due {
                hint::spin_loop();
            }
            missing += u64::from(!read(number));
            latencies.record(due.elapsed());
            due += PERIOD;
            if is_over.load(Ordering::Acquire) {
                break;
            }
        }
        working.join().map_err(|_| "the other work panicked")??;
        match missing {
            0 => Ok(()),
            _ => Err(format!("{missing} reads found nothing").into()),
        }
    })
}
