//! Settings that may be secret: written in the file, or named there and kept in the environment or a file of their own.

use std::fmt;
#[cfg(any(test, feature = "postgres", feature = "_object"))]
use std::path::Path;

use serde::de::{Deserialize, Deserializer, Error};

#[cfg(any(test, feature = "postgres", feature = "_object"))]
use super::error::ConfigError;
use super::setting::Kind;

/// Where a text that may be a secret is to be found. Never shown: neither in errors nor in debug output.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    /// Here.
    Text(String),
    /// In the environment variable of this name.
    Env(String),
    /// In the file of this name, beside the configuration; a line end at its end does not count.
    File(String),
}

const RULE: &str = "write a text, { env = \"NAME\" } or { file = \"PATH\" }";

/// The longest secret that is read from a file, in bytes: a key or an address, not a file named by mistake.
#[cfg(any(test, feature = "postgres", feature = "_object"))]
const MAX_FILE_BYTES: u64 = 64 << 10;

#[cfg(any(test, feature = "postgres", feature = "_object"))]
impl Secret {
    /// Finds the text; blocks where it is in a file. `key` is the setting, and relative paths start in `directory`.
    pub(crate) fn find(&self, key: &str, directory: &Path) -> Result<String, ConfigError> {
        let wrong = |what: String| Err(ConfigError::new(key, what));
        let text = match self {
            Self::Text(text) => text.clone(),
            Self::Env(name) => match std::env::var(name) {
                Ok(text) => text,
                Err(std::env::VarError::NotPresent) => {
                    return wrong(format!("the environment variable {name} is not set: set it"));
                }
                Err(std::env::VarError::NotUnicode(_)) => {
                    return wrong(format!("the environment variable {name} is not UTF-8"));
                }
            },
            Self::File(name) => {
                let path = directory.join(name);
                match read(&path) {
                    Ok(text) => text,
                    Err(error) => {
                        return wrong(format!("the file {} cannot be read: {error}", path.display()));
                    }
                }
            }
        };
        if text.is_empty() {
            return wrong(format!("{} is empty", self.place()));
        }
        Ok(text)
    }

    fn place(&self) -> String {
        match self {
            Self::Text(_) => "it".to_owned(),
            Self::Env(name) => format!("the environment variable {name}"),
            Self::File(name) => format!("the file {name}"),
        }
    }
}

#[cfg(any(test, feature = "postgres", feature = "_object"))]
fn read(path: &Path) -> Result<String, String> {
    let facts = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if facts.len() > MAX_FILE_BYTES {
        return Err(format!("it has more than {MAX_FILE_BYTES} bytes"));
    }
    let mut text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    for end in ['\n', '\r'] {
        if text.ends_with(end) {
            text.pop();
        }
    }
    Ok(text)
}

impl Kind for Secret {
    const FORM: &'static str = "text, `{ env = \"NAME\" }` or `{ file = \"PATH\" }`";
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("a text that is not shown"),
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(name) => write!(f, "the file {name}"),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{self}>")
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// The error gives the rule, and never what stood there.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Named(Named),
        }
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Named {
            env: Option<String>,
            file: Option<String>,
        }
        match Form::deserialize(deserializer) {
            Ok(Form::Text(text)) => Ok(Self::Text(text)),
            Ok(Form::Named(Named {
                env: Some(name),
                file: None,
            })) if is_name(&name) => Ok(Self::Env(name)),
            Ok(Form::Named(Named {
                env: None,
                file: Some(path),
            })) if !path.is_empty() => Ok(Self::File(path)),
            _ => Err(D::Error::custom(RULE)),
        }
    }
}

/// Tells whether an environment variable can have this name; asking for another would panic or never be answered.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct File {
        secret: Secret,
    }

    fn secret(text: &str) -> Result<Secret, String> {
        let file = toml::from_str::<File>(&format!("secret = {text}"));
        file.map(|file| file.secret)
            .map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_secret_is_found_in_the_file_the_environment_or_a_file_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("key"), "hunter2\r\n").unwrap();
        let find = |text: &str| secret(text).unwrap().find("data_store.url", dir.path());
        assert_eq!(find("\"hunter2\"").unwrap(), "hunter2");
        assert_eq!(find("{ file = \"key\" }").unwrap(), "hunter2");
        let path = std::env::var("PATH").unwrap();
        assert_eq!(find("{ env = \"PATH\" }").unwrap(), path);
    }

    #[test]
    fn what_is_missing_is_named_by_setting_and_place() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("empty"), "\n").unwrap();
        std::fs::write(dir.path().join("large"), "x".repeat(70_000)).unwrap();
        let cases = [
            (
                "{ env = \"NO_SUCH_VARIABLE_HERE\" }",
                "the environment variable NO_SUCH_VARIABLE_HERE is not set",
            ),
            ("{ file = \"none\" }", "none cannot be read"),
            ("{ file = \"empty\" }", "the file empty is empty"),
            ("{ file = \"large\" }", "more than 65536 bytes"),
            ("\"\"", "it is empty"),
        ];
        for (text, said) in cases {
            let error = secret(text)
                .unwrap()
                .find("data_store.url", dir.path())
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("data_store.url: ") && error.contains(said),
                "{error}"
            );
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let held = secret("\"hunter2\"").unwrap();
        assert!(!format!("{held:?} {held:#?} {held}").contains("hunter2"));
        for wrong in [
            "[\"hunter2\"]",
            "{ env = \"hunter2\", file = \"hunter2\" }",
            "{ text = \"hunter2\" }",
            "{ env = \"hunter2=\" }",
            "{ env = [\"hunter2\"] }",
            "{}",
            "3",
        ] {
            let error = secret(wrong).unwrap_err();
            assert!(
                error.contains("{ env = ") && !error.contains("hunter2"),
                "{wrong}: {error}"
            );
        }
    }
}
