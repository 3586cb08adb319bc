//! OpenDAL's operator as the object store that SlateDB asks for.
//!
//! SlateDB marks each conditional write with a number, so that after a lost answer it can tell its own object from a rival's.
//! The bridge that OpenDAL publishes leaves such marks away where an object is written in one piece; they are put back here, where
//! the service keeps them.

use std::fmt;

use async_trait::async_trait;
use futures::stream::BoxStream;
use layerstore_opendal::opendal::{self, Operator};
use object_store_opendal::OpendalStore;
use slatedb::object_store::path::Path;
use slatedb::object_store::{
    Attribute, CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Objects {
    operator: Operator,
    bridge: OpendalStore,
}

impl Objects {
    pub(crate) fn new(operator: Operator) -> Self {
        Self {
            bridge: OpendalStore::new(operator.clone()),
            operator,
        }
    }

    /// Writes an object, with its marks, if there is none.
    async fn create(&self, location: &Path, payload: PutPayload, options: &PutOptions) -> Result<PutResult> {
        let marks = options.attributes.iter().filter_map(|(name, value)| match name {
            Attribute::Metadata(name) => Some((name.to_string(), value.to_string())),
            _ => None,
        });
        let bytes: opendal::Buffer = opendal::Buffer::from_iter(payload);
        let writing = self
            .operator
            .write_with(location.as_ref(), bytes)
            .if_not_exists(true)
            .user_metadata(marks);
        let written = writing.await.map_err(|error| refused(location, error))?;
        Ok(PutResult {
            e_tag: written.etag().map(str::to_owned),
            version: written.version().map(str::to_owned),
            extensions: Default::default(),
        })
    }
}

fn refused(location: &Path, error: opendal::Error) -> Error {
    let path = location.to_string();
    match error.kind() {
        opendal::ErrorKind::ConditionNotMatch | opendal::ErrorKind::AlreadyExists => Error::AlreadyExists {
            path,
            source: error.into(),
        },
        opendal::ErrorKind::PermissionDenied => Error::PermissionDenied {
            path,
            source: error.into(),
        },
        _ => Error::Generic {
            store: "opendal",
            source: error.into(),
        },
    }
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bridge)
    }
}

#[async_trait]
impl ObjectStore for Objects {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let keeps_marks = self.operator.info().capability().write_with_user_metadata;
        match options.mode {
            PutMode::Create if keeps_marks => self.create(location, payload, &options).await,
            _ => self.bridge.put_opts(location, payload, options).await,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.bridge.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let asks_for_news = options.if_none_match.is_some();
        match self.bridge.get_opts(location, options).await {
            // What the caller has is still what is there: the bridge takes it for a condition that failed.
            Err(Error::Precondition { path, source }) if asks_for_news => {
                Err(Error::NotModified { path, source })
            }
            got => got,
        }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.bridge.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.bridge.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.bridge.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.bridge.copy_opts(from, to, options).await
    }
}
