use std::process::ExitCode;

/// How the command ends, as scripts branch on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything was done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The command line or the configuration cannot be. (clap ends with the same.)
    Usage = 2,
    /// A part was done: some lines were rejected.
    Partial = 3,
    /// There is no such record, map or store.
    NotFound = 4,
    /// The store cannot be reached, or another process has it.
    Unavailable = 5,
    /// What is stored cannot be what was written.
    Corrupt = 6,
    /// Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        // The discriminants are the codes, and each fits.
        Self::from(exit as u8)
    }
}
