use std::future::{IntoFuture, Ready, ready};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Either};
use layerstore_record::{Key, Version};
use layerstore_record_store::{NewValue, Period, TrySet, WriteOptions};

use crate::error::Error;
use crate::map::log;
use crate::records::Records;

/// A write that is made when it is awaited.
#[must_use = "nothing is written until this is awaited"]
pub struct Set<'a> {
    records: &'a Records,
    record: Result<(Key, NewValue), Error>,
    options: WriteOptions,
}

/// The future of a [`Set`]: ready at once where the write needed neither I/O nor waiting.
pub type SetFuture<'a> = Either<Ready<Result<Version, Error>>, BoxFuture<'a, Result<Version, Error>>>;

impl<'a> Set<'a> {
    pub(crate) fn new(records: &'a Records, record: Result<(Key, NewValue), Error>) -> Self {
        Self {
            records,
            record,
            options: WriteOptions::new(),
        }
    }

    /// Ends the record this long after the write, instead of the map's default.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Period::Of(ttl);
        self
    }

    /// Ends the record when it was not read for this long, instead of the map's default.
    pub fn max_idle(mut self, max_idle: Duration) -> Self {
        self.options.max_idle = Period::Of(max_idle);
        self
    }

    /// Lets the record live for ever, whatever the map's defaults are.
    pub fn unlimited(mut self) -> Self {
        self.options = WriteOptions::unlimited();
        self
    }
}

impl<'a> IntoFuture for Set<'a> {
    type Output = Result<Version, Error>;
    type IntoFuture = SetFuture<'a>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            records,
            record,
            options,
        } = self;
        let tried = record.and_then(|(key, value)| {
            let tried = records.try_set(&key, value, &options)?;
            Ok((key, tried))
        });
        match tried {
            Err(error) => Either::Left(ready(Err(error))),
            Ok((_, TrySet::Done(outcome))) => {
                log(records.name(), outcome.observer_error.as_ref());
                Either::Left(ready(Ok(outcome.version.unwrap_or_default())))
            }
            Ok((key, TrySet::NeedsIo(value))) => Either::Right(write(records, key, value, options).boxed()),
        }
    }
}

async fn write(
    records: &Records,
    key: Key,
    value: NewValue,
    options: WriteOptions,
) -> Result<Version, Error> {
    let outcome = records.set(&key, value, &options).await?;
    log(records.name(), outcome.observer_error.as_ref());
    Ok(outcome.version.unwrap_or_default())
}
