//! Starts the services of tests once for many of them and says where they are, or builds an image for them. `cargo xtask test`,
//! `cargo xtask services` and `cargo xtask images` run this.
//!
//! On stdout: the lines of [`Running::lines`], then `READY`. The services end with this process, which ends when its stdin does.

use std::io::{Read, Write};
use std::process::ExitCode;

use layerstore_testkit::services::{Running, build_images};

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("images") => images(),
        _ => serve(),
    }
}

fn serve() -> ExitCode {
    let running = Running::start();
    if !say(running.lines().iter().map(String::as_str).chain(["READY"])) {
        return ExitCode::FAILURE;
    }
    // Nothing is sent: the end is what is waited for, and an error is an end as well.
    let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
    ExitCode::SUCCESS
}

fn images() -> ExitCode {
    match build_images() {
        Ok(done) if say([done.as_str()]) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(why) => {
            say([format!("SKIPPED images: {why}").as_str()]);
            ExitCode::SUCCESS
        }
    }
}

/// Prints lines and tells whether anybody reads them.
fn say<'a>(lines: impl IntoIterator<Item = &'a str>) -> bool {
    let mut out = std::io::stdout().lock();
    let mut lines = lines.into_iter();
    lines
        .try_for_each(|line| writeln!(out, "{line}"))
        .and_then(|()| out.flush())
        .is_ok()
}
