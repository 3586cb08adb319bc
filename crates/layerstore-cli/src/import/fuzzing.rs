use std::io::BufReader;

use super::key::KeyRule;
use super::lines::{Line, Lines};
use super::table::Table;
use crate::fuzzing::{comes_back, json};

/// A buffer that every line crosses.
const BUFFER: usize = 5;

fn keys() -> [KeyRule; 2] {
    [None, Some("n")].map(|field| KeyRule {
        field: field.map(str::to_owned),
        stem: "input".to_owned(),
    })
}

/// Reads lines of JSON: they are numbered without a gap, and none of their bytes is lost.
pub(crate) fn lines(input: &[u8]) {
    let mut lines = Lines::new(BufReader::with_capacity(BUFFER, input));
    let mut count = 0;
    while let Ok(Some((number, line))) = lines.next() {
        count += 1;
        assert_eq!(number, count);
        if let Line::Text(text) = line {
            json(text);
        }
    }
    let ends = input.iter().filter(|byte| **byte == b'\n').count();
    let tail = usize::from(input.last().is_some_and(|byte| *byte != b'\n'));
    assert_eq!(usize::try_from(count), Ok(ends + tail));
}

/// Reads a table: lines only rise, and each record has its JSON and its key, or a reason of one line.
pub(crate) fn table(input: &[u8], infer: bool) {
    let Ok(mut table) = Table::open(BufReader::with_capacity(BUFFER, input), infer) else {
        return;
    };
    let mut last = 0;
    while let Ok(Some((line, value))) = table.next() {
        assert!(line >= last, "line {line} after {last}");
        last = line;
        match value {
            Ok(value) => {
                comes_back(&value);
                for rule in keys() {
                    if let Err(reason) = rule.key(line, &value) {
                        assert!(!reason.contains('\n'), "{reason}");
                    }
                }
            }
            Err(reason) => assert!(!reason.contains('\n'), "{reason}"),
        }
    }
}
