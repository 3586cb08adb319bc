use std::fmt;

use super::provider::Provider;

/// Says why a service could not be had, and what to do about it, in one line. `Debug` says the same, so that `unwrap` in a
/// test shows it.
#[derive(Clone)]
pub struct Unavailable {
    service: &'static str,
    remedy: &'static str,
    reasons: Vec<(Provider, String)>,
}

impl Unavailable {
    pub(super) fn new(service: &'static str, remedy: &'static str, reasons: Vec<(Provider, String)>) -> Self {
        Self {
            service,
            remedy,
            reasons,
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no {} for tests: ", self.service)?;
        for (provider, why) in &self.reasons {
            write!(f, "{provider}: {}; ", why.replace('\n', " | "))?;
        }
        f.write_str(self.remedy)
    }
}

impl fmt::Debug for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Unavailable {}
