//! Which keys are asked for: each as often as the others, or few of them often.

/// How often a key is drawn, beside the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skew {
    /// As often as any other.
    Uniform,
    /// By Zipf's law with an exponent of 0.99, as in YCSB: of a million keys, the thousand that come most often are half of what is drawn.
    Zipf,
}

/// Zipf's exponent.
const EXPONENT: f64 = 0.99;

/// Any fixed number: which keys come often is the same in every round and run.
const ORDER_SEED: u64 = 99;

/// Draws numbers below a bound.
#[derive(Debug)]
pub struct Draws {
    bound: usize,
    /// The chance to draw one of the first so many ranks; empty where all numbers have the same.
    cumulated: Vec<f64>,
    /// The number of each rank: neighbours in rank are no neighbours in number.
    numbers: Vec<usize>,
}

impl Draws {
    /// Prepares to draw numbers below `bound`, of which there is at least one.
    #[must_use]
    pub fn new(skew: Skew, bound: usize) -> Self {
        if skew == Skew::Uniform {
            return Self {
                bound,
                cumulated: Vec::new(),
                numbers: Vec::new(),
            };
        }
        let mut sum = 0.0;
        #[expect(clippy::cast_precision_loss, reason = "there are far fewer than 2^52")]
        let weigh = |rank: usize| (rank as f64).powf(-EXPONENT);
        let cumulated = (1..=bound).map(|rank| {
            sum += weigh(rank);
            sum
        });
        let cumulated = cumulated.collect();
        let mut numbers: Vec<_> = (0..bound).collect();
        fastrand::Rng::with_seed(ORDER_SEED).shuffle(&mut numbers);
        Self {
            bound,
            cumulated,
            numbers,
        }
    }

    /// Draws the next number.
    pub fn draw(&self, rng: &mut fastrand::Rng) -> usize {
        let Some(total) = self.cumulated.last() else {
            return rng.usize(0..self.bound);
        };
        let at = rng.f64() * total;
        let rank = self.cumulated.partition_point(|end| *end <= at);
        self.numbers[rank.min(self.bound - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::{Draws, Skew};

    /// Draws 100,000 numbers below 1,000, and returns how often each came, the most frequent first.
    fn counted(skew: Skew) -> Vec<u32> {
        let (draws, mut rng) = (Draws::new(skew, 1_000), fastrand::Rng::with_seed(7));
        let mut counts = vec![0; 1_000];
        for _ in 0..100_000 {
            counts[draws.draw(&mut rng)] += 1;
        }
        counts.sort_unstable_by(|one: &u32, other| other.cmp(one));
        counts
    }

    #[test]
    fn few_numbers_come_often_by_zipf_and_none_does_otherwise() {
        // The sum of 1 / n^0.99 up to 1,000 is 7.7: the first number has one share of that, the second half of one.
        let zipf = counted(Skew::Zipf);
        assert!((12_000..14_000).contains(&zipf[0]) && (6_000..7_000).contains(&zipf[1]));
        let uniform = counted(Skew::Uniform);
        assert!(uniform[0] < 150 && uniform[999] > 50);
    }
}
