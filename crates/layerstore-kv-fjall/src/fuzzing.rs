//! What the decoders of this crate must do with any bytes. The fuzz targets call it, and a test that replays their corpus;
//! no other build has it.

use crate::catalog::{Account, account_rows, number, physical};

/// Gives `input` to every decoder: rows of a catalog, each a length and a key, a length and a value.
///
/// # Panics
/// When what is accepted gives a number twice, or is not read back from what would be written.
pub fn decoders(input: &[u8]) {
    let mut account = Account::default();
    let mut rest = input;
    while let Some((key, value, after)) = row(rest) {
        if account.take(key, value).is_err() {
            return;
        }
        rest = after;
    }
    let Ok((next, numbers)) = account.finish() else {
        return;
    };
    assert!(numbers.values().all(|number| *number < next));
    if next == 0 {
        return;
    }
    let mut again = Account::default();
    for (key, value) in account_rows(next, &numbers) {
        assert!(again.take(&key, &value).is_ok());
    }
    assert_eq!(again.finish().ok(), Some((next, numbers)));
    assert_eq!(number(&physical(next)), Some(next));
}

type Row<'a> = (&'a [u8], &'a [u8], &'a [u8]);

fn row(input: &[u8]) -> Option<Row<'_>> {
    let (len, rest) = input.split_first()?;
    let (key, rest) = rest.split_at_checked((*len).into())?;
    let (len, rest) = rest.split_first()?;
    let (value, rest) = rest.split_at_checked((*len).into())?;
    Some((key, value, rest))
}

#[cfg(test)]
mod tests {
    use layerstore_testkit::proof;

    use super::decoders;

    #[test]
    fn r23_the_corpus_of_the_catalog_is_harmless() {
        proof::replay("store", |_, input| decoders(input));
    }
}
