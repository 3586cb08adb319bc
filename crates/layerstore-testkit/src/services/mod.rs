//! Servers for tests, without anything to install or to start by hand.
//!
//! | feature | function | what a test gets |
//! | --- | --- | --- |
//! | `services-postgres` | [`postgres()`] | an empty database in a shared server |
//! | | [`private_postgres`] | a server that it may stop and start |
//! | | [`pooler()`] | PgBouncer in transaction mode before its database |
//! | `services-s3` | [`s3()`] | an empty bucket in a shared server |
//!
//! Where a server comes from is tried in this order: an address in the environment; a container; the programs of this machine, or
//! for S3 a server inside the process; the distribution's packages, downloaded and unpacked under `target/services`. What is not
//! to be had is passed over, what was asked for and does not work is an error. A server that was started here ends with the
//! process that started it, also with one that is killed.

#[cfg(feature = "services-postgres")]
mod account;
#[cfg(feature = "services-containers")]
mod engine;
mod folders;
#[cfg(any(feature = "services-s3", feature = "services-containers"))]
mod janitor;
#[cfg(feature = "services-postgres")]
mod packages;
#[cfg(feature = "services-postgres")]
mod port;
#[cfg(feature = "services-postgres")]
mod postgres;
mod provider;
#[cfg(feature = "services")]
mod running;
mod runtime;
#[cfg(feature = "services-s3")]
mod s3;
#[cfg(feature = "services-postgres")]
mod supervisor;
mod unavailable;

#[cfg(all(feature = "services-postgres", feature = "services-containers"))]
pub use postgres::build_images;
#[cfg(feature = "services-postgres")]
pub use postgres::{
    POSTGRES_VARIABLE, PostgresDatabase, PostgresPooler, PrivatePostgres, Shutdown, pooler, postgres,
    private_postgres,
};
pub use provider::{PROVIDER_VARIABLE, Provider};
#[cfg(feature = "services")]
pub use running::Running;
#[cfg(feature = "services-s3")]
pub use s3::{S3_ACCESS_KEY_VARIABLE, S3_SECRET_KEY_VARIABLE, S3_VARIABLE, S3Bucket, s3};
pub use unavailable::Unavailable;
