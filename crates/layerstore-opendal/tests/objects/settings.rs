//! What a configuration may say.

use layerstore_data_store::ErrorKind;
use layerstore_opendal::OpendalDataStore;

use crate::support::options;

async fn refused(service: &str, settings: &[(&str, &str)]) -> String {
    let settings = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let error = OpendalDataStore::open(service, settings, options())
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
    let all = format!("{error} {error:?}");
    assert!(!all.contains("hunter2"), "{all}");
    error.to_string()
}

#[tokio::test]
async fn a_service_that_is_not_known_is_named_with_those_that_are() {
    let text = refused("ftp", &[]).await;
    assert!(text.contains("\"ftp\"") && text.contains("azblob"), "{text}");
}

#[tokio::test]
async fn a_misspelt_setting_is_named() {
    for service in ["memory", "fs", "s3", "gcs", "azblob"] {
        let text = refused(service, &[("secret_acces_key", "hunter2")]).await;
        assert!(
            text.contains("secret_acces_key") && text.contains(service),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_setting_that_is_missing_is_told_without_the_others() {
    let text = refused("s3", &[("secret_access_key", "hunter2")]).await;
    assert!(text.contains("s3"), "{text}");
    refused("fs", &[]).await;
}
