//! One map as a file: floors, epoch and every record, read whole and replaced whole.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind as IoKind, Write as _};
use std::path::Path;

use layerstore_data_store::Floors;
use layerstore_record::codec::{FrameFormat, decode_record, encode_record, frame, unframe};
use layerstore_record::{Key, Record, Version};

/// The envelope of a map file: it says what the file is, whether it is whole, and in which version of the layout.
const FORMAT: FrameFormat = FrameFormat::new(200, 1);

/// What a map file holds.
#[derive(Debug, Default)]
pub(crate) struct MapFile {
    /// The epoch of the last claim.
    pub(crate) epoch: u64,
    /// The highest version that was ever applied.
    pub(crate) applied: Version,
    pub(crate) floors: Floors,
    pub(crate) records: BTreeMap<Key, Record>,
}

impl MapFile {
    /// Reads a file; one that is not there is a map that was never written.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(bytes) => Self::decode(&bytes).ok_or_else(|| io::Error::from(IoKind::InvalidData)),
            Err(error) if error.kind() == IoKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Replaces a file. A crash leaves the old or the new one, never a mixture: the new one is durable before it gets the
    /// name, and the name before this returns.
    pub(crate) fn write(&self, folder: &Path, path: &Path) -> io::Result<()> {
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&self.encode()?)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(folder)?.sync_all()
    }

    /// Tells whether there is more than a claim.
    pub(crate) fn is_used(&self) -> bool {
        !self.records.is_empty() || self.floors != Floors::default()
    }

    fn encode(&self) -> io::Result<Vec<u8>> {
        let mut bytes = self.epoch.to_le_bytes().to_vec();
        for version in [self.applied, self.floors.cleared, self.floors.purged] {
            bytes.extend(version.to_bytes());
        }
        for (key, record) in &self.records {
            for part in [key.as_bytes(), &encode_record(record).map_err(io::Error::other)?] {
                let len = u32::try_from(part.len()).map_err(io::Error::other)?;
                bytes.extend(len.to_le_bytes());
                bytes.extend(part);
            }
        }
        frame(FORMAT, &bytes).map_err(io::Error::other)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = unframe(FORMAT, bytes).ok()?.payload;
        let epoch = u64::from_le_bytes(*take::<8>(&mut rest)?);
        let mut version = || Some(Version::from_bytes(*take::<16>(&mut rest)?));
        let (applied, cleared, purged) = (version()?, version()?, version()?);
        let mut records = BTreeMap::new();
        while !rest.is_empty() {
            let key = std::str::from_utf8(part(&mut rest)?).ok()?;
            let record = decode_record(part(&mut rest)?).ok()?;
            records.insert(Key::new(key).ok()?, record);
        }
        Some(Self {
            epoch,
            applied,
            floors: Floors { cleared, purged },
            records,
        })
    }
}

/// Takes a length and so many bytes off the front.
fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(u32::from_le_bytes(*take::<4>(rest)?)).ok()?;
    let (part, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(part)
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(taken)
}
