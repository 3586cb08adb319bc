//! Stores as configuration files of a shop, with their secrets in files beside.

use layerstore_testkit::services::{PostgresDatabase, S3Bucket, postgres, s3};

use crate::shop::Shop;

/// A kind of store that the commands run over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Embedded,
    /// PostgreSQL with values as bytes.
    Bytes,
    /// PostgreSQL with values as `jsonb`.
    Jsonb,
    S3,
    /// S3 with many records an object.
    Packed,
    /// Embedded hot, files cold.
    Tiered,
}

/// What a store ends with.
#[derive(Default)]
pub(crate) struct Held {
    _database: Option<PostgresDatabase>,
    _bucket: Option<S3Bucket>,
}

impl Kind {
    /// Writes a configuration of an empty store of this kind, under this name.
    pub(crate) fn configure(self, shop: &Shop, file: &str) -> Held {
        let mut held = Held::default();
        let data_store = match self {
            Self::Embedded => format!("path = \"{file}.data\"\n"),
            Self::Bytes | Self::Jsonb => {
                let database = wait(postgres()).expect("a server");
                shop.write("database.url", database.url());
                held._database = Some(database);
                let format = if self == Self::Bytes { "bytes" } else { "jsonb" };
                of_postgres("database.url", &format!("value_format = \"{format}\"\n"))
            }
            Self::S3 | Self::Packed => {
                let bucket = wait(s3()).expect("a server");
                let text = of_s3(shop, &bucket, bucket.name(), bucket.secret_key());
                held._bucket = Some(bucket);
                if self == Self::Packed { packed(&text) } else { text }
            }
            Self::Tiered => {
                let cold = shop.path("cold").display().to_string();
                format!(
                    "kind = \"tiered\"\nage = \"1h\"\n[data_store.hot]\npath = \"{file}.data\"\n\
                     [data_store.cold]\nkind = \"object\"\nservice = \"fs\"\noptions = {{ root = {cold:?} }}\n"
                )
            }
        };
        shop.write(file, format!("format = 1\n[data_store]\n{data_store}"));
        held
    }
}

/// The settings of a database whose address is in a file.
pub(crate) fn of_postgres(url: &str, more: &str) -> String {
    format!("kind = \"postgres\"\nurl = {{ file = \"{url}\" }}\npool_size = 4\n{more}")
}

/// The settings of a bucket, with the keys in files.
pub(crate) fn of_s3(shop: &Shop, server: &S3Bucket, bucket: &str, secret: &str) -> String {
    shop.write("access.key", server.access_key());
    shop.write("secret.key", secret);
    format!(
        "kind = \"object\"\nservice = \"s3\"\n[data_store.options]\nbucket = \"{bucket}\"\nroot = \"/shop\"\n\
         endpoint = \"{}\"\nregion = \"{}\"\naccess_key_id = {{ file = \"access.key\" }}\n\
         secret_access_key = {{ file = \"secret.key\" }}\n",
        server.endpoint(),
        server.region()
    )
}

/// The settings of a bucket, for many records an object.
pub(crate) fn packed(text: &str) -> String {
    text.replace(
        "[data_store.options]",
        "layout = \"packed\"\n[data_store.options]",
    )
}

/// Waits for a service of the testkit.
pub(crate) fn wait<T>(made: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(made)
}
