//! One comparison: what is compared, and what came of it.

use std::time::Duration;

use serde_json::{Value, json};

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The work, as the table names it.
    pub what: &'static str,
    /// What is counted: `records`, `keys`.
    pub unit: &'static str,
    /// How many of them one round does.
    pub count: u32,
    /// The ratio that is to be reached: ours by the bare one, in units a second.
    pub target: f64,
}

/// What one way took in each round.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    pub(crate) wall: Vec<Duration>,
    pub(crate) cpu: Vec<Duration>,
}

/// What a comparison came to.
#[derive(Debug, Clone)]
pub struct Figures {
    /// What was compared.
    pub case: Case,
    /// How often.
    pub rounds: usize,
    /// Units a second, by the median of the rounds.
    pub ours: f64,
    /// The same of the bare way.
    pub bare: f64,
    /// Half of the rounds' own ratios lie between these two.
    pub middle: (f64, f64),
    /// Processor time a unit in nanoseconds, of this process alone; `None` where the system does not tell.
    pub cpu: Option<(f64, f64)>,
}

impl Figures {
    pub(crate) fn new(case: Case, ours: &Rounds, bare: &Rounds) -> Self {
        let count = f64::from(case.count);
        let per_second = |rounds: &Rounds| count / quantile(seconds(&rounds.wall), 0.5);
        let nanos = |rounds: &Rounds| quantile(seconds(&rounds.cpu), 0.5) * 1e9 / count;
        let pairs = ours.wall.iter().zip(&bare.wall);
        let ratios: Vec<f64> = pairs
            .map(|(ours, bare)| bare.as_secs_f64() / ours.as_secs_f64())
            .collect();
        let knows_cpu = !ours.cpu.is_empty() && !bare.cpu.is_empty();
        Self {
            case,
            rounds: ours.wall.len(),
            ours: per_second(ours),
            bare: per_second(bare),
            middle: (quantile(ratios.clone(), 0.25), quantile(ratios, 0.75)),
            cpu: knows_cpu.then(|| (nanos(ours), nanos(bare))),
        }
    }

    /// Returns how many times as fast as the bare way ours is.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.ours / self.bare
    }

    /// Returns the figures for a file.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Case {
            what,
            unit,
            count,
            target,
        } = self.case;
        json!({
            "what": what, "unit": unit, "a_round": count, "rounds": self.rounds, "target": target,
            "ours_per_second": self.ours, "bare_per_second": self.bare, "ratio": self.ratio(),
            "ratio_quartiles": [self.middle.0, self.middle.1],
            "ours_cpu_ns": self.cpu.map(|cpu| cpu.0), "bare_cpu_ns": self.cpu.map(|cpu| cpu.1),
        })
    }
}

fn seconds(times: &[Duration]) -> Vec<f64> {
    times.iter().map(Duration::as_secs_f64).collect()
}

/// Returns the value that this share of the others lies below, between two where it falls there; NaN of nothing.
pub(crate) fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    #[expect(clippy::cast_precision_loss, reason = "there are a few dozen values")]
    let place = last as f64 * share;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "lies between 0 and `last`"
    )]
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    match (values.get(below), values.get(above)) {
        (Some(low), Some(high)) => low + (high - low) * place.fract(),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_compared_and_one_slow_round_is_not_heard() {
        let millis = |all: &[u64]| all.iter().map(|millis| Duration::from_millis(*millis)).collect();
        let case = Case {
            what: "nothing",
            unit: "records",
            count: 1_000,
            target: 0.9,
        };
        let ours = Rounds {
            wall: millis(&[10, 11, 900]),
            cpu: millis(&[5, 5, 5]),
        };
        let bare = Rounds {
            wall: millis(&[9, 10, 10]),
            cpu: millis(&[4, 4, 4]),
        };
        let figures = Figures::new(case, &ours, &bare);
        assert!((figures.ours - 1_000.0 / 0.011).abs() < 1e-6 && (figures.bare - 100_000.0).abs() < 1e-6);
        assert!((figures.ratio() - 10.0 / 11.0).abs() < 1e-9);
        assert_eq!(
            figures.cpu.map(|(ours, bare)| (ours.round(), bare.round())),
            Some((5_000.0, 4_000.0))
        );
        assert_eq!(figures.to_json()["rounds"], 3);
    }

    #[test]
    fn quantiles_lie_between_values() {
        let median = |values: &[f64]| quantile(values.to_vec(), 0.5);
        assert!((median(&[3.0, 1.0]) - 2.0).abs() < 1e-12 && (median(&[5.0]) - 5.0).abs() < 1e-12);
        assert!((quantile(vec![0.0, 1.0, 2.0, 3.0, 4.0], 0.25) - 1.0).abs() < 1e-12);
        assert!(median(&[]).is_nan());
    }
}
