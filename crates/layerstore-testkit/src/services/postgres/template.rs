//! A data folder that is made once and copied for every server: a copy takes a third of the time.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::programs::Programs;
use crate::services::account::Account;
use crate::services::folders;

/// The superuser of every server that is made here.
pub(super) const USER: &str = "layerstore";

/// In the data folder: the superuser's password. It is random, for whoever is on the machine can reach the port.
const PASSWORD_FILE: &str = "layerstore.password";

/// Raised when the way in which `initdb` is called changes.
const LAYOUT: u32 = 1;

/// Puts a fresh data folder at `data`, whose parent `account` owns, and returns the superuser's password.
///
/// # Errors
/// What `initdb` or `cp` said.
pub(super) fn copy_to(data: &Path, programs: &Programs, account: Option<Account>) -> Result<String, String> {
    let template = template(programs, account)?;
    copy(&template, data)?;
    fs::read_to_string(data.join(PASSWORD_FILE)).map_err(|error| {
        let template = template.display();
        format!("{template} is not whole, remove it: {error}")
    })
}

/// Finds the template, or makes it while other processes wait for it.
fn template(programs: &Programs, account: Option<Account>) -> Result<PathBuf, String> {
    let cache = folders::cache()?;
    let owner = account.map_or_else(|| "self".to_owned(), |account| account.user.to_string());
    let name = format!("postgres-{}-{owner}-{LAYOUT}", programs.version);
    let template = cache.join(&name);
    let _locked = folders::lock(&cache.join(format!("{name}.lock")))?;
    if !template.exists() {
        // Made beside its place and renamed: whoever is killed in between leaves no half of a template.
        let fresh = cache.join(format!("{name}.new"));
        let _ = fs::remove_dir_all(&fresh);
        init(&fresh, programs, account)?;
        fs::rename(&fresh, &template)
            .map_err(|error| format!("{} cannot be renamed: {error}", fresh.display()))?;
    }
    Ok(template)
}

/// Runs `initdb` where `account` may write, and copies what it made to `fresh`.
fn init(fresh: &Path, programs: &Programs, account: Option<Account>) -> Result<(), String> {
    let home = folders::home("initdb")?;
    let made = init_in(&home, programs, account).and_then(|data| copy(&data, fresh));
    let _ = fs::remove_dir_all(home);
    made
}

fn init_in(home: &Path, programs: &Programs, account: Option<Account>) -> Result<PathBuf, String> {
    Account::give(account, home)?;
    let data = home.join("data");
    let password = home.join("password");
    let text = format!("{:032x}", u128::from(random()) << 64 | u128::from(random()));
    fs::write(&password, text)
        .map_err(|error| format!("{} cannot be written: {error}", password.display()))?;
    Account::give(account, &password)?;
    programs.run("initdb", account, |command| {
        let command = command.arg("-D").arg(&data).arg("--pwfile").arg(&password);
        command.args([
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "-U",
            USER,
        ])
    })?;
    let kept = data.join(PASSWORD_FILE);
    fs::rename(&password, &kept).map_err(|error| format!("{} cannot be kept: {error}", kept.display()))?;
    Ok(data)
}

/// Copies a folder with owners and modes, which the server insists on.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let output = Command::new("cp").arg("-a").args([from, to]).output();
    let output = output.map_err(|error| format!("cp does not start: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "cp failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

fn random() -> u64 {
    RandomState::new().hash_one(0_u8)
}
