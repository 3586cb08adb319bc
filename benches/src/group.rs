//! A group of comparisons, from its environment to its table.

use std::error::Error;
use std::time::Duration;

use serde_json::{Value, json};

use crate::comparison::{Case, Figures, Rounds};
use crate::cpu;
use crate::table::Table;

/// Set to anything, this makes groups run a fraction of the work: to see that they run.
pub const QUICK_VARIABLE: &str = "LAYERSTORE_BENCH_QUICK";

/// The file that a group writes its figures into, as JSON.
pub const OUT_VARIABLE: &str = "LAYERSTORE_BENCH_OUT";

/// The traces that the group of eviction plays beside its own loads, separated as the system separates paths.
pub const TRACES_VARIABLE: &str = "LAYERSTORE_BENCH_TRACES";

/// Set to anything, this makes groups that go from small to large go further: to 10,000,000 records, which take gigabytes.
pub const LARGE_VARIABLE: &str = "LAYERSTORE_BENCH_LARGE";

/// What ends a group: nothing is measured on after an error.
pub type BenchError = Box<dyn Error + Send + Sync>;

/// Rounds of a comparison: enough for a median that one disturbance does not move.
const ROUNDS: usize = 21;

/// Rounds of a quick one.
const QUICK_ROUNDS: usize = 3;

/// Runs comparisons and keeps their figures.
#[derive(Debug)]
pub struct Group {
    name: &'static str,
    is_quick: bool,
    setting: Vec<String>,
    peers: Vec<&'static str>,
    figures: Vec<Figures>,
    tables: Vec<Table>,
}

impl Group {
    /// Begins a group; `peers` are the packages that ours is measured against.
    #[must_use]
    pub fn new(name: &'static str, peers: &[&'static str]) -> Self {
        Self {
            name,
            is_quick: std::env::var_os(QUICK_VARIABLE).is_some(),
            setting: Vec::new(),
            peers: peers.to_vec(),
            figures: Vec::new(),
            tables: Vec::new(),
        }
    }

    /// Tells whether only a fraction of the work is wanted.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        self.is_quick
    }

    /// Tells whether the largest sizes are wanted.
    #[must_use]
    pub fn is_large(&self) -> bool {
        std::env::var_os(LARGE_VARIABLE).is_some()
    }

    /// Says something that a reader of the figures needs to know.
    pub fn say(&mut self, setting: impl Into<String>) {
        self.setting.push(setting.into());
    }

    /// Runs ours and the bare way in turn, after a round of each that is not counted. Both are told the number of the round.
    ///
    /// # Errors
    /// The first one of either.
    pub async fn compare(
        &mut self,
        case: Case,
        ours: impl AsyncFnMut(u64) -> Result<(), BenchError>,
        bare: impl AsyncFnMut(u64) -> Result<(), BenchError>,
    ) -> Result<(), BenchError> {
        let prepare = async |round| Ok(round);
        self.compare_prepared(case, (prepare, ours), (prepare, bare))
            .await
            .map(drop)
    }

    /// Does the same with ways that prepare each round, which is not measured: what is made of the number of the round is what is run. Returns
    /// what it came to.
    ///
    /// # Errors
    /// The first one of either.
    pub async fn compare_prepared<A, B>(
        &mut self,
        case: Case,
        mut ours: (
            impl AsyncFnMut(u64) -> Result<A, BenchError>,
            impl AsyncFnMut(A) -> Result<(), BenchError>,
        ),
        mut bare: (
            impl AsyncFnMut(u64) -> Result<B, BenchError>,
            impl AsyncFnMut(B) -> Result<(), BenchError>,
        ),
    ) -> Result<Figures, BenchError> {
        let (mut our_rounds, mut bare_rounds) = (Rounds::default(), Rounds::default());
        for round in (0..).take(self.rounds() + 1) {
            let work = ours.0(round).await?;
            our_rounds.measure(ours.1(work)).await?;
            let work = bare.0(round).await?;
            bare_rounds.measure(bare.1(work)).await?;
            if round == 0 {
                (our_rounds, bare_rounds) = (Rounds::default(), Rounds::default());
            }
        }
        let figures = Figures::new(case, &our_rounds, &bare_rounds);
        self.keep(figures.clone());
        Ok(figures)
    }

    /// Runs our own work after a round that is not counted, and compares it with what a unit of it may take: shown as the bare way. By processor
    /// time where the system tells, since a bound knows nothing of who else uses the machine.
    ///
    /// # Errors
    /// The first one of the work.
    pub async fn hold_to(
        &mut self,
        case: Case,
        allowed: Duration,
        mut work: impl AsyncFnMut(u64) -> Result<(), BenchError>,
    ) -> Result<(), BenchError> {
        let (mut ours, mut bound) = (Rounds::default(), Rounds::default());
        work(0).await?;
        for round in (1..).take(self.rounds()) {
            ours.measure(work(round)).await?;
            bound.wall.push(allowed * case.count);
            bound.cpu.push(allowed * case.count);
        }
        if ours.cpu.len() == ours.wall.len() {
            ours.wall.clone_from(&ours.cpu);
        }
        self.keep(Figures::new(case, &ours, &bound));
        Ok(())
    }

    /// Counts what our own work causes in its rounds, after one that is not counted: the bare way is the events, and the ratio units an event.
    ///
    /// # Errors
    /// The first one of the work, which returns the number of events.
    pub async fn count(
        &mut self,
        case: Case,
        mut work: impl AsyncFnMut(u64) -> Result<u32, BenchError>,
    ) -> Result<(), BenchError> {
        let (mut rounds, mut events) = (Rounds::default(), Rounds::default());
        work(0).await?;
        for round in (1..).take(self.rounds()) {
            let mut counted = 0;
            let run = async {
                counted = work(round).await?;
                Ok(())
            };
            rounds.measure(run).await?;
            // As if the events were all that a way of its own does: as many of them in the same time.
            let share = f64::from(case.count) / f64::from(counted.max(1));
            events
                .wall
                .extend(rounds.wall.last().map(|wall| wall.mul_f64(share)));
        }
        self.keep(Figures::new(case, &rounds, &events));
        Ok(())
    }

    /// Runs ours and the bare way in turn, after a round of each that is not counted, and compares what they say that the units of the case took:
    /// where that is not how long the round was, as of latencies.
    ///
    /// # Errors
    /// The first one of either.
    pub async fn compare_times(
        &mut self,
        case: Case,
        mut ours: impl AsyncFnMut(u64) -> Result<Duration, BenchError>,
        mut bare: impl AsyncFnMut(u64) -> Result<Duration, BenchError>,
    ) -> Result<(), BenchError> {
        let (mut our_rounds, mut bare_rounds) = (Rounds::default(), Rounds::default());
        for round in (0..).take(self.rounds() + 1) {
            let (of_ours, of_bare) = (ours(round).await?, bare(round).await?);
            if round > 0 {
                our_rounds.wall.push(of_ours);
                bare_rounds.wall.push(of_bare);
            }
        }
        self.keep(Figures::new(case, &our_rounds, &bare_rounds));
        Ok(())
    }

    /// Keeps a table of more than two ways.
    pub fn tabulate(&mut self, table: Table) {
        self.tables.push(table);
    }

    /// Returns how many rounds of a comparison count; one more is run before them.
    #[must_use]
    pub fn rounds(&self) -> usize {
        if self.is_quick { QUICK_ROUNDS } else { ROUNDS }
    }

    fn keep(&mut self, figures: Figures) {
        print(&figures);
        self.figures.push(figures);
    }

    /// Writes the figures where the environment wants them.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(self) -> Result<(), BenchError> {
        if let Some(path) = std::env::var_os(OUT_VARIABLE) {
            std::fs::write(path, self.to_json().to_string())?;
        }
        Ok(())
    }

    fn to_json(&self) -> Value {
        let figures: Vec<Value> = self.figures.iter().map(Figures::to_json).collect();
        let tables: Vec<Value> = self.tables.iter().map(Table::to_json).collect();
        json!({
            "group": self.name, "quick": self.is_quick, "setting": self.setting, "peers": self.peers, "figures": figures,
            "tables": tables,
        })
    }
}

impl Rounds {
    #[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
    async fn measure(
        &mut self,
        work: impl Future<Output = Result<(), BenchError>>,
    ) -> Result<(), BenchError> {
        let (before, begun) = (cpu::used(), std::time::Instant::now());
        work.await?;
        self.wall.push(begun.elapsed().max(Duration::from_nanos(1)));
        if let (Some(before), Some(after)) = (before, cpu::used()) {
            self.cpu.push(after.saturating_sub(before));
        }
        Ok(())
    }
}

#[expect(clippy::print_stdout, reason = "a bench says what it found")]
fn print(figures: &Figures) {
    let Case {
        what, unit, target, ..
    } = figures.case;
    let (low, high) = figures.middle;
    let cpu = figures.cpu.map_or(String::new(), |(ours, bare)| {
        format!("; CPU {ours:.0} and {bare:.0} ns")
    });
    println!(
        "{what}: {:.0} {unit}/s, bare {:.0}: {:.2} x ({low:.2}-{high:.2}), target {target}{cpu}",
        figures.ours,
        figures.bare,
        figures.ratio(),
    );
}
