use std::io::{self, BufRead};

/// The longest line, in bytes: 16 MiB, far above any record worth keeping in memory, and far below what hurts.
pub(crate) const MAX_LINE_BYTES: usize = 16 << 20;

/// Reads lines with their numbers, holding one line at a time and no more than [`MAX_LINE_BYTES`] of it.
pub(crate) struct Lines<R> {
    reader: R,
    number: u64,
    line: Vec<u8>,
    max: usize,
}

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// Its text, without the line ending.
    Text(&'a str),
    /// Longer than the limit; it was skipped.
    TooLong,
    /// No UTF-8 from this byte column on, from 1.
    NotUtf8(usize),
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self::with_max(reader, MAX_LINE_BYTES)
    }

    fn with_max(reader: R, max: usize) -> Self {
        Self {
            reader,
            number: 0,
            line: Vec::new(),
            max,
        }
    }

    /// Reads the next line with its number, from 1; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        self.line.clear();
        let Some(is_whole) = self.fill()? else {
            return Ok(None);
        };
        self.number += 1;
        if !is_whole {
            return Ok(Some((self.number, Line::TooLong)));
        }
        let bytes = without_ending(&self.line);
        let bytes = if self.number == 1 {
            bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
        } else {
            bytes
        };
        let line = match std::str::from_utf8(bytes) {
            Ok(text) => Line::Text(text),
            Err(error) => Line::NotUtf8(error.valid_up_to() + 1),
        };
        Ok(Some((self.number, line)))
    }

    /// Reads up to and with the next newline; says whether all of it was kept, `None` at the end.
    fn fill(&mut self) -> io::Result<Option<bool>> {
        let mut is_whole = true;
        let mut is_begun = false;
        loop {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                return Ok(is_begun.then_some(is_whole));
            }
            is_begun = true;
            let newline = available.iter().position(|byte| *byte == b'\n');
            let taken = newline.map_or(available.len(), |at| at + 1);
            if self.line.len() + taken > self.max {
                is_whole = false;
                self.line.clear();
            }
            if is_whole {
                self.line.extend_from_slice(&available[..taken]);
            }
            self.reader.consume(taken);
            if newline.is_some() {
                return Ok(Some(is_whole));
            }
        }
    }
}

fn without_ending(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], max: usize) -> Vec<String> {
        // A buffer of 3 bytes makes every line cross one.
        let mut lines = Lines::with_max(io::BufReader::with_capacity(3, bytes), max);
        let mut found = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            found.push(format!("{number}:{line:?}"));
        }
        found
    }

    #[test]
    fn lines_come_with_their_numbers_whatever_ends_them() {
        let found = read("a\r\n\nüü\nlast".as_bytes(), 100);
        assert_eq!(
            found,
            [
                "1:Text(\"a\")",
                "2:Text(\"\")",
                "3:Text(\"üü\")",
                "4:Text(\"last\")"
            ]
        );
        assert_eq!(read(b"", 100), [""; 0]);
        assert_eq!(read(b"\xef\xbb\xbf{}\n", 100), ["1:Text(\"{}\")"]);
    }

    #[test]
    fn a_line_that_is_too_long_or_no_text_is_one_bad_line() {
        let found = read(b"aaaaaaaaaaaaaaaaaaaa\nok\nab\xff\nok", 8);
        assert_eq!(
            found,
            ["1:TooLong", "2:Text(\"ok\")", "3:NotUtf8(3)", "4:Text(\"ok\")"]
        );
    }
}
