//! An image of PostgreSQL from the distribution's packages, for an engine without a registry.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use super::container::IMAGE;
use crate::services::packages::{Libraries, Package, unpack};
use crate::services::{engine, folders};

const ENTRYPOINT: &str = include_str!("entrypoint.sh");

/// One program for all commands that the entrypoint and `initdb` run, and the names of time zones, which clients send.
const BESIDES: [&str; 2] = ["busybox-static", "tzdata"];

/// Who owns everything in the image and runs the server, which refuses to run as root.
const USER: &str = "999";

/// What the image says of itself.
const CONFIGURATION: [&str; 6] = [
    "USER 999:999",
    "ENV PATH=/bin",
    "ENTRYPOINT [\"/entrypoint.sh\"]",
    "CMD [\"postgres\"]",
    "EXPOSE 5432",
    "VOLUME /data",
];

/// Sees to it that the engine of this machine has an image of PostgreSQL for tests: one that is there, one that a registry has, or
/// one built from the distribution's packages; returns what it is.
///
/// # Errors
/// Why there is none: no engine answers, or building failed.
pub fn build_images() -> Result<String, String> {
    let pulled = IMAGE.find_or_pull();
    match (pulled, IMAGE.names.last()) {
        (Ok((name, tag)), _) => Ok(format!("the engine has {name}:{tag}")),
        (Err(why), Some(name)) if engine::is_there() => {
            build(name)?;
            Ok(format!("built {name} from packages ({why})"))
        }
        (Err(why), _) => Err(why),
    }
}

/// Builds `name` from nothing but packages.
///
/// # Errors
/// What is missing, or what a command said.
fn build(name: &str) -> Result<(), String> {
    let tree = folders::cache()?.join("image");
    let _ = fs::remove_dir_all(&tree);
    unpack(&tree, Package::Postgres, Libraries::All, &BESIDES)?;
    furnish(&tree).map_err(|error| format!("{}: {error}", tree.display()))?;
    let built = import(&tree, name);
    let _ = fs::remove_dir_all(&tree);
    built
}

/// Adds what no package has: a user, a shell in its place, folders, the entrypoint.
fn furnish(tree: &Path) -> std::io::Result<()> {
    for folder in ["bin", "etc", "data"] {
        fs::create_dir_all(tree.join(folder))?;
    }
    let shell = ["bin/busybox", "usr/bin/busybox"].map(|path| tree.join(path));
    let shell = shell.iter().find(|path| path.is_file());
    let shell = shell.ok_or_else(|| std::io::Error::other("the package of the shell holds no shell"))?;
    fs::copy(shell, tree.join("busybox"))?;
    let at = tree.join("bin/sh");
    if !at.exists() {
        symlink("/busybox", at)?;
    }
    // Newer distributions have everything under usr and leave it to another package to say so.
    for folder in ["lib", "lib64"] {
        if !tree.join(folder).exists() && tree.join("usr").join(folder).exists() {
            symlink(format!("usr/{folder}"), tree.join(folder))?;
        }
    }
    fs::write(
        tree.join("etc/passwd"),
        format!("postgres:x:{USER}:{USER}::/data:/bin/sh\n"),
    )?;
    fs::write(tree.join("etc/group"), format!("postgres:x:{USER}:\n"))?;
    fs::write(tree.join("entrypoint.sh"), ENTRYPOINT)?;
    fs::set_permissions(tree.join("entrypoint.sh"), fs::Permissions::from_mode(0o755))
}

/// Hands the tree to the engine.
fn import(tree: &Path, name: &str) -> Result<(), String> {
    let told = |error: std::io::Error| format!("`tar` or `docker` does not start: {error}");
    let mut tar = Command::new("tar")
        .arg("-C")
        .arg(tree)
        .args(["--numeric-owner", "--owner", USER, "--group", USER, "-c", "."])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(told)?;
    let archive = tar.stdout.take().map_or_else(Stdio::null, Stdio::from);
    let mut docker = Command::new("docker");
    docker.arg("import");
    for line in CONFIGURATION {
        docker.args(["--change", line]);
    }
    let imported = docker.args(["-", name]).stdin(archive).output().map_err(told);
    let archived = tar.wait().map_err(told)?;
    let imported = imported?;
    match archived.success() && imported.status.success() {
        true => Ok(()),
        false => Err(format!(
            "docker import failed: {}",
            String::from_utf8_lossy(&imported.stderr).trim()
        )),
    }
}
