//! Reading the URL, so that nothing of a password in it can come to light.

use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// What a URL may ask for behind its `?`; the driver would log any other name with its value.
const PARAMETERS: [&str; 17] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
];

/// Those that name a file with the authorities to trust.
const ROOTS: [&str; 3] = ["sslrootcert", "ssl-root-cert", "ssl-ca"];

/// Where the server is, and how to log in there.
pub(crate) struct Address {
    /// For the driver. Holds the password: never shown.
    pub(crate) options: PgConnectOptions,
    /// For people: `host:port/database`.
    pub(crate) shown: String,
    /// Whether it names a file with the authorities to trust.
    pub(crate) names_root: bool,
}

/// Reads a URL.
///
/// # Errors
/// What is wrong and what to do, without any part of the URL that might be a secret.
pub(crate) fn read(url: &str) -> Result<Address, String> {
    let rest = ["postgres://", "postgresql://"]
        .into_iter()
        .find_map(|scheme| url.strip_prefix(scheme))
        .ok_or("the URL does not begin with postgres:// or postgresql://")?;
    // A password with one of these in it would be cut there, and its rest taken for a host, a database or a parameter.
    const REMEDY: &str = "percent-encode the user and the password (`/` is %2F, `?` %3F, `#` %23, `@` %40)";
    if rest.contains('#') {
        return Err(format!("the URL has a `#` in it: {REMEDY}"));
    }
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = place.split_once('/').unwrap_or((place, ""));
    if path.contains('@') || parameters.contains('@') || authority.matches('@').count() > 1 {
        return Err(format!("the URL has an `@` where none belongs: {REMEDY}"));
    }
    let mut names_root = std::env::var_os("PGSSLROOTCERT").is_some();
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let name = parameter.split('=').next().unwrap_or_default();
        names_root |= ROOTS.contains(&name);
        let is_option = name == "options" || name.starts_with("options[") || name.starts_with("options%5B");
        if !is_option && !PARAMETERS.contains(&name) {
            let known = PARAMETERS.join(", ");
            return Err(format!(
                "the URL has a parameter that is not known; known are options, {known}"
            ));
        }
    }
    // The driver's own words may repeat what they stumbled over.
    let options = PgConnectOptions::from_str(url).map_err(|_| {
        format!("the URL cannot be read as postgres://USER:PASSWORD@HOST:PORT/DATABASE: {REMEDY}")
    })?;
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    let shown = format!("{host}/{database}");
    Ok(Address {
        options,
        shown,
        names_root,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "hunter2";

    #[test]
    fn an_address_is_shown_without_user_and_password() {
        let address = read("postgres://ann:hunter2@db.example:6432/shop?sslmode=require").unwrap();
        assert_eq!(address.shown, "db.example:6432/shop");
        let address = read("postgresql://ann:hunter2@%2Frun%2Fpostgresql/shop").unwrap();
        assert_eq!(address.shown, "/run/postgresql/shop");
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_a_word_of_it() {
        let wrong = [
            "mysql://ann:hunter2@db/shop",
            "hunter2",
            "postgres://ann:hunter2#@db/shop",
            "postgres://ann:12/hunter2@db/shop",
            "postgres://ann:12?hunter2@db/shop",
            "postgres://ann:12?hunter2=1@db/shop",
            "postgres://ann:hun@ter2@db/hunter2",
            "postgres://ann:x@db/shop?pasword=hunter2",
            "postgres://ann:x@db/shop?hunter2=1",
            "postgres://ann:x@db:hunter2/shop",
            "postgres://ann:x@db/shop?sslmode=hunter2",
            "postgres://ann:x@db/shop?port=hunter2",
        ];
        for url in wrong {
            let Err(what) = read(url) else {
                panic!("this URL is refused: {url}")
            };
            assert!(!what.contains(SECRET), "{what}");
        }
    }

    #[test]
    fn every_parameter_of_the_driver_is_let_through() {
        let url = "postgres://ann@db/shop?options[statement_timeout]=30s&application_name=a%26b&dbname=other";
        assert_eq!(read(url).unwrap().shown, "db:5432/other");
    }
}
