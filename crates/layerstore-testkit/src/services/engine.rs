//! The container engine of this machine, if there is one.

use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use super::janitor::Janitor;
use super::runtime;

/// How long an engine may take to say that it is there.
const PROBE_DEADLINE: Duration = Duration::from_secs(5);

/// How long a pull may take.
const PULL_DEADLINE: Duration = Duration::from_secs(300);

/// How long stopping, starting and waiting for a container may take.
const ORDER_DEADLINE: Duration = Duration::from_secs(60);

/// Set by whoever starts services once for many tests: in a test a pull would take the test's time.
pub(super) const PULL_VARIABLE: &str = "LAYERSTORE_TEST_PULL";

/// An image and where its name may be given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Image {
    /// The environment variable that names another one.
    pub(super) variable: &'static str,
    /// What is taken where none is named: the first that is there.
    pub(super) names: &'static [&'static str],
}

impl Image {
    /// Finds an image that the engine has; pulls the first where this process starts services for others.
    ///
    /// # Errors
    /// Why no container can run here.
    pub(super) fn find(&self) -> Result<(String, String), String> {
        match std::env::var_os(PULL_VARIABLE) {
            Some(_) => self.find_or_pull(),
            None => self.find_here().and_then(|(found, first)| {
                found.ok_or_else(|| {
                    format!("the engine has no image {first}: `cargo xtask services` pulls it")
                })
            }),
        }
    }

    /// Finds an image that the engine has, or pulls the first.
    ///
    /// # Errors
    /// Why no container can run here.
    pub(super) fn find_or_pull(&self) -> Result<(String, String), String> {
        let (found, first) = self.find_here()?;
        if let Some(found) = found {
            return Ok(found);
        }
        docker(PULL_DEADLINE, &["pull", "--quiet", &first])
            .map_err(|why| format!("the engine has no image {first} and cannot pull it ({why})"))?;
        Ok(parts(&first))
    }

    /// The image that the engine has, and the name of the first.
    fn find_here(&self) -> Result<(Option<(String, String)>, String), String> {
        docker(PROBE_DEADLINE, &["version", "--format", "{{.Server.Version}}"])
            .map_err(|why| format!("no engine answers ({why})"))?;
        let named = std::env::var(self.variable).ok();
        let names = named
            .as_deref()
            .map_or_else(|| self.names.to_vec(), |name| vec![name]);
        let found = names.iter().find(|name| is_here(name)).map(|name| parts(name));
        Ok((found, names.first().copied().unwrap_or_default().to_owned()))
    }
}

/// Tells whether an engine answers.
pub(super) fn is_there() -> bool {
    docker(PROBE_DEADLINE, &["version", "--format", "{{.Server.Version}}"]).is_ok()
}

/// The name and the tag of an image; a colon before a slash belongs to the port of a registry.
fn parts(name: &str) -> (String, String) {
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name.to_owned(), tag.to_owned()),
        _ => (name.to_owned(), "latest".to_owned()),
    }
}

fn is_here(name: &str) -> bool {
    docker(PROBE_DEADLINE, &["image", "inspect", "--format", "{{.Id}}", name]).is_ok()
}

/// A container by its name. It is removed when this value is dropped or this process ends.
#[derive(Debug)]
pub(super) struct Container {
    name: String,
    _janitor: Janitor,
}

impl Container {
    /// Takes a name for a container that is to be made.
    pub(super) fn reserve(name: String) -> Result<Self, String> {
        let janitor = Janitor::hold(["docker", "rm", "--force", "--volumes", &name])?;
        Ok(Self {
            name,
            _janitor: janitor,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Sends a signal to its first process and waits for its end.
    pub(super) fn stop(&self, signal: &str) -> Result<(), String> {
        docker(ORDER_DEADLINE, &["kill", "--signal", signal, &self.name])?;
        docker(ORDER_DEADLINE, &["wait", &self.name])
    }

    /// Starts it again.
    pub(super) fn start(&self) -> Result<(), String> {
        docker(ORDER_DEADLINE, &["start", &self.name])
    }
}

/// Runs the engine's command. The library that starts containers leaves those of a killed process behind; the command is
/// what removes them then, so nothing is started without it.
fn docker(deadline: Duration, args: &[&str]) -> Result<(), String> {
    let mut command = Command::new("docker");
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    let output: Output = runtime::block_on(deadline, async move {
        let output = command.output().await;
        output.map_err(|error| format!("the command `docker` does not start: {error}"))
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().last().unwrap_or("no reason given").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn a_port_of_a_registry_is_no_tag() {
        let both = |name: &str, tag: &str| (name.to_owned(), tag.to_owned());
        assert_eq!(parts("postgres:17-alpine"), both("postgres", "17-alpine"));
        assert_eq!(parts("minio/minio"), both("minio/minio", "latest"));
        assert_eq!(
            parts("localhost:5000/postgres"),
            both("localhost:5000/postgres", "latest")
        );
    }
}
