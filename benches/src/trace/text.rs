use std::hash::BuildHasher;
use std::io::BufRead;

use foldhash::fast::FixedState;

use crate::BenchError;

/// What the column of keys is called; where none is called so, it is the second of several, or the only one.
const KEY_COLUMNS: [&str; 6] = ["key", "id", "obj_id", "object_id", "object", "lbn"];

/// Returns the numbers of the lines that are not empty.
pub(super) fn numbers(lines: impl BufRead) -> Result<Vec<u64>, BenchError> {
    let mut keys = Vec::new();
    for (number, line) in (1..).zip(lines.lines()) {
        let line = line?;
        let text = line.trim();
        if !text.is_empty() {
            let key = text.parse();
            keys.push(key.map_err(|_| format!("line {number} is no number from 0 on: {text}"))?);
        }
    }
    Ok(keys)
}

/// Returns the keys of a CSV file without quotes: numbers as such, other text by a hash. A first line without a digit names the columns.
pub(super) fn csv(lines: impl BufRead) -> Result<Vec<u64>, BenchError> {
    let mut keys = Vec::new();
    let mut column = None;
    for (number, line) in (1..).zip(lines.lines()) {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let is_first = column.is_none();
        let column = *column.get_or_insert_with(|| key_column(&cells));
        if is_first && !line.contains(|c: char| c.is_ascii_digit()) {
            continue;
        }
        let cell = cells.get(column).filter(|cell| !cell.is_empty());
        let cell = cell.ok_or_else(|| format!("line {number} has no column {}", column + 1))?;
        keys.push(cell.parse().unwrap_or_else(|_| hash(cell)));
    }
    Ok(keys)
}

fn key_column(first: &[&str]) -> usize {
    let is_key = |cell: &&str| KEY_COLUMNS.iter().any(|name| cell.eq_ignore_ascii_case(name));
    let named = first.iter().position(is_key);
    named.unwrap_or(usize::from(first.len() > 1))
}

/// Stands for a key of text; the same in every run.
fn hash(text: &str) -> u64 {
    FixedState::with_seed(0).hash_one(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_a_line_is_read_and_nothing_else() {
        assert_eq!(
            numbers(&b"3\n\n 18446744073709551615 \n"[..]).unwrap(),
            [3, u64::MAX]
        );
        let error = numbers(&b"3\nfour\n"[..]).unwrap_err().to_string();
        assert_eq!(error, "line 2 is no number from 0 on: four");
    }

    #[test]
    fn the_column_of_keys_is_found_by_name_or_by_place() {
        assert_eq!(
            csv(&b"size,obj_id,op\n4,70,get\n4,71,set\n"[..]).unwrap(),
            [70, 71]
        );
        assert_eq!(csv(&b"0,70,4\n1,71,4\n"[..]).unwrap(), [70, 71]);
        assert_eq!(csv(&b"Key\n70\n71\n"[..]).unwrap(), [70, 71]);
        let error = csv(&b"time,key\n1,70\n2\n"[..]).unwrap_err().to_string();
        assert_eq!(error, "line 3 has no column 2");
    }

    #[test]
    fn keys_of_text_are_told_apart() {
        let keys = csv(&b"time,key\n1,/a\n2,/b\n3,/a\n"[..]).unwrap();
        assert!(keys[0] == keys[2] && keys[0] != keys[1], "{keys:?}");
    }
}
