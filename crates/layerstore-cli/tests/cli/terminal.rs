//! What people see who sit at a terminal: one is made by `script` of util-linux.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use layerstore_testkit::proof;

use crate::shop::{PATIENCE, Shop, lines};

/// Runs a shell command at a terminal of its own; `None` where there is no `script`.
fn at_a_terminal(shop: &Shop, test: &str, typed: &str) -> Option<Child> {
    let asked = Command::new("script").arg("--version").output();
    if !asked.is_ok_and(|asked| String::from_utf8_lossy(&asked.stdout).contains("util-linux")) {
        proof::skip(test, "it needs `script` of util-linux");
        return None;
    }
    // The names stand for what is quoted nowhere: the binary's path and its arguments.
    let started = Command::new("script")
        .args(["--quiet", "--return", "--flush", "--command", typed, "typescript"])
        .env("LAYERSTORE_TEST_BINARY", env!("CARGO_BIN_EXE_layerstore"))
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .current_dir(shop.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    Some(started.unwrap())
}

/// What a screen shows in the end: what a carriage return or a cleared line takes away is gone.
fn left_on_screen(shown: &str) -> Vec<String> {
    let shown = shown.replace("\r\n", "\n");
    let lines = shown.split('\n').map(|line| {
        let line = line.rsplit("\u{1b}[2K").next().unwrap_or(line);
        line.rsplit('\r').next().unwrap_or(line).to_owned()
    });
    lines.filter(|line| !line.is_empty()).collect()
}

#[test]
fn a_bar_shows_rate_and_remaining_time_and_is_cleared_at_the_end() {
    let test = "a_bar_shows_rate_and_remaining_time_and_is_cleared_at_the_end";
    let shop = Shop::new();
    shop.write("in.jsonl", lines(0, 30_000));
    let typed = "\"$LAYERSTORE_TEST_BINARY\" import in.jsonl --map m";
    let Some(child) = at_a_terminal(&shop, test, typed) else {
        return;
    };
    let ended = child.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(ended.status.code(), Some(0), "{shown}");
    let is_bar = |text: &&str| text.contains('%') && text.contains("/s") && text.contains(" left");
    let drawn = shown.split(['\r', '\n']).filter(is_bar).count();
    assert!(drawn > 0, "the bar was drawn {drawn} times: {shown:?}");
    let left = left_on_screen(&shown);
    assert!(left.iter().all(|line| !line.contains(" left")), "{left:?}");
    assert!(left[0].contains("imported 30000 records"), "{left:?}");
}

#[test]
fn there_is_no_bar_where_only_stdout_is_a_terminal() {
    let test = "there_is_no_bar_where_only_stdout_is_a_terminal";
    let shop = Shop::new();
    shop.write("in.jsonl", lines(0, 5_000));
    let typed = "\"$LAYERSTORE_TEST_BINARY\" import in.jsonl --map m 2>errors";
    let Some(child) = at_a_terminal(&shop, test, typed) else {
        return;
    };
    let ended = child.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(ended.status.code(), Some(0), "{shown}");
    assert!(!shown.contains(" left") && !shown.contains('\u{1b}'), "{shown:?}");
    assert_eq!(shop.read("errors"), "");
}

#[test]
fn ctrl_c_at_a_terminal_loses_nothing_that_was_reported() {
    let test = "ctrl_c_at_a_terminal_loses_nothing_that_was_reported";
    let shop = Shop::new();
    // The end of the input never comes: a pipe that this test holds open.
    let made = Command::new("mkfifo").arg(shop.path("endless")).status();
    if !made.is_ok_and(|made| made.success()) {
        return proof::skip(test, "it needs `mkfifo`");
    }
    let typed = "\"$LAYERSTORE_TEST_BINARY\" import - --map m --progress lines < endless";
    let Some(mut child) = at_a_terminal(&shop, test, typed) else {
        return;
    };
    let mut input = std::fs::OpenOptions::new()
        .write(true)
        .open(shop.path("endless"))
        .unwrap();
    std::io::Write::write_all(&mut input, lines(0, 3_500).as_bytes()).unwrap();
    let mut terminal = child.stdin.take().unwrap();
    let shown = read_until(&mut child, "durable up to line 3000", || {
        // The byte that the terminal turns into the signal.
        std::io::Write::write_all(&mut terminal, b"\x03").unwrap();
        std::io::Write::flush(&mut terminal).unwrap();
    });
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(130), "{shown}");
    assert!(
        shown.contains("everything up to line 3000 is in the store"),
        "{shown}"
    );
    drop(input);
    assert_eq!(shop.done(&["export", "--map", "m"]), lines(0, 3_000));
    shop.write("in.jsonl", lines(0, 3_500));
    let said = shop.done(&["import", "in.jsonl", "--map", "m"]);
    assert!(said.contains("500 new, 0 changed, 3000 unchanged"), "{said}");
}

/// Reads what a terminal shows until it ends; does `then` once it has shown `text`.
fn read_until(child: &mut Child, text: &str, then: impl FnOnce()) -> String {
    let mut out = child.stdout.take().unwrap();
    let (sender, pieces) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4_096];
        while let Ok(read @ 1..) = out.read(&mut buffer) {
            if sender.send(buffer[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut shown = Vec::new();
    let mut then = Some(then);
    loop {
        match pieces.recv_timeout(PATIENCE) {
            Ok(piece) => shown.extend(piece),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
            Err(_) => panic!("nothing more was shown: {}", String::from_utf8_lossy(&shown)),
        }
        if String::from_utf8_lossy(&shown).contains(text)
            && let Some(then) = then.take()
        {
            then();
        }
    }
    String::from_utf8_lossy(&shown).into_owned()
}
