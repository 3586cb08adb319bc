//! MinIO in a container.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{GenericImage, ImageExt};
use url::Url;

use super::{Endpoint, Kept, Server};
use crate::services::engine::{Container, Image};
use crate::services::runtime;

const IMAGE: Image = Image {
    variable: "LAYERSTORE_TEST_S3_IMAGE",
    names: &["minio/minio:latest"],
};

const PORT: u16 = 9000;

const ACCESS_KEY: &str = "layerstore";

/// What it prints when it takes requests.
const READY: &str = "API:";

/// How long a container may take from its making to its first request.
const DEADLINE: Duration = Duration::from_secs(120);

/// Starts a server in a container.
pub(super) fn start() -> Result<Server, String> {
    let (image, tag) = IMAGE.find()?;
    let random = || RandomState::new().hash_one(0_u8);
    let container = Container::reserve(format!("layerstore-s3-{:016x}", random()))?;
    let secret_key = format!("{:016x}", random());
    let request = GenericImage::new(&*image, &*tag)
        .with_wait_for(WaitFor::message_on_either_std(READY))
        .with_exposed_port(PORT.tcp())
        .with_container_name(container.name())
        .with_env_var("MINIO_ROOT_USER", ACCESS_KEY)
        .with_env_var("MINIO_ROOT_PASSWORD", &secret_key)
        .with_startup_timeout(DEADLINE)
        .with_cmd(["server", "/data"]);
    let address = runtime::block_on(DEADLINE, async {
        let told = |error| format!("a container of {image}:{tag} does not start: {error}");
        let started = request.start().await.map_err(told)?;
        let host = started.get_host().await.map_err(told)?;
        let port = started.get_host_port_ipv4(PORT).await.map_err(told)?;
        // It would remove the container here and now. That is for its janitor, who also does it for a killed process.
        std::mem::forget(started);
        Ok(format!("http://{host}:{port}/"))
    })?;
    let url = Url::parse(&address).map_err(|error| format!("the address of a container: {error}"))?;
    Ok(Server {
        endpoint: Endpoint {
            url,
            access_key: ACCESS_KEY.to_owned(),
            secret_key,
        },
        _kept: Some(Kept::Container(container)),
    })
}
