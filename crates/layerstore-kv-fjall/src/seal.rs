//! What the journals were when the directory was closed.
//!
//! To fjall a journal ends where its next entry cannot be read. A journal that was cut, zeroed or taken away would open, without
//! the writes that it held, and without a word. So closing seals the journals: their names, lengths and checksums, in a file that
//! the next opener compares and takes away before anything changes. After a crash there is no seal, and an end that cannot be read
//! is what the crash left.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use layerstore_kv::{KvError, KvErrorKind, KvOperation, KvResult};

use crate::convert::convert_io;
use crate::directory::{entries, is_journal, sync_directory};

/// The seal's file. The other is where it is written, before it gets its name.
const SEAL_FILE: &str = "layerstore.seal";
const UNFINISHED: &str = "layerstore.seal.new";

/// The first line of a seal.
const HEAD: &str = "layerstore seal 1";

/// How much of a journal is in memory at once.
const CHUNK: usize = 1 << 16;

/// Length and checksum of each journal, by its name.
type Journals = BTreeMap<String, (u64, u32)>;

/// Writes the seal when it is dropped, which must be after fjall has closed its files.
#[derive(Debug)]
pub(crate) struct SealOnClose(pub(crate) PathBuf);

impl Drop for SealOnClose {
    fn drop(&mut self) {
        // Without a seal the directory is as after a crash: it opens, and less is known about it.
        let _ = seal(&self.0);
    }
}

/// Compares the journals with the seal, where there is one, and takes it away.
///
/// # Errors
/// [`KvErrorKind::Corrupt`] with the journal that is not what it was.
pub(crate) fn break_seal(dir: &Path) -> KvResult<()> {
    let fail = |error| convert_io(KvOperation::Open, error);
    let text = match std::fs::read(dir.join(SEAL_FILE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        text => text.map_err(fail)?,
    };
    // A seal that is itself damaged vouches for nothing; the journals may be whole.
    if let Some(sealed) = parse(&text) {
        let found = journals(dir).map_err(fail)?;
        for (name, was) in &sealed {
            if found.get(name) != Some(was) {
                return Err(broken(&dir.join(name)));
            }
        }
    }
    std::fs::remove_file(dir.join(SEAL_FILE))
        .and_then(|()| sync_directory(dir))
        .map_err(fail)
}

fn broken(journal: &Path) -> KvError {
    let what = format!(
        "{} is not as it was when the store was closed, and acknowledged writes are missing with it; \
         to open what is left all the same, remove {SEAL_FILE}",
        journal.display()
    );
    KvError::new(KvErrorKind::Corrupt, KvOperation::Open).caused_by(what)
}

fn seal(dir: &Path) -> io::Result<()> {
    let journals = journals(dir)?;
    for name in journals.keys() {
        // What the seal claims must be on disk before the seal is: a write that nobody asked to be durable may not be.
        File::open(dir.join(name))?.sync_all()?;
    }
    let mut file = File::create(dir.join(UNFINISHED))?;
    file.write_all(text(&journals).as_bytes())?;
    file.sync_all()?;
    std::fs::rename(dir.join(UNFINISHED), dir.join(SEAL_FILE))?;
    sync_directory(dir)
}

fn journals(dir: &Path) -> io::Result<Journals> {
    let paths = entries(dir)?.into_iter().map(|entry| entry.path());
    let journals = paths.filter(|path| is_journal(path));
    journals
        .filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), path)))
        .map(|(name, path)| Ok((name, checksum(&path)?)))
        .collect()
}

fn checksum(path: &Path) -> io::Result<(u64, u32)> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; CHUNK];
    let (mut len, mut crc) = (0, 0);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((len, crc)),
            Ok(read) => {
                let (bytes, _) = buffer.split_at(read);
                crc = crc32c::crc32c_append(crc, bytes);
                len += read as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A line for each journal, and the checksum of all before it.
fn text(journals: &Journals) -> String {
    let mut text = format!("{HEAD}\n");
    for (name, (len, crc)) in journals {
        text.push_str(&format!("{name} {len} {crc:08x}\n"));
    }
    let crc = crc32c::crc32c(text.as_bytes());
    text.push_str(&format!("{crc:08x}\n"));
    text
}

pub(crate) fn parse(bytes: &[u8]) -> Option<Journals> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (body, crc) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let sealed = bytes.get(..=body.len())?;
    if u32::from_str_radix(crc, 16).ok()? != crc32c::crc32c(sealed) {
        return None;
    }
    let mut lines = body.lines();
    if lines.next()? != HEAD {
        return None;
    }
    lines.map(line).collect()
}

fn line(line: &str) -> Option<(String, (u64, u32))> {
    let (line, crc) = line.rsplit_once(' ')?;
    let (name, len) = line.rsplit_once(' ')?;
    Some((
        name.to_owned(),
        (len.parse().ok()?, u32::from_str_radix(crc, 16).ok()?),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("0.jnl"), [7; 100]).unwrap();
        std::fs::write(dir.path().join("1.jnl"), b"").unwrap();
        drop(SealOnClose(dir.path().to_owned()));
        dir
    }

    #[test]
    fn journals_that_are_as_they_were_open_and_the_seal_is_gone() {
        let dir = sealed();
        break_seal(dir.path()).unwrap();
        assert!(!dir.path().join(SEAL_FILE).exists());
        // As after a crash.
        std::fs::write(dir.path().join("0.jnl"), b"").unwrap();
        break_seal(dir.path()).unwrap();
    }

    #[test]
    fn a_journal_that_was_cut_changed_or_taken_away_is_named() {
        let hurt: [fn(&Path); 3] = [
            |path| std::fs::write(path, [7; 99]).unwrap(),
            |path| std::fs::write(path, [&[7; 50][..], &[0; 50]].concat()).unwrap(),
            |path| std::fs::remove_file(path).unwrap(),
        ];
        for hurt in hurt {
            let dir = sealed();
            hurt(&dir.path().join("0.jnl"));
            for _ in 0..2 {
                let refused = break_seal(dir.path()).unwrap_err();
                assert_eq!(refused.kind(), &KvErrorKind::Corrupt);
                let shown = std::error::Error::source(&refused).map(ToString::to_string);
                assert!(shown.unwrap().contains("0.jnl"), "{refused}");
            }
        }
    }

    #[test]
    fn a_damaged_seal_vouches_for_nothing() {
        let journals = Journals::from([("0.jnl".to_owned(), (100, 0xfeed))]);
        let whole = text(&journals);
        assert_eq!(parse(whole.as_bytes()), Some(journals.clone()));
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone().into_bytes();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&flipped).is_none_or(|read| read == journals), "bit {bit}");
        }
        assert!((0..whole.len()).all(|len| parse(&whole.as_bytes()[..len]).is_none()));
    }
}
