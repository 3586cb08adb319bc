use layerstore_data_store::{Expect, Floors, Held, Verdict, judge};
use layerstore_record::{Key, Millis, Version};

use super::{Place, Queue};

/// What is to be done with a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    /// Accept it.
    Accept,
    /// Answer it: nothing is to be done.
    Answer(Verdict),
    /// The final store alone can tell.
    Ask,
    /// What is pending may be older than what the final store holds: judge it when that is known.
    Wait,
}

impl Queue {
    /// Judges a write over what is pending. `earlier` is what an earlier write of the same batch leaves under the key.
    pub(crate) fn judge(
        &self,
        place: Place,
        key: &Key,
        (version, expect): (Version, Option<Expect>),
        earlier: Option<Held>,
        now: Millis,
    ) -> Judged {
        let map = &self.maps[place.0];
        let floors = Floors {
            cleared: map.cleared,
            // What is not pending and at or below any floor of the store is at or below `known`, and asked of the store.
            purged: Version::ZERO,
        };
        let pending = map.slots.get(key).and_then(|slot| slot.visible(map.cleared));
        // Nothing that the store holds of the key can be newer: the map is ours alone.
        let is_newest = version > map.known && expect.is_none();
        match earlier.or_else(|| pending.map(|pending| pending.held(now))) {
            None if is_newest => Judged::Accept,
            None => Judged::Ask,
            Some(_)
                if earlier.is_none() && !is_newest && pending.is_some_and(|pending| pending.is_unsure) =>
            {
                Judged::Wait
            }
            Some(held) => match judge(Some(held), floors, version, expect) {
                Verdict::Apply => Judged::Accept,
                answer => Judged::Answer(answer),
            },
        }
    }
}
