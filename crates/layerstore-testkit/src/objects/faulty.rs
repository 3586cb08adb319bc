//! The layer that makes requests go wrong.

use std::sync::Arc;

use opendal::raw::{
    Layer, OpCopy, OpCreateDir, OpDelete, OpList, OpPresign, OpRead, OpRename, OpStat, OpWrite, RpCreateDir,
    RpPresign, RpRead, RpRename, RpStat, Service, ServiceInfo, Servicer, oio,
};
use opendal::{Buffer, BytesRange, Capability, Metadata, OperationContext, Result};

use super::faults::{Fault, ObjectFaults};

/// How many entries of a listing one request brings.
const ENTRIES: u64 = 1_000;

/// Makes requests of all verbs go wrong, as [`ObjectFaults`] decides.
#[derive(Debug, Clone)]
pub struct FaultyObjects {
    faults: ObjectFaults,
}

impl FaultyObjects {
    pub(super) fn new(faults: ObjectFaults) -> Self {
        Self { faults }
    }
}

impl Layer for FaultyObjects {
    fn apply_service(&self, inner: Servicer) -> Servicer {
        Arc::new(FaultyService {
            inner,
            faults: self.faults.clone(),
        })
    }
}

#[derive(Debug)]
struct FaultyService {
    inner: Servicer,
    faults: ObjectFaults,
}

impl FaultyService {
    /// Makes a request that may go wrong before or after it is carried out.
    async fn request<T>(&self, carry_out: impl Future<Output = Result<T>>) -> Result<T> {
        request(&self.faults, carry_out).await
    }
}

async fn request<T>(faults: &ObjectFaults, carry_out: impl Future<Output = Result<T>>) -> Result<T> {
    match faults.meet().await {
        None => carry_out.await,
        Some(Fault::AfterApply) => {
            carry_out.await?;
            Err(Fault::AfterApply.error())
        }
        Some(before) => Err(before.error()),
    }
}

impl Service for FaultyService {
    type Reader = FaultyReader;
    type Writer = FaultyWriter;
    type Lister = FaultyLister;
    type Deleter = FaultyDeleter;
    type Copier = oio::Copier;
    type Composer = ();

    fn info(&self) -> ServiceInfo {
        self.inner.info()
    }

    fn capability(&self) -> Capability {
        self.inner.capability()
    }

    async fn create_dir(&self, ctx: &OperationContext, path: &str, args: OpCreateDir) -> Result<RpCreateDir> {
        self.request(self.inner.create_dir(ctx, path, args)).await
    }

    async fn stat(&self, ctx: &OperationContext, path: &str, args: OpStat) -> Result<RpStat> {
        self.request(self.inner.stat(ctx, path, args)).await
    }

    fn read(&self, ctx: &OperationContext, path: &str, args: OpRead) -> Result<Self::Reader> {
        Ok(FaultyReader {
            inner: self.inner.read(ctx, path, args)?,
            path: path.to_owned(),
            faults: self.faults.clone(),
        })
    }

    fn write(&self, ctx: &OperationContext, path: &str, args: OpWrite) -> Result<Self::Writer> {
        Ok(FaultyWriter {
            inner: Arc::clone(&self.inner),
            ctx: ctx.clone(),
            path: path.to_owned(),
            args,
            parts: Vec::new(),
            faults: self.faults.clone(),
        })
    }

    fn delete(&self, ctx: &OperationContext) -> Result<Self::Deleter> {
        Ok(FaultyDeleter {
            inner: Arc::clone(&self.inner),
            ctx: ctx.clone(),
            faults: self.faults.clone(),
        })
    }

    fn list(&self, ctx: &OperationContext, path: &str, args: OpList) -> Result<Self::Lister> {
        Ok(FaultyLister {
            inner: self.inner.list(ctx, path, args)?,
            faults: self.faults.clone(),
            listed: 0,
            is_asked: false,
        })
    }

    fn copy(&self, ctx: &OperationContext, from: &str, to: &str, args: OpCopy) -> Result<Self::Copier> {
        self.inner.copy(ctx, from, to, args)
    }

    async fn rename(&self, ctx: &OperationContext, from: &str, to: &str, args: OpRename) -> Result<RpRename> {
        self.request(self.inner.rename(ctx, from, to, args)).await
    }

    async fn presign(&self, ctx: &OperationContext, path: &str, args: OpPresign) -> Result<RpPresign> {
        self.request(self.inner.presign(ctx, path, args)).await
    }
}

struct FaultyReader {
    inner: oio::Reader,
    path: String,
    faults: ObjectFaults,
}

impl oio::Read for FaultyReader {
    async fn open(&self, range: BytesRange) -> Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        match self.faults.meet_read(&self.path).await {
            None | Some(Fault::Late) => self.inner.open(range).await,
            Some(Fault::ShortRead) => {
                let (read, inner) = self.inner.open(range).await?;
                Ok((read, Box::new(ShortStream { inner: Some(inner) })))
            }
            Some(fault) => Err(fault.error()),
        }
    }

    async fn read(&self, range: BytesRange) -> Result<(RpRead, Buffer)> {
        request(&self.faults, self.inner.read(range)).await
    }
}

/// Ends half way through the first part.
struct ShortStream {
    inner: Option<Box<dyn oio::ReadStreamDyn>>,
}

impl oio::ReadStream for ShortStream {
    async fn read(&mut self) -> Result<Buffer> {
        let Some(mut inner) = self.inner.take() else {
            return Err(Fault::ShortRead.error());
        };
        let part = inner.read().await?;
        if part.len() < 2 {
            return Err(Fault::ShortRead.error());
        }
        Ok(part.slice(..part.len() / 2))
    }
}

struct FaultyWriter {
    inner: Servicer,
    ctx: OperationContext,
    path: String,
    args: OpWrite,
    parts: Vec<Buffer>,
    faults: ObjectFaults,
}

/// Writes an object whole: what a request with a body does.
async fn write(
    inner: Servicer,
    ctx: OperationContext,
    path: String,
    args: OpWrite,
    parts: Vec<Buffer>,
) -> Result<Metadata> {
    let mut writer = inner.write(&ctx, &path, args)?;
    for part in parts {
        oio::Write::write(&mut writer, part).await?;
    }
    oio::Write::close(&mut writer).await
}

impl FaultyWriter {
    fn carry_out(&self) -> impl Future<Output = Result<Metadata>> + Send + 'static {
        write(
            Arc::clone(&self.inner),
            self.ctx.clone(),
            self.path.clone(),
            self.args.clone(),
            self.parts.clone(),
        )
    }
}

impl oio::Write for FaultyWriter {
    async fn write(&mut self, part: Buffer) -> Result<()> {
        self.parts.push(part);
        Ok(())
    }

    async fn close(&mut self) -> Result<Metadata> {
        match self.faults.meet_write(&self.path).await {
            None => self.carry_out().await,
            Some(Fault::AfterApply) => {
                self.carry_out().await?;
                Err(Fault::AfterApply.error())
            }
            Some(Fault::Late) => {
                let late = self.carry_out();
                self.faults.hold_back(Box::pin(async move { drop(late.await) }));
                Err(Fault::Late.error())
            }
            Some(before) => Err(before.error()),
        }
    }

    async fn abort(&mut self) -> Result<()> {
        self.parts.clear();
        Ok(())
    }
}

struct FaultyDeleter {
    inner: Servicer,
    ctx: OperationContext,
    faults: ObjectFaults,
}

async fn delete(inner: Servicer, ctx: OperationContext, path: String, args: OpDelete) -> Result<()> {
    let mut deleter = inner.delete(&ctx)?;
    oio::Delete::delete(&mut deleter, &path, args).await?;
    oio::Delete::close(&mut deleter).await
}

impl oio::Delete for FaultyDeleter {
    async fn delete(&mut self, path: &str, args: OpDelete) -> Result<()> {
        let carry_out = delete(Arc::clone(&self.inner), self.ctx.clone(), path.to_owned(), args);
        match self.faults.meet().await {
            None => carry_out.await,
            Some(Fault::AfterApply) => {
                carry_out.await?;
                Err(Fault::AfterApply.error())
            }
            Some(Fault::Late) => {
                self.faults
                    .hold_back(Box::pin(async move { drop(carry_out.await) }));
                Err(Fault::Late.error())
            }
            Some(before) => Err(before.error()),
        }
    }

    async fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

struct FaultyLister {
    inner: oio::Lister,
    faults: ObjectFaults,
    listed: u64,
    /// Whether the request for what comes next has gone well.
    is_asked: bool,
}

impl oio::List for FaultyLister {
    async fn next(&mut self) -> Result<Option<oio::Entry>> {
        if !self.is_asked {
            if let Some(fault) = self.faults.meet().await {
                return Err(fault.error());
            }
            self.is_asked = true;
        }
        let entry = self.inner.next().await?;
        self.listed += 1;
        if self.listed.is_multiple_of(ENTRIES) {
            self.is_asked = false;
        }
        Ok(entry)
    }
}
