//! A group's figures as tables of Markdown.

use std::fmt::Write;

use serde_json::Value;

/// Shows the comparisons of two ways, a row each.
pub(super) fn comparisons(figures: &[Value]) -> String {
    let mut shown = "| what | ours, a second | bare, a second | ratio | half of the rounds | target | CPU ns each, ours / bare |\n".to_owned();
    shown.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
    figures
        .iter()
        .for_each(|figures| shown.push_str(&comparison(figures)));
    shown
}

fn comparison(figures: &Value) -> String {
    let number = |name: &str| figures[name].as_f64().unwrap_or(f64::NAN);
    let [low, high] = [0, 1].map(|at| figures["ratio_quartiles"][at].as_f64().unwrap_or(f64::NAN));
    let reached = if number("ratio") >= number("target") {
        ""
    } else {
        " **missed**"
    };
    let cpu = match (figures["ours_cpu_ns"].as_f64(), figures["bare_cpu_ns"].as_f64()) {
        (Some(ours), Some(bare)) => format!("{} / {}", thousands(ours), thousands(bare)),
        _ => "-".to_owned(),
    };
    format!(
        "| {} | {} | {} | {:.2} | {low:.2}-{high:.2} | {:.2}{reached} | {cpu} |\n",
        text(&figures["what"]),
        thousands(number("ours_per_second")),
        thousands(number("bare_per_second")),
        number("ratio"),
        number("target"),
    )
}

/// Shows a table of several subjects, ours in bold, and in which rows a peer is ahead of the first of ours.
pub(super) fn several(table: &Value) -> String {
    let unit = text(&table["unit"]);
    let mut shown = format!("**{}** ({unit})\n\n| |", text(&table["title"]));
    let subjects: Vec<&str> = array(&table["subjects"]).map(text).collect();
    for (at, subject) in subjects.iter().enumerate() {
        let mark = if is_ours(table, at) { "**" } else { "" };
        let _ = write!(shown, " {mark}{subject}{mark} |");
    }
    let has_targets = array(&table["rows"]).any(|row| array(&row["targets"]).next().is_some());
    let (head, columns) = if has_targets {
        (" targets |", subjects.len() + 2)
    } else {
        ("", subjects.len() + 1)
    };
    let _ = writeln!(shown, "{head}\n|{}", " --- |".repeat(columns));
    for row in array(&table["rows"]) {
        let values: String = array(&row["values"])
            .map(|value| format!(" {} |", figure(value)))
            .collect();
        let targets = if has_targets {
            format!(" {} |", targets(row))
        } else {
            String::new()
        };
        let _ = writeln!(shown, "| {} |{values}{targets}", text(&row["what"]));
    }
    shown.push_str(&losses(table, &subjects));
    shown
}

fn targets(row: &Value) -> String {
    let told = array(&row["targets"]).map(|target| {
        let missed = if target["is_enough"] == true {
            ""
        } else {
            " **missed**"
        };
        let reached = match target["reached"].as_f64() {
            Some(ratio) if ratio.abs() < 100.0 => format!("{ratio:.2}"),
            _ => figure(&target["reached"]),
        };
        format!("{reached}: {}{missed}", text(&target["target"]))
    });
    told.collect::<Vec<_>>().join("; ")
}

/// Says which peers are ahead of the first of ours, row by row.
fn losses(table: &Value, subjects: &[&str]) -> String {
    let rows = array(&table["rows"]).filter_map(|row| {
        let ahead = ahead(table, row);
        let names: Vec<&str> = ahead.iter().filter_map(|at| subjects.get(*at).copied()).collect();
        (!names.is_empty()).then(|| format!("{} ({})", text(&row["what"]), names.join(", ")))
    });
    let rows: Vec<String> = rows.collect();
    if rows.is_empty() {
        return String::new();
    }
    format!("\nWhere we lose: {}.\n", rows.join("; "))
}

/// Returns which peers have a better figure than the first of ours.
fn ahead(table: &Value, row: &Value) -> Vec<usize> {
    let lower = table["lower_is_better"] == true;
    let values: Vec<Option<f64>> = array(&row["values"]).map(Value::as_f64).collect();
    let Some(first) = values.first().copied().flatten() else {
        return Vec::new();
    };
    let is_better = |value: f64| if lower { value < first } else { value > first };
    let peers = values.iter().enumerate().filter(|(at, _)| !is_ours(table, *at));
    peers
        .filter(|(_, value)| value.is_some_and(is_better))
        .map(|(at, _)| at)
        .collect()
}

/// Tells whether a subject of a table is ours.
pub(super) fn is_ours(table: &Value, at: usize) -> bool {
    table["ours"].as_u64().is_some_and(|ours| (at as u64) < ours)
}

/// Shows a figure: small ones with a digit of their fraction.
pub(super) fn figure(value: &Value) -> String {
    match value.as_f64() {
        None => "-".to_owned(),
        Some(value) if value.abs() < 100.0 => format!("{value:.1}"),
        Some(value) => thousands(value),
    }
}

/// Shows a number without its fraction, with commas.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

pub(super) fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_loss_is_shown_as_one() {
        let figures = |ratio: f64| {
            json!({
                "what": "put", "ours_per_second": 1_234_567.8, "bare_per_second": 999.0, "ratio": ratio, "target": 0.9,
                "ratio_quartiles": [0.5, 1.5], "ours_cpu_ns": null, "bare_cpu_ns": null,
            })
        };
        assert_eq!(
            comparison(&figures(0.9)),
            "| put | 1,234,568 | 999 | 0.90 | 0.50-1.50 | 0.90 | - |\n"
        );
        assert!(comparison(&figures(0.89)).contains("**missed**"));
    }

    #[test]
    fn a_table_without_targets_has_no_column_for_them() {
        let row = json!({"what": "open", "values": [7.0], "targets": []});
        let table =
            json!({"title": "Start", "unit": "ms", "ours": 1, "subjects": ["embedded"], "rows": [row]});
        let expected = "**Start** (ms)\n\n| | **embedded** |\n| --- | --- |\n| open | 7.0 |\n";
        assert_eq!(several(&table), expected);
    }

    #[test]
    fn a_peer_that_is_ahead_is_named_and_a_missed_target_shown() {
        let targets = json!([
            {"target": "at most 1.1 x papaya", "reached": 1.2, "is_enough": false},
            {"target": "at most 2 x papaya", "reached": 1.2, "is_enough": true},
        ]);
        let table = json!({
            "title": "Reads", "unit": "ns", "lower_is_better": true, "ours": 1, "subjects": ["engine", "papaya", "scc"],
            "rows": [
                {"what": "get", "values": [120.0, 100.0, 130.0], "targets": targets},
                {"what": "sample", "values": [7.25, null, 2500.0], "targets": []},
            ],
        });
        let expected = "**Reads** (ns)\n\n| | **engine** | papaya | scc | targets |\n| --- | --- | --- | --- | --- |\n\
            | get | 120 | 100 | 130 | 1.20: at most 1.1 x papaya **missed**; 1.20: at most 2 x papaya |\n\
            | sample | 7.2 | - | 2,500 |  |\n\nWhere we lose: get (papaya).\n";
        assert_eq!(several(&table), expected);
    }
}
