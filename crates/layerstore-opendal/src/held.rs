//! A claim that is held: the map's head as this writer left it, and what it remembers of objects.

use std::collections::{BTreeSet, HashMap};

use layerstore_data_store::Held as HeldRecord;
use layerstore_record::{Key, Millis, Record, Version};

use crate::bucket::{Found, Tag};
use crate::head::Head;
use crate::news::News;
use crate::object::{Content, Object};

/// What a writer knows of a map that it claimed. True until another claim changes the head.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) head: Head,
    /// Names the head as it is; `None` where that is not known, or the service knows no conditions.
    pub(crate) tag: Option<Tag>,
    pub(crate) keys: KnownKeys,
    pub(crate) news: News,
    /// Keys of which a write may still arrive although it was given up: they stay among the intents.
    pub(crate) unresolved: BTreeSet<Key>,
}

/// What objects held when they were last seen. Wrong at worst: every write is conditional on it.
#[derive(Debug)]
pub(crate) struct KnownKeys {
    keys: HashMap<Key, Known>,
    limit: usize,
}

/// What is known of the object of a key.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// Whether there is one, and what names it.
    pub(crate) place: Place,
    /// What it holds, if it is no void.
    pub(crate) record: Option<KnownRecord>,
}

/// Whether an object is there.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Empty,
    Taken(Option<Tag>),
}

/// What the fence asks of a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownRecord {
    version: Version,
    is_tombstone: bool,
    end: Option<Millis>,
}

impl KnownKeys {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            keys: HashMap::new(),
            limit,
        }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Known> {
        self.keys.get(key)
    }

    pub(crate) fn remember(&mut self, key: Key, known: Known) {
        if self.keys.len() >= self.limit && !self.keys.contains_key(&key) {
            // Cheaper than to keep account of which was used last, and a forgotten key costs one request.
            self.keys.clear();
        }
        if self.limit > 0 {
            self.keys.insert(key, known);
        }
    }

    pub(crate) fn forget(&mut self, key: &Key) {
        self.keys.remove(key);
    }
}

impl Known {
    pub(crate) const EMPTY: Self = Self {
        place: Place::Empty,
        record: None,
    };

    /// Describes an object that was read.
    pub(crate) fn of(tag: Option<Tag>, object: &Object) -> Self {
        let record = match &object.content {
            Content::Record(record) => Some(KnownRecord::of(record)),
            Content::Void => None,
        };
        Self {
            place: Place::Taken(tag),
            record,
        }
    }

    /// Describes an object that was written.
    pub(crate) fn written(tag: Option<Tag>, record: &Record) -> Self {
        Self {
            place: Place::Taken(tag),
            record: Some(KnownRecord::of(record)),
        }
    }

    /// Describes a void that was written.
    pub(crate) fn void(tag: Option<Tag>) -> Self {
        Self {
            place: Place::Taken(tag),
            record: None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.place, Place::Empty)
    }

    pub(crate) fn held(&self, now: Millis) -> Option<HeldRecord> {
        self.record.map(|record| HeldRecord {
            version: record.version,
            is_live: !record.is_tombstone && record.end.is_none_or(|end| end > now),
        })
    }
}

impl KnownRecord {
    fn of(record: &Record) -> Self {
        Self {
            version: record.version(),
            is_tombstone: record.is_tombstone(),
            end: record.expiry().persisted_end(),
        }
    }
}

impl Found {
    /// Takes the tag out.
    pub(crate) fn into_tag(self) -> Option<Tag> {
        self.tag
    }
}
