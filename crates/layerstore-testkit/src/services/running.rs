//! All services at once, for many processes of tests.

use super::provider::Found;
use super::unavailable::Unavailable;
use super::{postgres, s3};

/// A server that can be named to other processes.
pub(super) trait Named: Send + 'static {
    /// What their environment is to say.
    fn environment(&self) -> Vec<(&'static str, String)>;
}

/// Every service, started. They end with this value.
#[derive(Default)]
pub struct Running {
    lines: Vec<String>,
    servers: Vec<Box<dyn Send>>,
}

impl Running {
    /// Starts what can be started.
    #[must_use]
    pub fn start() -> Self {
        let mut running = Self::default();
        running.take(postgres::SERVICE, postgres::find(&postgres::ORDER, &[]));
        running.take(s3::SERVICE, s3::find());
        running
    }

    /// What came of it: `NAME=VALUE` for the environment, and for people `PROVIDER …` for each service, `SKIPPED …` for each
    /// provider that was passed over, `FAILED …` for each service that there is not.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    fn take<S: Named>(&mut self, service: &str, found: Result<Found<S>, Unavailable>) {
        let found = match found {
            Ok(found) => found,
            Err(unavailable) => {
                self.lines.push(format!("FAILED {unavailable}"));
                return;
            }
        };
        self.lines.push(format!("PROVIDER {service}: {}", found.provider));
        for (provider, why) in &found.passed_over {
            let why = why.replace('\n', " | ");
            self.lines.push(format!("SKIPPED {service}, {provider}: {why}"));
        }
        let environment = found.server.environment();
        let named = environment
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"));
        self.lines.extend(named);
        self.servers.push(Box::new(found.server));
    }
}
