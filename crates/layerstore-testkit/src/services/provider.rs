//! Which of several ways to come by a server is taken: the first that is ready.

use std::fmt;

use super::unavailable::Unavailable;

/// Environment variable that leaves only containers (`container`) or only what is no container (`native`).
pub const PROVIDER_VARIABLE: &str = "LAYERSTORE_TEST_PROVIDER";

/// A way to come by a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Somebody else's server, named in the environment.
    Address,
    /// A container of an engine that answers.
    Container,
    /// The programs of this machine.
    Native,
    /// The distribution's packages, downloaded and unpacked under `target/services`.
    Download,
    /// A server inside of the process that asks for it.
    InProcess,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "address",
            Self::Container => "container",
            Self::Native => "native",
            Self::Download => "download",
            Self::InProcess => "in process",
        })
    }
}

/// What trying a provider came to.
#[derive(Debug)]
pub(super) enum Probe<S> {
    /// It gives a server.
    Ready(S),
    /// Nobody asked for it, and nobody misses it.
    Unasked,
    /// This machine does not have it, for this reason.
    Missing(String),
    /// It was asked for by name and does not work: another in its place would not be what was asked for.
    Broken(String),
}

/// A server and how it was come by.
#[derive(Debug)]
pub(super) struct Found<S> {
    pub(super) server: S,
    pub(super) provider: Provider,
    /// What was tried before, and why it could not be.
    pub(super) passed_over: Vec<(Provider, String)>,
}

impl<S> Found<S> {
    /// Prints where the server of this process comes from.
    #[expect(
        clippy::print_stdout,
        reason = "the test harness captures it and shows it when the test fails"
    )]
    pub(super) fn tell(&self) {
        println!("servers of this test: {}", self.provider);
        for (provider, why) in &self.passed_over {
            println!("not {provider}: {why}");
        }
    }
}

/// Which providers may be taken beside an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    All,
    Container,
    Native,
}

impl Allowed {
    /// Reads what `LAYERSTORE_TEST_PROVIDER` says.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, String> {
        match text {
            None | Some("") => Ok(Self::All),
            Some("container") => Ok(Self::Container),
            Some("native") => Ok(Self::Native),
            Some(_) => Err(format!("{PROVIDER_VARIABLE} must be `container` or `native`")),
        }
    }

    fn holds(self, provider: Provider) -> bool {
        match self {
            Self::All => true,
            _ if provider == Provider::Address => true,
            Self::Container => provider == Provider::Container,
            Self::Native => provider != Provider::Container,
        }
    }
}

/// Tries the allowed providers of `order` until one is ready.
///
/// # Errors
/// What each of them lacks, and the remedy.
pub(super) fn first<S>(
    service: &'static str,
    remedy: &'static str,
    order: &[Provider],
    allowed: Allowed,
    mut probe: impl FnMut(Provider) -> Probe<S>,
) -> Result<Found<S>, Unavailable> {
    let mut passed_over = Vec::new();
    for provider in order.iter().copied().filter(|provider| allowed.holds(*provider)) {
        match probe(provider) {
            Probe::Ready(server) => {
                return Ok(Found {
                    server,
                    provider,
                    passed_over,
                });
            }
            Probe::Unasked => {}
            Probe::Missing(why) => passed_over.push((provider, why)),
            Probe::Broken(why) => {
                return Err(Unavailable::new(service, remedy, vec![(provider, why)]));
            }
        }
    }
    Err(Unavailable::new(service, remedy, passed_over))
}

#[cfg(test)]
mod tests {
    use super::{Allowed, Probe, Provider, first};

    const ORDER: [Provider; 4] = [
        Provider::Address,
        Provider::Container,
        Provider::Native,
        Provider::Download,
    ];

    fn missing(why: &str) -> Probe<u8> {
        Probe::Missing(why.to_owned())
    }

    #[test]
    fn an_address_comes_before_everything_and_nothing_else_is_tried() {
        let mut tried = vec![];
        let found = first("PostgreSQL", "", &ORDER, Allowed::Container, |provider| {
            tried.push(provider);
            Probe::Ready(1)
        })
        .unwrap();
        assert_eq!(
            (found.provider, tried),
            (Provider::Address, vec![Provider::Address])
        );
    }

    #[test]
    fn what_was_passed_over_is_named_with_its_reason_and_what_nobody_asked_for_is_not() {
        let found = first(
            "PostgreSQL",
            "",
            &ORDER,
            Allowed::All,
            |provider| match provider {
                Provider::Address => Probe::Unasked,
                Provider::Container => missing("no engine"),
                Provider::Native => Probe::Ready(7),
                _ => panic!("{provider} was tried after one was ready"),
            },
        )
        .unwrap();
        assert_eq!((found.provider, found.server), (Provider::Native, 7));
        assert_eq!(found.passed_over, [(Provider::Container, "no engine".to_owned())]);
    }

    #[test]
    fn what_was_asked_for_and_is_broken_is_not_replaced() {
        let failure = first(
            "PostgreSQL",
            "start it",
            &ORDER,
            Allowed::All,
            |provider| match provider {
                Provider::Address => Probe::Broken("does not answer".to_owned()),
                _ => Probe::Ready(1),
            },
        )
        .unwrap_err()
        .to_string();
        assert!(failure.contains("address: does not answer"), "{failure}");
    }

    #[test]
    fn only_what_is_allowed_is_tried() {
        for (allowed, expected) in [
            (Allowed::Container, vec![Provider::Address, Provider::Container]),
            (
                Allowed::Native,
                vec![Provider::Address, Provider::Native, Provider::Download],
            ),
            (Allowed::All, ORDER.to_vec()),
        ] {
            let mut tried = vec![];
            let none = first("PostgreSQL", "", &ORDER, allowed, |provider| {
                tried.push(provider);
                missing("not here")
            });
            assert!(none.is_err());
            assert_eq!(tried, expected);
        }
    }

    #[test]
    fn where_nothing_is_there_the_failure_names_all_reasons_and_the_remedy() {
        let failure = first(
            "PostgreSQL",
            "install it",
            &ORDER,
            Allowed::All,
            |provider| match provider {
                Provider::Address => Probe::Unasked,
                Provider::Container => missing("no engine"),
                Provider::Native => missing("no initdb"),
                _ => missing("no apt-get"),
            },
        )
        .unwrap_err()
        .to_string();
        for part in [
            "PostgreSQL",
            "container: no engine",
            "native: no initdb",
            "download: no apt-get",
            "install it",
        ] {
            assert!(failure.contains(part), "{part} in {failure}");
        }
        assert_eq!(failure.lines().count(), 1);
    }

    #[test]
    fn the_variable_is_read_strictly() {
        assert_eq!(Allowed::parse(None), Ok(Allowed::All));
        assert_eq!(Allowed::parse(Some("native")), Ok(Allowed::Native));
        assert_eq!(Allowed::parse(Some("container")), Ok(Allowed::Container));
        assert!(Allowed::parse(Some("docker")).is_err());
    }
}
