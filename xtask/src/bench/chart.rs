//! A group's figures as bars, written by hand: SVG needs no library.

use std::fmt::Write;

use serde_json::Value;

use super::tables::{array, figure, is_ours, text};

const WIDTH: f64 = 860.0;

/// Where bars begin: to the left stand the names of the subjects.
const LEFT: f64 = 210.0;

/// The longest bar; to the right of it stands its figure.
const LONGEST: f64 = 560.0;

const BAR: f64 = 12.0;
const GAP: f64 = 8.0;
const TITLE: f64 = 26.0;
const LABEL: f64 = 16.0;

const OURS: &str = "#1f6f8b";
const PEERS: &str = "#b9bec4";

/// Draws the figures of a group: each piece of work is scaled to the longest of its own bars. `None` where there is nothing to draw.
pub(super) fn draw(group: &Value) -> Option<String> {
    let mut drawing = Drawing::default();
    let comparisons: Vec<&Value> = array(&group["figures"]).collect();
    if !comparisons.is_empty() {
        drawing.title("A second: more is better");
    }
    for figures in comparisons {
        drawing.label(text(&figures["what"]));
        let (ours, bare) = (&figures["ours_per_second"], &figures["bare_per_second"]);
        drawing.bars(&[("ours", ours, true), ("bare", bare, false)]);
    }
    for table in array(&group["tables"]) {
        drawing.table(table);
    }
    (drawing.height > 0.0).then(|| drawing.finish())
}

/// What is drawn so far, from top to bottom.
#[derive(Debug, Default)]
struct Drawing {
    body: String,
    height: f64,
}

impl Drawing {
    fn table(&mut self, table: &Value) {
        let better = if table["lower_is_better"] == true {
            "less"
        } else {
            "more"
        };
        let (title, unit) = (text(&table["title"]), text(&table["unit"]));
        self.title(&format!("{title}, {unit}: {better} is better"));
        let subjects: Vec<&str> = array(&table["subjects"]).map(text).collect();
        for row in array(&table["rows"]) {
            self.label(text(&row["what"]));
            let bars = subjects.iter().zip(array(&row["values"])).enumerate();
            let bars: Vec<_> = bars
                .map(|(at, (subject, value))| (*subject, value, is_ours(table, at)))
                .collect();
            self.bars(&bars);
        }
    }

    fn title(&mut self, title: &str) {
        self.height += TITLE;
        let (y, title) = (self.height - 6.0, escaped(title));
        let _ = writeln!(
            self.body,
            r#"<text x="8" y="{y}" font-size="15" font-weight="bold">{title}</text>"#
        );
    }

    fn label(&mut self, label: &str) {
        self.height += LABEL;
        let (y, label) = (self.height - 4.0, escaped(label));
        let _ = writeln!(
            self.body,
            r#"<text x="8" y="{y}" font-weight="bold">{label}</text>"#
        );
    }

    fn bars(&mut self, bars: &[(&str, &Value, bool)]) {
        let longest = bars
            .iter()
            .filter_map(|(_, value, _)| value.as_f64())
            .fold(0.0, f64::max);
        for (name, value, is_ours) in bars {
            let share =
                value.as_f64().filter(|_| longest > 0.0).unwrap_or(0.0) / longest.max(f64::MIN_POSITIVE);
            let (top, width) = (self.height, (share * LONGEST).max(0.0));
            let (colour, baseline) = (if *is_ours { OURS } else { PEERS }, top + BAR - 3.0);
            let (name, shown) = (escaped(name), figure(value));
            let _ = writeln!(
                self.body,
                r#"<text x="{}" y="{baseline}" text-anchor="end">{name}</text><rect x="{LEFT}" y="{}" width="{width:.1}" height="{}" fill="{colour}"/><text x="{:.1}" y="{baseline}">{shown}</text>"#,
                LEFT - 6.0,
                top + 1.0,
                BAR - 2.0,
                LEFT + width + 4.0,
            );
            self.height += BAR;
        }
        self.height += GAP;
    }

    fn finish(self) -> String {
        let Self { body, height } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
             font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share_of_the_longest_in_their_row() {
        let group = json!({"tables": [{
            "title": "Reads & more", "unit": "ns", "lower_is_better": true, "ours": 1, "subjects": ["engine", "papaya"],
            "rows": [{"what": "get", "values": [50.0, 200.0]}, {"what": "sample", "values": [7.0, null]}],
        }]});
        let svg = draw(&group).unwrap();
        assert!(svg.contains("Reads &amp; more, ns: less is better"));
        for (width, colour) in [
            (LONGEST / 4.0, OURS),
            (LONGEST, PEERS),
            (LONGEST, OURS),
            (0.0, PEERS),
        ] {
            let bar = format!(r#"width="{width:.1}" height="10" fill="{colour}""#);
            assert!(svg.contains(&bar), "{bar} in {svg}");
        }
    }

    #[test]
    fn two_ways_are_drawn_and_nothing_is_not() {
        let figures = json!({"what": "put", "ours_per_second": 10.0, "bare_per_second": 20.0});
        let svg = draw(&json!({"figures": [figures]})).unwrap();
        assert!(
            svg.contains(">put<") && svg.contains(">ours<") && svg.contains(">20.0<"),
            "{svg}"
        );
        assert_eq!(draw(&json!({"figures": [], "tables": []})), None);
    }
}
