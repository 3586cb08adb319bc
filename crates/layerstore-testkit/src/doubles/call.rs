/// A method of a data store that a double can fail, hold up or note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Call {
    /// `claim`
    Claim,
    /// `apply`
    Apply,
    /// `try_apply`, which can be noted, but neither failed nor held up
    TryApply,
    /// `restate`, of a store that can
    Restate,
    /// `load`
    Load,
    /// `load_all`
    LoadAll,
    /// `scan_page`
    ScanPage,
    /// `list_maps`
    ListMaps,
    /// `clear`
    Clear,
    /// `purge`
    Purge,
    /// `soft_flush`, which can be noted, but neither failed nor held up
    SoftFlush,
    /// `hard_flush`
    HardFlush,
    /// `flush_key`
    FlushKey,
    /// `reset`, which can be noted, but neither failed nor held up
    Reset,
    /// `close`
    Close,
}

impl Call {
    /// Returns the name of the method.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Apply => "apply",
            Self::TryApply => "try_apply",
            Self::Restate => "restate",
            Self::Load => "load",
            Self::LoadAll => "load_all",
            Self::ScanPage => "scan_page",
            Self::ListMaps => "list_maps",
            Self::Clear => "clear",
            Self::Purge => "purge",
            Self::SoftFlush => "soft_flush",
            Self::HardFlush => "hard_flush",
            Self::FlushKey => "flush_key",
            Self::Reset => "reset",
            Self::Close => "close",
        }
    }
}
