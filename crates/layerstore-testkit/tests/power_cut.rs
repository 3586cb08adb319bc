//! A file system whose power is cut, where this machine can do it.
#![expect(clippy::unwrap_used, reason = "test code: an unexpected answer ends the test")]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use layerstore_testkit::power_cut::PowerCutDisk;
use layerstore_testkit::proof;

#[test]
fn a_cut_takes_what_was_not_synced_again_and_again() {
    let (mut disk, other) = match (PowerCutDisk::new(), PowerCutDisk::new()) {
        (Ok(disk), Ok(other)) => (disk, other),
        (Err(why), _) | (_, Err(why)) => return proof::skip("power cuts", &why.to_string()),
    };
    // One that keeps its power is not touched by the cuts of another.
    std::fs::write(other.path().join("calm"), "here").unwrap();
    for cycle in 0..5 {
        write(&disk.path().join(format!("synced {cycle}")))
            .sync_all()
            .unwrap();
        let unsynced = write(&disk.path().join("unsynced"));
        disk.cut();
        assert!(unsynced.sync_all().is_err());
        drop(unsynced);
        disk.restart();
        assert!(!disk.path().join("unsynced").exists());
        for earlier in 0..=cycle {
            let kept = std::fs::read_to_string(disk.path().join(format!("synced {earlier}")));
            assert_eq!(kept.unwrap(), "text");
        }
    }
    assert_eq!(
        std::fs::read_to_string(other.path().join("calm")).unwrap(),
        "here"
    );
}

#[test]
fn nothing_stays_behind_a_disk_that_is_dropped() {
    let disk = match PowerCutDisk::new() {
        Ok(disk) => disk,
        Err(why) => return proof::skip("power cuts", &why.to_string()),
    };
    let image = image_of(disk.path());
    assert!(loops().iter().any(|backing| backing.contains(&image)));
    let path = disk.path().to_owned();
    drop(disk);
    assert!(!path.exists());
    assert!(!loops().iter().any(|backing| backing.contains(&image)));
}

fn write(path: &Path) -> File {
    let mut file = File::create(path).unwrap();
    file.write_all(b"text").unwrap();
    file
}

/// The folder of the image, from the path that leads through the process that keeps the mount.
fn image_of(path: &Path) -> String {
    let home = path.parent().unwrap().file_name().unwrap();
    home.to_string_lossy().into_owned()
}

/// The files behind all loop devices.
fn loops() -> Vec<String> {
    let devices = std::fs::read_dir("/sys/block").unwrap();
    let backing = devices
        .filter_map(|device| std::fs::read_to_string(device.unwrap().path().join("loop/backing_file")).ok());
    backing.collect()
}
