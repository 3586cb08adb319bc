//! Encrypted connections: what each mode asks of the server's certificate.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapDataStore, StoreError};
use layerstore_postgres::{PostgresDataStore, TlsMode};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use crate::server::Database;
use crate::support::{applied, key, map, number, put};

/// An authority that signs certificates, and the file to trust it by.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let file = folder.join(format!("{name}.pem"));
        std::fs::write(&file, issuer.pem()).unwrap();
        Self { issuer, file }
    }
}

/// Encrypts what comes in, with a certificate for `host`, and passes it on to a server. Ends when dropped.
struct Front {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Front {
    async fn before(server: &str, authority: &Authority, host: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority.issuer).unwrap();
        let private = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let server = server.to_owned();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(serve(client, acceptor.clone(), server.clone()));
            }
        });
        Self { address, task }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut client: TcpStream, acceptor: TlsAcceptor, server: String) -> std::io::Result<()> {
    let mut first = [0; 8];
    client.read_exact(&mut first).await?;
    // A client that does not ask for encryption is not served.
    if first[4..] != 80_877_103_u32.to_be_bytes() {
        return Ok(());
    }
    client.write_all(b"S").await?;
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect(server).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

#[tokio::test]
async fn each_mode_asks_what_it_says_of_the_certificate() {
    use TlsMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
    let (database, folder) = (Database::default(), tempfile::tempdir().unwrap());
    let server = database.get().await.server();
    let ours = Authority::new(folder.path(), "ours");
    let other = Authority::new(folder.path(), "other");
    let here = Front::before(&server, &ours, "127.0.0.1").await;
    let elsewhere = Front::before(&server, &ours, "elsewhere.example").await;
    let open = async |front: &Front, mode: TlsMode, root: Option<&Path>| {
        let url = database.get().await.url_through(front.address);
        let mut builder = PostgresDataStore::builder(url).tls(mode).pool_size(1);
        if mode == Disable {
            // Whoever is cut off before a word might be met by a server that starts.
            builder = builder.acquire_timeout(Duration::from_millis(500));
        }
        if let Some(root) = root {
            builder = builder.tls_root_certificate(root);
        }
        builder.connect().await
    };
    let (trusted, unknown) = (Some(ours.file.as_path()), Some(other.file.as_path()));
    let table = [
        (&here, VerifyFull, trusted, true),
        (&here, VerifyFull, unknown, false),
        (&here, VerifyFull, None, false),
        (&here, VerifyCa, trusted, true),
        (&here, VerifyCa, unknown, false),
        (&here, Require, trusted, true),
        (&here, Require, unknown, false),
        (&here, Require, None, true),
        (&here, Prefer, None, true),
        (&here, Disable, None, false),
        (&elsewhere, VerifyFull, trusted, false),
        (&elsewhere, VerifyCa, trusted, true),
        (&elsewhere, VerifyCa, unknown, false),
    ];
    for (place, (front, mode, root, opens)) in table.into_iter().enumerate() {
        match open(front, mode, root).await {
            Ok(store) => {
                assert!(
                    opens,
                    "row {place}: {mode:?} takes a certificate that it should refuse"
                );
                store.claim(&map("map")).await.unwrap();
                let value = place as u64 + 1;
                applied(&store, vec![put(&map("map"), &key("a"), value)]).await;
                assert_eq!(number(&store, &map("map"), &key("a")).await, Some(value));
            }
            Err(error) => {
                assert!(!opens, "row {place}: {mode:?}: {error}");
                told(&error);
            }
        }
    }
    let missing = folder.path().join("missing.pem");
    told(&open(&here, VerifyFull, Some(&missing)).await.unwrap_err());
}

/// The error says that there is no connection, and to where.
fn told(error: &StoreError) {
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(
        error.to_string().contains("no connection to 127.0.0.1:"),
        "{error}"
    );
}
