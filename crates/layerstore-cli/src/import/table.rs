//! Comma-separated values: a line of names, then one record a line (or several, within quotes).

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use csv::{ByteRecord, Reader, ReaderBuilder};
use layerstore::{Fields, Text, Value};

use super::lines::MAX_LINE_BYTES;
use crate::json;

/// Reads records of a table, with the line that each begins on.
pub(super) struct Table<R> {
    reader: Reader<Bounded<R>>,
    /// How much may still be read for the record under way.
    allowance: Rc<Cell<usize>>,
    names: Vec<Text>,
    record: ByteRecord,
    infer: bool,
}

/// The line that a record begins on, and its value or why it has none.
pub(super) type Row = (u64, Result<Value, String>);

/// Gives out no more than it is allowed: an unclosed quote would else take the whole file for one cell.
struct Bounded<R> {
    inner: R,
    allowance: Rc<Cell<usize>>,
}

impl<R: Read> Table<R> {
    /// Reads the line of names.
    ///
    /// # Errors
    /// What keeps it from being read, or a name that comes twice.
    pub(super) fn open(inner: R, infer: bool) -> Result<Self, String> {
        let allowance = Rc::new(Cell::new(MAX_LINE_BYTES));
        let bounded = Bounded {
            inner,
            allowance: Rc::clone(&allowance),
        };
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(bounded);
        let header = reader
            .byte_headers()
            .map_err(|error| format!("line 1: {}", describe(&error)))?;
        let names = header.iter().map(|name| String::from_utf8(name.to_vec()));
        let names = names
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| "line 1: the names are not UTF-8".to_owned())?;
        let mut names: Vec<Text> = names.into_iter().map(Text::from).collect();
        // Files of some spreadsheets begin with a byte order mark.
        if let Some(first) = names.first_mut()
            && let Some(rest) = first.strip_prefix('\u{feff}')
        {
            *first = rest.into();
        }
        for (place, name) in names.iter().enumerate() {
            if names[..place].contains(name) {
                return Err(format!(
                    "line 1: the name {name:?} comes twice: rename one of the columns"
                ));
            }
        }
        Ok(Self {
            reader,
            allowance,
            names,
            record: ByteRecord::new(),
            infer,
        })
    }

    /// Reads the next record with its line; `None` at the end.
    ///
    /// # Errors
    /// What keeps the rest of the table from being read.
    pub(super) fn next(&mut self) -> Result<Option<Row>, String> {
        self.allowance.set(MAX_LINE_BYTES);
        let line = self.reader.position().line();
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => return Err(format!("line {line}: {}", describe(&error))),
        }
        let line = self.record.position().map_or(line, csv::Position::line);
        Ok(Some((line, self.value())))
    }

    fn value(&self) -> Result<Value, String> {
        if self.record.len() != self.names.len() {
            return Err(format!(
                "it has {} cells, and there are {} names",
                self.record.len(),
                self.names.len()
            ));
        }
        let cells = self.names.iter().zip(&self.record).map(|(name, cell)| {
            let text =
                std::str::from_utf8(cell).map_err(|_| format!("field {}: not UTF-8", name.escape_debug()))?;
            let value = if self.infer {
                inferred(text)
            } else {
                Value::from(text)
            };
            Ok((name.clone(), value))
        });
        let cells = cells.collect::<Result<Vec<_>, String>>()?;
        Fields::new(cells)
            .map(Value::Map)
            .map_err(|name| format!("field {name}: it comes twice"))
    }
}

/// Takes a cell for a number, a bool or null where writing that back gives the same text; an empty cell is null.
fn inferred(text: &str) -> Value {
    match text {
        "" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match json::read(text) {
            Ok(number @ (Value::U64(_) | Value::I64(_) | Value::F64(_))) if json::text(&number) == text => {
                number
            }
            _ => Value::from(text),
        },
    }
}

fn describe(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Io(error) => error.to_string(),
        _ => "it cannot be read as CSV".to_owned(),
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowance = self.allowance.get();
        if allowance == 0 {
            let what = format!(
                "a record is longer than {} MiB: is a quote not closed?",
                MAX_LINE_BYTES >> 20
            );
            return Err(io::Error::other(what));
        }
        let most = buffer.len().min(allowance);
        let read = self.inner.read(&mut buffer[..most])?;
        self.allowance.set(allowance - read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, infer: bool) -> Vec<(u64, Result<String, String>)> {
        let mut table = Table::open(text.as_bytes(), infer).unwrap();
        let mut found = Vec::new();
        while let Some((line, value)) = table.next().unwrap() {
            found.push((line, value.map(|value| json::text(&value))));
        }
        found
    }

    #[test]
    fn cells_are_strings() {
        let found = read("id,n\n1,\"a \"\"b\"\"\nc\"\n2,\n", false);
        assert_eq!(found[0], (2, Ok(r#"{"id":"1","n":"a \"b\"\nc"}"#.to_owned())));
        assert_eq!(found[1], (4, Ok(r#"{"id":"2","n":""}"#.to_owned())));
    }

    #[test]
    fn inferring_loses_nothing() {
        let found = read(
            "a,b,c,d,e,f,g,h\n1,-2,2.5,true,,007,1.10,12345678901234567890123\n",
            true,
        );
        let expected =
            r#"{"a":1,"b":-2,"c":2.5,"d":true,"e":null,"f":"007","g":"1.10","h":"12345678901234567890123"}"#;
        assert_eq!(found[0].1.as_deref(), Ok(expected));
    }

    #[test]
    fn a_line_with_other_cells_than_names_is_one_bad_line() {
        let found = read("a,b\n1\n1,2\n1,2,3\n", false);
        assert!(found[0].1.as_ref().unwrap_err().contains("1 cells"));
        assert!(found[1].1.is_ok());
        assert_eq!(found[2].0, 4);
        assert!(found[2].1.as_ref().unwrap_err().contains("3 cells"));
    }

    #[test]
    fn names_must_be_unique() {
        assert!(
            Table::open("a,b,a\n".as_bytes(), false)
                .err()
                .unwrap()
                .contains("\"a\" comes twice")
        );
    }

    #[test]
    fn an_unclosed_quote_ends_the_reading_instead_of_filling_memory() {
        let endless = b"a\n\"".chain(io::repeat(b'x'));
        let mut table = Table::open(endless, false).unwrap();
        let error = table.next().unwrap_err();
        assert!(
            error.starts_with("line 2: ") && error.contains("is a quote not closed"),
            "{error}"
        );
    }
}
