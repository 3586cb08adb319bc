//! PostgreSQL in a container.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{GenericImage, ImageExt};
use url::Url;

use super::native::{READY, SETTINGS, Shutdown};
use super::template::USER;
use super::{Control, Server, database};
use crate::services::engine::{Container, Image};
use crate::services::{port, runtime};

pub(super) const IMAGE: Image = Image {
    variable: "LAYERSTORE_TEST_POSTGRES_IMAGE",
    // The second is what `cargo xtask images` builds where there is no registry.
    names: &["postgres:17-alpine", "layerstore-test-postgres:latest"],
};

const PORT: u16 = 5432;

/// How long a container may take from its making to its first connection.
const DEADLINE: Duration = Duration::from_secs(120);

/// Settings of a native server that make no sense in a container of its own.
const NOT_IN_CONTAINERS: [&str; 2] = ["listen_addresses", "unix_socket_directories"];

/// A server in a container, at the same port of this machine after every start.
#[derive(Debug)]
struct ContainerServer {
    container: Container,
    admin: Url,
}

/// Starts a server in a container.
pub(super) fn start(settings: &[String]) -> Result<Server, String> {
    let (image, tag) = IMAGE.find()?;
    let ports = port::free();
    let mut last = "no free port was found".to_owned();
    for port in ports {
        match start_on(port, &image, &tag, settings) {
            Err(error) if error.contains("port is already allocated") => last = error,
            started => return started,
        }
    }
    Err(last)
}

fn start_on(port: u16, image: &str, tag: &str, settings: &[String]) -> Result<Server, String> {
    let random = || RandomState::new().hash_one(0_u8);
    let container = Container::reserve(format!("layerstore-postgres-{:016x}", random()))?;
    let password = format!("{:016x}", random());
    let request = GenericImage::new(image, tag)
        // Twice: a server that only sets up the data folder says it on stdout, the one to be used on stderr.
        .with_wait_for(WaitFor::message_on_stdout(READY))
        .with_wait_for(WaitFor::message_on_stderr(READY))
        .with_mapped_port(port, PORT.tcp())
        .with_container_name(container.name())
        .with_env_var("POSTGRES_USER", USER)
        .with_env_var("POSTGRES_PASSWORD", &password)
        .with_env_var("POSTGRES_DB", "postgres")
        .with_startup_timeout(DEADLINE)
        .with_cmd(command(settings));
    let host = runtime::block_on(DEADLINE, async {
        let told = |error| format!("a container of {image}:{tag} does not start: {error}");
        let started = request.start().await.map_err(told)?;
        let host = started.get_host().await.map_err(told)?.to_string();
        // It would remove the container here and now. That is for its janitor, who also does it for a killed process.
        std::mem::forget(started);
        Ok(host)
    })?;
    let admin = Url::parse(&format!("postgres://{USER}:{password}@{host}:{port}/postgres"));
    let admin = admin.map_err(|error| format!("the address of a container: {error}"))?;
    database::until_it_answers(&admin)?;
    Ok(Server {
        admin: admin.clone(),
        control: Some(Box::new(ContainerServer { container, admin })),
    })
}

fn command(settings: &[String]) -> Vec<String> {
    let fixed = SETTINGS.into_iter().filter(|setting| {
        let name = setting.split('=').next().unwrap_or_default();
        !NOT_IN_CONTAINERS.contains(&name)
    });
    let settings = fixed.chain(settings.iter().map(String::as_str));
    let pairs = settings.flat_map(|setting| ["-c".to_owned(), setting.to_owned()]);
    std::iter::once("postgres".to_owned()).chain(pairs).collect()
}

impl Control for ContainerServer {
    fn stop(&mut self, shutdown: Shutdown) -> Result<(), String> {
        self.container.stop(shutdown.signal())
    }

    fn start(&mut self) -> Result<(), String> {
        self.container.start()?;
        database::until_it_answers(&self.admin)
    }
}
