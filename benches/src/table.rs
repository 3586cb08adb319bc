//! A table of figures where more than two ways stand side by side.

use serde_json::{Value, json};

/// Figures of several subjects, ours first, a row a piece of work.
#[derive(Debug, Clone)]
pub struct Table {
    title: String,
    unit: &'static str,
    better: Better,
    /// How many of the subjects are ours.
    ours: usize,
    subjects: Vec<String>,
    rows: Vec<Row>,
}

/// Which figures are the good ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Times, bytes.
    Lower,
    /// Rates, ratios of hits.
    Higher,
}

/// The figures of a piece of work, and what they were to reach.
#[derive(Debug, Clone)]
pub struct Row {
    what: String,
    values: Vec<Option<f64>>,
    targets: Vec<Value>,
}

impl Table {
    /// Begins a table. The first of the subjects are `ours`, the others their peers.
    #[must_use]
    pub fn new(
        title: impl Into<String>,
        unit: &'static str,
        better: Better,
        ours: &[&str],
        peers: &[&str],
    ) -> Self {
        let subjects = ours.iter().chain(peers).map(|name| (*name).to_owned());
        Self {
            title: title.into(),
            unit,
            better,
            ours: ours.len(),
            subjects: subjects.collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, and prints it.
    pub fn push(&mut self, row: Row) {
        print(self, &row);
        self.rows.push(row);
    }

    /// Returns the table for a file.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(Row::to_json).collect();
        json!({
            "title": self.title, "unit": self.unit, "lower_is_better": self.better == Better::Lower,
            "ours": self.ours, "subjects": self.subjects, "rows": rows,
        })
    }
}

impl Row {
    /// Makes a row of one figure a subject, in their order; `None` where a subject cannot do the work.
    #[must_use]
    pub fn new(what: impl Into<String>, values: Vec<Option<f64>>) -> Self {
        Self {
            what: what.into(),
            values,
            targets: Vec::new(),
        }
    }

    /// States what one subject's figure was to be of another's: at most so many times as much.
    #[must_use]
    pub fn at_most(self, times: f64, of: (usize, usize), name: &str) -> Self {
        let ratio = self.ratio(of);
        let said = format!("at most {times} x {name}");
        self.target(said, ratio, ratio.is_some_and(|ratio| ratio <= times))
    }

    /// States the same of figures where more is better: at least so many times as much.
    #[must_use]
    pub fn at_least(self, times: f64, of: (usize, usize), name: &str) -> Self {
        let ratio = self.ratio(of);
        let said = format!("at least {times} x {name}");
        self.target(said, ratio, ratio.is_some_and(|ratio| ratio >= times))
    }

    /// States any other target, what was reached, and whether that is enough.
    #[must_use]
    pub fn target(mut self, said: impl Into<String>, reached: Option<f64>, is_enough: bool) -> Self {
        let target = json!({"target": said.into(), "reached": reached, "is_enough": is_enough});
        self.targets.push(target);
        self
    }

    fn ratio(&self, (one, other): (usize, usize)) -> Option<f64> {
        let value = |at: usize| self.values.get(at).copied().flatten();
        Some(value(one)? / value(other)?)
    }

    fn to_json(&self) -> Value {
        json!({"what": self.what, "values": self.values, "targets": self.targets})
    }
}

#[expect(clippy::print_stdout, reason = "a bench says what it found")]
fn print(table: &Table, row: &Row) {
    let figures = table.subjects.iter().zip(&row.values);
    let figures = figures.map(|(name, value)| match value {
        Some(value) => format!("{name} {value:.1}"),
        None => format!("{name} -"),
    });
    let figures = figures.collect::<Vec<_>>().join(", ");
    println!("{}: {}: {figures} {}", table.title, row.what, table.unit);
    for target in &row.targets {
        println!("    {}: {}", target["target"], target["reached"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_judged_by_the_figures_of_its_row() {
        let row = Row::new("get", vec![Some(110.0), Some(100.0), None]);
        let row = row
            .at_most(1.15, (0, 1), "papaya")
            .at_most(1.05, (0, 1), "papaya")
            .at_least(1.0, (0, 2), "nothing");
        let mut table = Table::new("gets", "ns", Better::Lower, &["ours"], &["papaya", "nothing"]);
        table.push(row);
        let json = table.to_json();
        assert_eq!(
            (&json["ours"], &json["lower_is_better"]),
            (&json!(1), &json!(true))
        );
        let enough = |at: usize| &json["rows"][0]["targets"][at]["is_enough"];
        assert_eq!(
            (enough(0), enough(1), enough(2)),
            (&json!(true), &json!(false), &json!(false))
        );
        assert_eq!(json["rows"][0]["values"][2], Value::Null);
    }
}
