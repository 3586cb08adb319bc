//! The kinds of value that a setting has, and how each is read and described.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};
use toml::Spanned;

use super::size::Size;
use crate::settings::Eviction;

/// A setting as it stands in the file, with its place; `None` where the file says nothing.
pub(crate) type Setting<T> = Option<Spanned<T>>;

/// Makes a setting that stands in no file.
pub(crate) fn given<T>(value: T) -> Setting<T> {
    Some(placed(value))
}

/// Makes a value that stands in no file.
pub(crate) fn placed<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

/// Returns what the file says.
pub(crate) fn value<T: Copy>(setting: &Setting<T>) -> Option<T> {
    setting.as_ref().map(|setting| *setting.get_ref())
}

/// A kind of value, as the documentation names and shows it.
pub(crate) trait Kind: fmt::Display {
    /// Says what may be written.
    const FORM: &'static str;
}

/// A span of time, at least 1 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl Span {
    /// Returns a span of so many seconds.
    pub(crate) const fn of_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

/// A value, or `"none"` for none at all, which undoes a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrNone<T> {
    /// None at all.
    None,
    /// This.
    Some(T),
}

impl<T: Copy> OrNone<T> {
    /// Returns the value, if there is one.
    pub(crate) fn get(self) -> Option<T> {
        match self {
            Self::None => None,
            Self::Some(value) => Some(value),
        }
    }
}

impl Kind for Span {
    const FORM: &'static str = "duration";
}

impl Kind for Size {
    const FORM: &'static str = "size";
}

impl Kind for u64 {
    const FORM: &'static str = "whole number";
}

impl Kind for u32 {
    const FORM: &'static str = "whole number";
}

impl Kind for bool {
    const FORM: &'static str = "`true`, `false`";
}

impl Kind for String {
    const FORM: &'static str = "text";
}

impl Kind for OrNone<Span> {
    const FORM: &'static str = "duration or \"none\"";
}

impl Kind for OrNone<Size> {
    const FORM: &'static str = "size or \"none\"";
}

impl Kind for OrNone<u64> {
    const FORM: &'static str = "whole number or \"none\"";
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for OrNone<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Some(value) => value.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        span(&text(deserializer, DURATION_RULE)?)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, SIZE_RULE)?.parse().map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for OrNone<Span> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        or_none(&text(deserializer, DURATION_RULE)?, span)
    }
}

impl<'de> Deserialize<'de> for OrNone<Size> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        or_none(&text(deserializer, SIZE_RULE)?, |text| {
            text.parse().map_err(D::Error::custom)
        })
    }
}

impl<'de> Deserialize<'de> for Eviction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const RULE: &str = "write one of \"two-segment\", \"lru\", \"lfu\", \"random\", \"none\"";
        match text(deserializer, RULE)?.as_str() {
            "two-segment" => Ok(Self::TwoSegment),
            "lru" => Ok(Self::Lru),
            "lfu" => Ok(Self::Lfu),
            "random" => Ok(Self::Random),
            "none" => Ok(Self::None),
            _ => Err(D::Error::custom(RULE)),
        }
    }
}

impl<'de> Deserialize<'de> for OrNone<u64> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(u64),
            Text(String),
        }
        match Form::deserialize(deserializer) {
            Ok(Form::Number(number)) => Ok(Self::Some(number)),
            Ok(Form::Text(text)) if text == "none" => Ok(Self::None),
            _ => Err(D::Error::custom("write a whole number, or \"none\"")),
        }
    }
}

const DURATION_RULE: &str = "write a duration in quotes, as in \"500ms\", \"1h\" or \"7days\"";
const SIZE_RULE: &str = "write a size in quotes, as in \"64KiB\", \"1GiB\" or \"500MB\"";

/// Reads a text; the error gives the rule and never what stood there, which could be a secret in the wrong place.
fn text<'de, D: Deserializer<'de>>(deserializer: D, rule: &str) -> Result<String, D::Error> {
    String::deserialize(deserializer).map_err(|_| D::Error::custom(rule))
}

fn span<E: Error>(text: &str) -> Result<Span, E> {
    let span =
        humantime::parse_duration(text).map_err(|_| E::custom(format!("not a duration: {DURATION_RULE}")))?;
    if span < Duration::from_millis(1) {
        return Err(E::custom("a duration is at least 1 ms"));
    }
    Ok(Span(span))
}

/// Reads one of a few words, or a span.
pub(crate) fn span_or<'de, D: Deserializer<'de>, T: Copy>(
    deserializer: D,
    rule: &str,
    words: &[(&str, T)],
    make: impl FnOnce(Span) -> T,
) -> Result<T, D::Error> {
    let text = text(deserializer, rule)?;
    if let Some((_, word)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*word);
    }
    humantime::parse_duration(&text).map_err(|_| D::Error::custom(rule))?;
    span(&text).map(make)
}

fn or_none<T, E>(text: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Result<OrNone<T>, E> {
    if text == "none" {
        Ok(OrNone::None)
    } else {
        read(text).map(OrNone::Some)
    }
}
