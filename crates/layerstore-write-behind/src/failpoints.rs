//! The steps between which a crash or a failure makes a difference, each with a name and one place in the sources.
//!
//! With the feature `failpoints` whoever opens a log or a store may hand in [`FailpointPlan`], which is told of each step, and lets it fail,
//! take long, or end the process there. Nobody ships that: it is how every step is proven to be survived. Without the feature nothing is left
//! of a step; with it, and with nothing handed in, a look at an option.
//!
//! Why not the crate `fail`, which is kept and would do: its points are of the whole process, behind one lock, so that tests that share a
//! process would meet those of others; and it takes long by putting a thread to sleep, which no worker of a runtime may, and which no
//! paused clock shortens. A hundred lines of ours belong to one store, and wait as a future where a future runs.

use std::io;

macro_rules! failpoints {
    ($($(#[doc = $doc:literal])+ $point:ident = $name:literal in $place:ident,)+) => {
        /// A step of the log or of the store before whose end, or after it, a crash or a failure has an outcome of its own.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "failpoints", non_exhaustive)]
        #[cfg_attr(not(feature = "failpoints"), expect(unreachable_pub, reason = "public with the feature `failpoints`"))]
        pub enum Failpoint {
            $($(#[doc = $doc])+ $point,)+
        }

        #[cfg(feature = "failpoints")]
        impl Failpoint {
            /// Every step there is.
            pub const ALL: &[Self] = &[$(Self::$point,)+];

            /// Returns the name, in errors and reports.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)+
                }
            }

            /// Tells where it runs.
            #[must_use]
            pub fn runs(self) -> Runs {
                match self {
                    $(Self::$point => Runs::$place,)+
                }
            }
        }
    };
}

failpoints! {
    /// There is no log: before it is begun.
    LogBegin = "log-begin" in Thread,
    /// Before a new file of the log is created under its unfinished name.
    FileCreate = "file-create" in Thread,
    /// A new file is there and empty: before it is written.
    FileWrite = "file-write" in Thread,
    /// A new file is written: before it is synced.
    FileSync = "file-sync" in Thread,
    /// A new file is synced: before it gets its name.
    FileRename = "file-rename" in Thread,
    /// A new file has its name: before that is synced.
    FileRenamed = "file-renamed" in Thread,
    /// The name of a new file is synced.
    FileNamed = "file-named" in Thread,
    /// Opening: before the files are listed.
    RecoverList = "recover-list" in Thread,
    /// Opening: before a file is read.
    RecoverRead = "recover-read" in Thread,
    /// Opening: everything was read; before the next segment is begun, with what is written anew.
    RecoverSegment = "recover-segment" in Thread,
    /// Opening: the next segment is there; before the sidecar says so.
    RecoverMark = "recover-mark" in Thread,
    /// Opening: before what a crash left over is removed.
    RecoverTidy = "recover-tidy" in Thread,
    /// Opening: the log is open; before anyone knows.
    RecoverEnd = "recover-end" in Thread,
    /// Before a group is written.
    GroupWrite = "group-write" in Thread,
    /// A group is written and not synced.
    GroupWritten = "group-written" in Thread,
    /// Before the segment is synced.
    SegmentSync = "segment-sync" in Thread,
    /// The segment is synced; before anything says so.
    SegmentSynced = "segment-synced" in Thread,
    /// Before a slot of the sidecar is written.
    SidecarWrite = "sidecar-write" in Thread,
    /// A slot of the sidecar is written; before it is synced, where it is.
    SidecarWritten = "sidecar-written" in Thread,
    /// A slot of the sidecar is synced.
    SidecarSynced = "sidecar-synced" in Thread,
    /// The segment before is synced; before the next is begun.
    RotateCreate = "rotate-create" in Thread,
    /// The next segment is there; before the sidecar says so.
    RotateMark = "rotate-mark" in Thread,
    /// Before an entry is read back.
    EntryRead = "entry-read" in Thread,
    /// What is pending of the first segment was read; before its copies are written.
    CopyWrite = "copy-write" in Thread,
    /// Copies are written; before the first segment goes.
    CopyWritten = "copy-written" in Thread,
    /// Nobody misses some segments, and that is durable; before they are removed.
    DropUnlink = "drop-unlink" in Thread,
    /// A file is removed; before that is synced.
    Unlinked = "unlinked" in Thread,
    /// Before entries that are done are taken for it. Failing here is losing the word.
    DoneTold = "done-told" in Thread,
    /// Closing: all is synced; before the log is sealed.
    Seal = "seal" in Thread,
    /// Closing: the log is sealed.
    Sealed = "sealed" in Thread,
    /// Opening: before a part of what is pending is read from the log.
    TakeOver = "take-over" in Runtime,
    /// Opening: all that is pending is queued; before the worker starts.
    TakenOver = "taken-over" in Runtime,
    /// Before a map is claimed of the store behind.
    Claim = "claim" in Runtime,
    /// The store behind has granted a claim; before anyone knows.
    Claimed = "claimed" in Runtime,
    /// A write is judged and has room; before it is appended to the log.
    LogAppend = "log-append" in Runtime,
    /// The log has a write; before it is queued and acknowledged.
    LogAppended = "log-appended" in Runtime,
    /// A batch was taken from the queue; before anything is done about it.
    BatchTaken = "batch-taken" in Runtime,
    /// Before what was spilled is read back from the log.
    SpillRead = "spill-read" in Runtime,
    /// Before writes are made by the store behind.
    Apply = "apply" in Runtime,
    /// The store behind has made writes; before anyone knows.
    Applied = "applied" in Runtime,
    /// A write was refused for good; before its dead letter is appended.
    Bury = "bury" in Runtime,
    /// A dead letter is in the log; before it takes the place of its write.
    Buried = "buried" in Runtime,
    /// The store behind has cleared a map; before what is pending of it is dropped.
    Cleared = "cleared" in Runtime,
    /// What is pending was brought to the store behind; before that purges.
    Purge = "purge" in Runtime,
    /// A flush has brought everything to the store behind; before that is flushed.
    FlushBehind = "flush-behind" in Runtime,
    /// The store behind is flushed; before the flush returns.
    FlushedBehind = "flushed-behind" in Runtime,
    /// Closing: what could be brought to the store behind is there; before the worker ends.
    CloseWorker = "close-worker" in Runtime,
    /// Closing: the worker has ended; before the log is closed.
    CloseLog = "close-log" in Runtime,
    /// Closing: the log is closed; before the store behind is.
    CloseBehind = "close-behind" in Runtime,
}

#[cfg(not(feature = "failpoints"))]
mod absent {
    use super::{Failpoint, io};

    /// Nothing, without the feature `failpoints`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Failpoints;

    /// Nobody can make one.
    pub(crate) enum Failed {}

    impl Failed {
        pub(crate) fn text(&self) -> String {
            match *self {}
        }
    }

    impl Failpoints {
        pub(crate) fn none() -> Self {
            Self
        }

        #[inline]
        pub(crate) fn pass(&self, _at: Failpoint) -> io::Result<()> {
            Ok(())
        }

        #[inline]
        pub(crate) async fn reach(&self, _at: Failpoint) -> Result<(), Failed> {
            Ok(())
        }
    }
}

#[cfg(not(feature = "failpoints"))]
pub(crate) use absent::{Failed, Failpoints};

#[cfg(feature = "failpoints")]
mod present {
    use std::fmt;
    use std::sync::Arc;

    use futures::future::BoxFuture;

    use super::{Failpoint, io};

    /// Where a step runs.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Runs {
        /// On the thread of the log: whoever wants it to take long blocks it.
        Thread,
        /// On the runtime, where nothing may block: whoever wants it to take long returns [`Reaction::Wait`].
        Runtime,
    }

    /// Is told of each step.
    pub trait FailpointPlan: fmt::Debug + Send + Sync {
        /// Says what becomes of a step that is about to be passed. May end the process.
        fn reach(&self, at: Failpoint) -> Reaction;
    }

    /// What becomes of a step.
    #[non_exhaustive]
    pub enum Reaction {
        /// It is passed.
        Go,
        /// It fails, as what it does or follows fails.
        Fail,
        /// It fails for want of space, where it is one of the log's.
        Full,
        /// It is passed when this has come to its end; on the thread of the log, at once.
        Wait(BoxFuture<'static, ()>),
    }

    /// Whom a log or a store tells of its steps, if anyone.
    #[derive(Debug, Clone)]
    pub(crate) struct Failpoints(Option<Arc<dyn FailpointPlan>>);

    /// A step failed.
    pub(crate) struct Failed(Failpoint);

    impl Failed {
        pub(crate) fn text(&self) -> String {
            format!("the failpoint {} was told to fail", self.0.name())
        }
    }

    /// They are no setting: options that differ in nothing else are the same.
    impl PartialEq for Failpoints {
        fn eq(&self, _other: &Self) -> bool {
            true
        }
    }

    impl Eq for Failpoints {}

    impl Failpoints {
        pub(crate) fn none() -> Self {
            Self(None)
        }

        pub(crate) fn told_to(failpoints: Arc<dyn FailpointPlan>) -> Self {
            Self(Some(failpoints))
        }

        /// Passes a step on the thread of the log.
        pub(crate) fn pass(&self, at: Failpoint) -> io::Result<()> {
            let Some(failpoints) = &self.0 else { return Ok(()) };
            match failpoints.reach(at) {
                Reaction::Go | Reaction::Wait(_) => Ok(()),
                Reaction::Fail => Err(io::Error::other(Failed(at).text())),
                Reaction::Full => Err(io::Error::new(io::ErrorKind::StorageFull, Failed(at).text())),
            }
        }

        /// Passes a step on the runtime.
        pub(crate) async fn reach(&self, at: Failpoint) -> Result<(), Failed> {
            let Some(failpoints) = &self.0 else { return Ok(()) };
            match failpoints.reach(at) {
                Reaction::Go => Ok(()),
                Reaction::Fail | Reaction::Full => Err(Failed(at)),
                Reaction::Wait(until) => {
                    until.await;
                    Ok(())
                }
            }
        }
    }
}

#[cfg(feature = "failpoints")]
pub(crate) use present::{Failed, Failpoints};
#[cfg(feature = "failpoints")]
pub use present::{FailpointPlan, Reaction, Runs};
