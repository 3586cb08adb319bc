//! A disk that is full: said as such, nothing lost that was reported, and the rest imported once there is room.

use std::path::Path;
use std::process::Command;

use crate::shop::{Shop, lines};

/// A file system in memory, of a size; needs root.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], at).then_some(Self(at))
    }

    fn grow(&self, size: &str) {
        assert!(mount(&["-o", &format!("remount,size={size}")], self.0));
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

fn mount(options: &[&str], at: &Path) -> bool {
    Command::new("mount")
        .args(options)
        .arg(at)
        .output()
        .is_ok_and(|ran| ran.status.success())
}

#[test]
fn a_full_disk_is_said_and_loses_nothing_that_was_reported() {
    let shop = Shop::new();
    let at = shop.path("disk");
    let Some(disk) = SmallDisk::mount(&at, "5m") else {
        println!(
            "SKIPPED a_full_disk_is_said_and_loses_nothing_that_was_reported: mounting a tmpfs needs root"
        );
        return;
    };
    let padding = "x".repeat(400);
    let whole: String = lines(0, 40_000).replace("\"n\":", &format!("\"m\":\"{padding}\",\"n\":"));
    shop.write("in.jsonl", &whole);
    let ran = shop.run(&[
        "--data",
        "disk/data",
        "import",
        "in.jsonl",
        "--map",
        "m",
        "--progress",
        "lines",
    ]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.err.contains("full") && ran.err.contains("free some space"),
        "{}",
        ran.err
    );
    let last = ran
        .out
        .lines()
        .filter_map(|line| line.rsplit_once("durable up to line ")?.1.parse::<usize>().ok())
        .next_back();
    let last = last.unwrap_or(0);

    disk.grow("400m");
    if shop.path("disk/data").exists() && last > 0 {
        let found = shop.done(&["--data", "disk/data", "export", "--map", "m"]);
        assert!(
            found.lines().count() >= last,
            "{} of {last}",
            found.lines().count()
        );
        assert!(whole.starts_with(&found));
    }
    shop.done(&["--data", "disk/data", "import", "in.jsonl", "--map", "m"]);
    assert_eq!(shop.done(&["--data", "disk/data", "export", "--map", "m"]), whole);
}

#[test]
fn a_file_that_may_not_grow_is_said_too() {
    let shop = Shop::new();
    shop.write("in.jsonl", lines(0, 5_000));
    // 64 KiB a file; without the trap the process would end by the signal instead of the error.
    let limited = "trap '' XFSZ; ulimit -f 128; exec \"$@\"";
    let ran = Command::new("sh")
        .args([
            "-c",
            limited,
            "sh",
            env!("CARGO_BIN_EXE_layerstore"),
            "import",
            "in.jsonl",
            "--map",
            "m",
        ])
        .current_dir(shop.path(""))
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    assert!(!ran.stderr.is_empty());
    // Without the limit it goes on.
    shop.done(&["import", "in.jsonl", "--map", "m"]);
    assert_eq!(shop.done(&["export", "--map", "m"]), lines(0, 5_000));
}
