//! The bucket in memory as a service of OpenDAL.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use opendal::raw::{
    OpCopy, OpCreateDir, OpDelete, OpList, OpPresign, OpRead, OpRename, OpStat, OpWrite, RpCreateDir,
    RpPresign, RpRead, RpRename, RpStat, Service, ServiceInfo, oio,
};
use opendal::{
    Buffer, BytesRange, Capability, Error, ErrorKind, Metadata, MetadataBuilder, OperationContext, Result,
};

use super::memory::{Object, ObjectMemory, Quirk};

/// Entries of one request.
const LISTED: usize = 1_000;

#[derive(Debug)]
pub(super) struct MemoryService {
    objects: ObjectMemory,
}

impl MemoryService {
    pub(super) fn new(objects: ObjectMemory) -> Self {
        Self { objects }
    }
}

fn unsupported() -> Error {
    Error::new(ErrorKind::Unsupported, "the bucket in memory cannot do this")
}

fn missing() -> Error {
    Error::new(ErrorKind::NotFound, "no such object")
}

fn refused() -> Error {
    Error::new(ErrorKind::ConditionNotMatch, "the condition does not hold")
}

/// Names a content, as a checksum would.
fn tag(bytes: &Buffer) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.to_vec().hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

fn metadata(object: &Object) -> Metadata {
    let mut metadata = MetadataBuilder::file(object.bytes.len() as u64);
    metadata.etag(tag(&object.bytes));
    metadata.user_metadata(object.user_metadata.clone());
    metadata.build()
}

/// What a writer says of its object.
fn marks(args: &OpWrite) -> HashMap<String, String> {
    let marks = args.user_metadata().into_iter().flatten();
    marks
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Returns an object, unless the caller has what is there.
fn wanted(object: Option<Object>, unless: Option<&str>) -> Result<Object> {
    let object = object.ok_or_else(missing)?;
    if unless.is_some_and(|known| known == tag(&object.bytes)) {
        return Err(refused());
    }
    Ok(object)
}

impl Service for MemoryService {
    type Reader = oio::StreamReader<MemoryReader>;
    type Writer = MemoryWriter;
    type Lister = oio::HierarchyLister<MemoryLister>;
    type Deleter = oio::OneShotDeleter<MemoryDeleter>;
    type Copier = ();
    type Composer = ();

    fn info(&self) -> ServiceInfo {
        ServiceInfo::new("object-memory", "/", "test")
    }

    fn capability(&self) -> Capability {
        Capability {
            stat: true,
            stat_with_if_none_match: true,
            read: true,
            read_with_if_none_match: true,
            write: true,
            write_with_user_metadata: true,
            write_can_empty: true,
            write_with_if_match: true,
            write_with_if_not_exists: true,
            delete: true,
            delete_with_if_match: true,
            list: true,
            list_with_recursive: true,
            list_with_limit: true,
            list_with_start_after: true,
            ..Capability::default()
        }
    }

    async fn create_dir(&self, _: &OperationContext, _: &str, _: OpCreateDir) -> Result<RpCreateDir> {
        Err(unsupported())
    }

    async fn stat(&self, _: &OperationContext, path: &str, args: OpStat) -> Result<RpStat> {
        let object = wanted(self.objects.get(path), args.if_none_match())?;
        Ok(RpStat::new(metadata(&object)))
    }

    fn read(&self, _: &OperationContext, path: &str, args: OpRead) -> Result<Self::Reader> {
        Ok(oio::StreamReader::new(MemoryReader {
            objects: self.objects.clone(),
            path: path.to_owned(),
            unless: args.if_none_match().map(str::to_owned),
        }))
    }

    fn write(&self, _: &OperationContext, path: &str, args: OpWrite) -> Result<Self::Writer> {
        Ok(MemoryWriter {
            objects: self.objects.clone(),
            path: path.to_owned(),
            args,
            parts: Vec::new(),
        })
    }

    fn delete(&self, _: &OperationContext) -> Result<Self::Deleter> {
        Ok(oio::OneShotDeleter::new(MemoryDeleter {
            objects: self.objects.clone(),
        }))
    }

    fn list(&self, _: &OperationContext, path: &str, args: OpList) -> Result<Self::Lister> {
        let after = args
            .start_after()
            .filter(|_| !self.objects.is(Quirk::IgnoresStartAfter));
        let lister = MemoryLister {
            objects: self.objects.clone(),
            prefix: path.trim_start_matches('/').to_owned(),
            after: after.map(str::to_owned),
            page: VecDeque::new(),
        };
        Ok(oio::HierarchyLister::new(lister, path, args.recursive()))
    }

    fn copy(&self, _: &OperationContext, _: &str, _: &str, _: OpCopy) -> Result<Self::Copier> {
        Err(unsupported())
    }

    async fn rename(&self, _: &OperationContext, _: &str, _: &str, _: OpRename) -> Result<RpRename> {
        Err(unsupported())
    }

    async fn presign(&self, _: &OperationContext, _: &str, _: OpPresign) -> Result<RpPresign> {
        Err(unsupported())
    }
}

pub(super) struct MemoryReader {
    objects: ObjectMemory,
    path: String,
    /// The tag that the caller has.
    unless: Option<String>,
}

impl oio::StreamRead for MemoryReader {
    async fn open(&self, range: BytesRange) -> Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        let object = wanted(self.objects.get(&self.path), self.unless.as_deref())?;
        let read = RpRead::new(metadata(&object));
        let content = object.bytes.slice(range.to_content_range(object.bytes.len())?);
        Ok((read, Box::new(content)))
    }
}

pub(super) struct MemoryWriter {
    objects: ObjectMemory,
    path: String,
    args: OpWrite,
    parts: Vec<Buffer>,
}

impl oio::Write for MemoryWriter {
    async fn write(&mut self, part: Buffer) -> Result<()> {
        self.parts.push(part);
        Ok(())
    }

    async fn close(&mut self) -> Result<Metadata> {
        let object = Object {
            bytes: self.parts.iter().cloned().flatten().collect(),
            user_metadata: marks(&self.args),
        };
        let written = metadata(&object);
        let made = self.objects.put(&self.path, object, |found| {
            let absent = !self.args.if_not_exists() || found.is_none();
            let unchanged = self
                .args
                .if_match()
                .is_none_or(|wanted| found.is_some_and(|found| tag(&found.bytes) == wanted));
            absent && unchanged
        });
        if made { Ok(written) } else { Err(refused()) }
    }

    async fn abort(&mut self) -> Result<()> {
        self.parts.clear();
        Ok(())
    }
}

pub(super) struct MemoryDeleter {
    objects: ObjectMemory,
}

impl oio::OneShotDelete for MemoryDeleter {
    async fn delete_once(&self, path: String, args: OpDelete) -> Result<()> {
        let gone = self.objects.delete(&path, |found| {
            args.if_match()
                .is_none_or(|wanted| found.is_some_and(|found| tag(&found.bytes) == wanted))
        });
        if gone { Ok(()) } else { Err(refused()) }
    }
}

pub(super) struct MemoryLister {
    objects: ObjectMemory,
    prefix: String,
    after: Option<String>,
    page: VecDeque<(String, u64)>,
}

impl oio::List for MemoryLister {
    async fn next(&mut self) -> Result<Option<oio::Entry>> {
        if self.page.is_empty() {
            self.page = self
                .objects
                .list(&self.prefix, self.after.as_deref(), LISTED)
                .into();
            let last = self.page.back().map(|(path, _)| path.clone());
            self.after = last.or(self.after.take());
        }
        let entry = |(path, len): (String, u64)| oio::Entry::new(&path, MetadataBuilder::file(len).build());
        Ok(self.page.pop_front().map(entry))
    }
}
