//! A real file system whose power can be cut: what was not synced is gone, by the kernel's own account.
//!
//! Killing a process does not test a sync, since the cache of the kernel outlives it. Here an ext4 file system in a file is shut
//! down amid everything (`EXT4_IOC_SHUTDOWN` without a flush of its journal), unmounted and mounted again, which replays the journal
//! as after a power cut. It needs Linux, root, loop devices and the programs `unshare`, `perl`, `mkfs.ext4`, `mount` and `umount`;
//! where any of them is missing, a test says so and counts as skipped:
//!
//! ```
//! use layerstore_testkit::power_cut::PowerCutDisk;
//! use layerstore_testkit::proof;
//!
//! let mut disk = match PowerCutDisk::new() {
//!     Ok(disk) => disk,
//!     Err(why) => return proof::skip("power cuts", &why.to_string()),
//! };
//! std::fs::write(disk.path().join("a"), "never synced").unwrap();
//! disk.cut();
//! disk.restart();
//! assert!(!disk.path().join("a").exists());
//! ```
//!
//! What a disk itself holds back is not tested: the disk under the file system is a file that takes what it is given.

mod keeper;

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use keeper::Keeper;
use tempfile::TempDir;
use thiserror::Error;

/// How large the image is: small enough to be made in milliseconds, and the least with a journal of its own at blocks of
/// 4 KiB. It is sparse.
const IMAGE_BYTES: u64 = 64 << 20;

/// Where the image lies in memory, on most Linux machines; otherwise it lies with temporary files. What is cut is the file system, not
/// what is under it: in memory a cut comes amid thousands of syncs instead of dozens.
const MEMORY: &str = "/dev/shm";

/// A file system of 64 MiB, mounted, whose power can be cut. Several may be there at once. Mount, loop device and image go when it is
/// dropped, also by a panic; where the process is killed, mount and loop device go with it.
#[derive(Debug)]
pub struct PowerCutDisk {
    keeper: Keeper,
    /// Holds the image and the folder that it is mounted on. Goes after the keeper.
    _home: TempDir,
}

/// Why no power can be cut here.
#[derive(Debug, Error)]
#[error("no power can be cut here: {0}")]
pub struct Unavailable(String);

impl PowerCutDisk {
    /// Makes one, and tries whether a cut really takes what was not synced, and nothing else.
    ///
    /// # Errors
    /// [`Unavailable`] with the reason, where this machine or this user cannot do it.
    ///
    /// # Panics
    /// When a cut leaves what was not synced, or takes what was: tests on such a disk would show nothing.
    pub fn new() -> Result<Self, Unavailable> {
        let mut disk = Self::make().map_err(Unavailable)?;
        let synced = disk.write_two().map_err(|error| Unavailable(error.to_string()))?;
        disk.keeper.order("cut").map_err(Unavailable)?;
        let refused = std::fs::write(disk.path().join("late"), "").is_err();
        assert!(refused, "a disk without power takes a file");
        drop(synced);
        disk.restart();
        let kept = std::fs::read(disk.path().join("synced")).expect("what was synced is there");
        assert_eq!(kept, BEFORE, "what was synced is there, and what was not is gone");
        let gone = !disk.path().join("unsynced").exists();
        assert!(gone, "a file that was not synced is gone");
        std::fs::remove_file(disk.path().join("synced")).expect("the disk has power");
        Ok(disk)
    }

    fn make() -> Result<Self, String> {
        let explain = |error: std::io::Error| error.to_string();
        let home = match tempfile::tempdir_in(MEMORY) {
            Ok(home) => home,
            Err(_) => tempfile::tempdir().map_err(explain)?,
        };
        let (image, folder) = (home.path().join("image"), home.path().join("mount"));
        std::fs::create_dir(&folder).map_err(explain)?;
        let made = File::create(&image).and_then(|file| file.set_len(IMAGE_BYTES));
        made.map_err(explain)?;
        let mut keeper = Keeper::start(&image, &folder)?;
        keeper.order("make")?;
        keeper.order("start")?;
        Ok(Self { keeper, _home: home })
    }

    /// Writes a file, syncs it, and changes it after that; and one that is not synced at all.
    fn write_two(&self) -> std::io::Result<File> {
        let mut synced = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(self.path().join("synced"))?;
        synced.write_all(BEFORE)?;
        synced.sync_all()?;
        File::open(self.path())?.sync_all()?;
        synced.seek(SeekFrom::Start(0))?;
        synced.write_all(AFTER)?;
        std::fs::write(self.path().join("unsynced"), AFTER)?;
        // The cache shows what the disk does not have.
        let mut seen = Vec::new();
        synced.seek(SeekFrom::Start(0))?;
        synced.read_to_end(&mut seen)?;
        assert_eq!(seen, AFTER);
        Ok(synced)
    }

    /// Returns the root of the file system. It stays the same over restarts.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.keeper.folder()
    }

    /// Cuts the power: from here on every write and sync fails. Returns when it is done.
    ///
    /// # Panics
    /// When it cannot be done.
    pub fn cut(&mut self) {
        self.keeper.order("cut").expect("the power can be cut");
    }

    /// Starts again after a cut: the journal is replayed. Whoever had files open must be gone.
    ///
    /// # Panics
    /// When it cannot be done, as while a file is open.
    pub fn restart(&mut self) {
        self.keeper
            .order("stop")
            .expect("nobody has a file open on a disk that starts again");
        self.keeper
            .order("start")
            .expect("the file system is mounted again");
    }
}

const BEFORE: &[u8] = &[b'b'; 5_000];
const AFTER: &[u8] = &[b'a'; 5_000];
