use super::Trace;

/// The exponent of the loads that follow Zipf's law: that of YCSB, and near to what is found in caches of the web.
const EXPONENT: f64 = 0.99;

/// A scan takes this share of the requests of a polluted load, in percent.
const SCANNED: usize = 20;

/// How often the keys that are asked for most change while a shifting load runs.
const SHIFTS: usize = 10;

/// How requests are made up; each from a seed, the same for the same seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Few keys are asked for often, by Zipf's law.
    Zipf,
    /// The same, and now and then a scan over keys that nobody asks for again: a report, a backup.
    Scans,
    /// All keys in turn, again and again, and each time a few of them at random: a job that is repeated over what does not fit.
    Loop,
    /// By Zipf's law, with other keys at its head from time to time: news.
    Shift,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Self; 4] = [Self::Zipf, Self::Scans, Self::Loop, Self::Shift];

    /// Returns what the tables call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Zipf => "zipf",
            Self::Scans => "zipf with scans",
            Self::Loop => "loop",
            Self::Shift => "shifting zipf",
        }
    }

    /// Makes `requests` to about `keys` keys.
    #[must_use]
    pub fn generate(self, keys: usize, requests: usize, seed: u64) -> Trace {
        let mut rng = fastrand::Rng::with_seed(seed);
        let asked = match self {
            Self::Zipf => zipf(keys, requests, &mut rng).map(scattered).collect(),
            Self::Scans => scans(keys, requests, &mut rng),
            Self::Loop => looping(keys, requests, &mut rng),
            Self::Shift => shifting(keys, requests, &mut rng),
        };
        Trace::new(self.name(), asked)
    }
}

/// Draws ranks below `keys`, the lowest most often, by Zipf's law with exponent 0.99.
pub fn zipf(keys: usize, requests: usize, rng: &mut fastrand::Rng) -> impl Iterator<Item = u64> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..)
        .take(keys)
        .map(|rank: u32| {
            sum += f64::from(rank).powf(-EXPONENT);
            sum
        })
        .collect();
    let last = keys.saturating_sub(1);
    (0..requests).map(move |_| {
        let drawn = rng.f64() * sum;
        sums.partition_point(|sum| *sum <= drawn).min(last) as u64
    })
}

/// Half of the keys by Zipf's law; ten scans, each over a part of the other half that no other scan reads.
fn scans(keys: usize, requests: usize, rng: &mut fastrand::Rng) -> Vec<u64> {
    const SCANS: usize = 10;
    let (popular, scan) = (keys / 2, requests * SCANNED / 100 / SCANS);
    let quiet = requests / SCANS - scan;
    let mut ranks = zipf(popular, requests, rng);
    let mut asked = Vec::with_capacity(requests);
    let mut next = popular as u64;
    for _ in 0..SCANS {
        asked.extend(ranks.by_ref().take(quiet).map(scattered));
        asked.extend((next..).take(scan).map(scattered));
        next += scan as u64;
    }
    asked
}

/// One request in ten is of any key: a loop of nothing else has one right answer, and no cache in use is asked it.
fn looping(keys: usize, requests: usize, rng: &mut fastrand::Rng) -> Vec<u64> {
    let keys = keys as u64;
    let in_turn = (0..keys).cycle().take(requests);
    in_turn
        .map(|key| if rng.u8(..10) == 0 { rng.u64(..keys) } else { key })
        .map(scattered)
        .collect()
}

fn shifting(keys: usize, requests: usize, rng: &mut fastrand::Rng) -> Vec<u64> {
    let (period, step) = ((requests / SHIFTS).max(1), (keys / SHIFTS) as u64);
    let ranks = zipf(keys, requests, rng).enumerate();
    ranks
        .map(|(at, rank)| scattered((rank + (at / period) as u64 * step) % keys as u64))
        .collect()
}

/// Gives a key a number that says nothing of its rank; no two get the same.
fn scattered(key: u64) -> u64 {
    let mixed = (key ^ (key >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_requests() {
        for shape in Shape::ALL {
            let [one, same, other] =
                [1, 1, 2].map(|seed| shape.generate(1_000, 10_000, seed).keys().to_vec());
            assert_eq!(one.len(), 10_000, "{shape:?}");
            assert!(one == same && one != other, "{shape:?}");
        }
    }

    #[test]
    fn the_first_of_a_thousand_ranks_is_asked_for_as_often_as_zipf_says() {
        let mut rng = fastrand::Rng::with_seed(1);
        let first = zipf(1_000, 100_000, &mut rng).filter(|rank| *rank == 0).count();
        // One in the sum of 1 / rank ^ 0.99, which is 7.73.
        assert!((12_500..13_400).contains(&first), "{first}");
    }

    #[test]
    fn keys_of_scans_are_asked_for_once() {
        let trace = Shape::Scans.generate(1_000, 10_000, 1);
        let mut times = HashMap::new();
        for key in trace.keys() {
            *times.entry(*key).or_insert(0) += 1;
        }
        let scanned = (500..2_500)
            .map(scattered)
            .filter(|key| times.get(key) == Some(&1));
        assert_eq!(scanned.count(), 2_000);
    }

    #[test]
    fn what_is_asked_for_most_changes_when_a_load_shifts() {
        let trace = Shape::Shift.generate(1_000, 10_000, 1);
        let count = |part: &[u64], rank| part.iter().filter(|key| **key == scattered(rank)).count();
        let (first, second) = (&trace.keys()[..1_000], &trace.keys()[1_000..2_000]);
        assert!(count(first, 0) > 100 && count(second, 0) < 20);
        assert!(count(first, 100) < 20 && count(second, 100) > 100);
    }
}
