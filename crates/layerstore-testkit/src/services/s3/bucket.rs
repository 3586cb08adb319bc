//! A bucket for one test.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::SocketAddr;

use super::client::Client;
use super::{Endpoint, REGION};

/// An empty bucket of its own for one test, emptied and deleted with this value.
#[derive(Debug)]
pub struct S3Bucket {
    name: String,
    endpoint: Endpoint,
}

impl S3Bucket {
    /// Makes a bucket; blocks.
    pub(super) fn create(endpoint: Endpoint) -> Result<Self, String> {
        let name = format!("layerstore-test-{:016x}", RandomState::new().hash_one(0_u8));
        Client::new(&endpoint, &name)?.create()?;
        Ok(Self { name, endpoint })
    }

    /// Returns the settings of a place in the bucket, by OpenDAL's names.
    #[must_use]
    pub fn settings(&self, root: &str) -> Vec<(String, String)> {
        let settings = [
            ("bucket", self.name()),
            ("root", root),
            ("endpoint", self.endpoint()),
            ("region", self.region()),
            ("access_key_id", self.access_key()),
            ("secret_access_key", self.secret_key()),
            ("disable_config_load", "true"),
            ("disable_ec2_metadata", "true"),
        ];
        settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its server, as `http://host:port/`. Buckets are in the path, not in the host's name.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.endpoint.url.as_str()
    }

    /// Host and port of its server, as a proxy wants them.
    #[must_use]
    pub fn server(&self) -> String {
        let url = &self.endpoint.url;
        let port = url.port_or_known_default().unwrap_or(80);
        format!("{}:{port}", url.host_str().unwrap_or("localhost"))
    }

    /// Its server by way of somebody who listens at `address`, as a proxy does.
    #[must_use]
    pub fn endpoint_through(&self, address: SocketAddr) -> String {
        format!("http://{address}/")
    }

    /// The region that requests are to be signed for.
    #[must_use]
    pub fn region(&self) -> &str {
        REGION
    }

    /// The access key of its owner.
    #[must_use]
    pub fn access_key(&self) -> &str {
        &self.endpoint.access_key
    }

    /// The secret key of its owner.
    #[must_use]
    pub fn secret_key(&self) -> &str {
        &self.endpoint.secret_key
    }
}

impl Drop for S3Bucket {
    #[expect(
        clippy::print_stdout,
        reason = "the test harness captures it and shows it when the test fails"
    )]
    fn drop(&mut self) {
        let deleted = Client::new(&self.endpoint, &self.name).and_then(|client| client.delete());
        if let Err(why) = deleted {
            println!("bucket {} stays: {why}", self.name);
        }
    }
}
