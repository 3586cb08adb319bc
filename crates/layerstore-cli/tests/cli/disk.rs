//! A disk that is full: said as such, nothing lost that was reported, and the rest imported once there is room.

use std::path::Path;
use std::process::Command;

use layerstore_testkit::proof;

use crate::shop::{Ran, Shop, lines};

/// Fills a small disk, imports until it is full, makes room, and looks at what is there. It runs where mounts are its own, so that any user
/// may make them who may have such a place at all.
const ON_A_SMALL_DISK: &str = r#"
mkdir disk && mount -t tmpfs -o size=64m tmpfs disk && head -c 59m /dev/zero > disk/filler || exit 99
store() { "$LAYERSTORE_TEST_BINARY" --data disk/data "$@"; }
store import in.jsonl --map m --progress lines > first.out 2> first.err
echo $? > first.code
rm disk/filler
store export --map m > kept.jsonl 2> kept.err
echo $? > kept.code
store import in.jsonl --map m > second.out || exit 98
store export --map m > whole.jsonl || exit 97
"#;

/// The last line that an import has reported as durable.
fn reported(out: &str) -> usize {
    let lines = out.lines();
    let durable = |line: &str| line.rsplit_once("durable up to line ")?.1.parse().ok();
    lines.filter_map(durable).next_back().unwrap_or(0)
}

fn sh(shop: &Shop, program: &str, args: &[&str]) -> std::io::Result<std::process::Output> {
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(shop.path(""))
        .env("LAYERSTORE_TEST_BINARY", env!("CARGO_BIN_EXE_layerstore"))
        .output()
}

#[test]
fn a_full_disk_is_said_and_loses_nothing_that_was_reported() {
    let test = "a_full_disk_is_said_and_loses_nothing_that_was_reported";
    let shop = Shop::new();
    let padding = "x".repeat(400);
    let whole: String = lines(0, 40_000).replace("\"n\":", &format!("\"m\":\"{padding}\",\"n\":"));
    shop.write("in.jsonl", &whole);
    let ran = sh(
        &shop,
        "unshare",
        &["--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK],
    );
    let Ok(ran) = ran else {
        return proof::skip(test, "it needs `unshare` of util-linux");
    };
    if !Path::new(&shop.path("first.code")).exists() {
        let why = String::from_utf8_lossy(&ran.stderr).trim().replace('\n', "; ");
        return proof::skip(test, &format!("no disk of its own may be mounted here: {why}"));
    }
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    let (out, err) = (shop.read("first.out"), shop.read("first.err"));
    assert_eq!(shop.read("first.code"), "1\n", "{err}");
    assert!(err.contains("disk full") || err.contains("is full"), "{err}");
    assert!(err.contains("free some space, then run it again"), "{err}");
    let last = reported(&out);
    assert!(last > 0, "the disk was full before anything was imported: {out}");
    let kept = shop.read("kept.jsonl");
    assert_eq!(shop.read("kept.code"), "0\n", "{}", shop.read("kept.err"));
    assert!(kept.lines().count() >= last, "{} of {last}", kept.lines().count());
    assert!(whole.starts_with(&kept));
    let held = kept.lines().count();
    assert!(
        shop.read("second.out").contains(&format!("{held} unchanged")),
        "the second import goes on where the first ended"
    );
    assert!(shop.read("whole.jsonl") == whole);
}

#[test]
fn a_file_that_may_not_grow_is_said_as_a_full_disk_is_and_loses_nothing_either() {
    let shop = Shop::new();
    shop.write("first.jsonl", lines(0, 1_500));
    shop.write("in.jsonl", lines(0, 20_000));
    shop.done(&["import", "first.jsonl", "--map", "m"]);
    // In blocks of 512 or 1,024 bytes, as the shell has it; without the trap the signal would end the process and not the error.
    for blocks in ["0", "64", "1024"] {
        let limited = format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec \"$LAYERSTORE_TEST_BINARY\" import in.jsonl --map m --progress lines"
        );
        let ran: Ran = sh(&shop, "sh", &["-c", &limited]).unwrap().into();
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(
            ran.err.contains("disk is full") && ran.err.contains("free some space"),
            "{ran:?}"
        );
        let kept = shop.done(&["export", "--map", "m"]);
        assert!(kept.lines().count() >= reported(&ran.out).max(1_500), "{ran:?}");
        assert!(lines(0, 20_000).starts_with(&kept));
    }
    // Without the limit it goes on.
    shop.done(&["import", "in.jsonl", "--map", "m"]);
    assert_eq!(shop.done(&["export", "--map", "m"]), lines(0, 20_000));
}
