//! A subscriber that believes what it is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use layerstore_query::{LiveChange, LiveEvent, LiveItem, LiveQuery, LiveSubscription};
use layerstore_record::{Key, Value};

use crate::scene::{Scene, value};

/// What a live query comes to by what was told of it.
pub(crate) struct Follower {
    live: Arc<LiveQuery>,
    subscription: LiveSubscription,
    result: BTreeMap<Key, Value>,
}

impl Follower {
    pub(crate) fn new(live: &Arc<LiveQuery>) -> Self {
        let subscription = live.subscribe().unwrap();
        let mut follower = Self {
            live: Arc::clone(live),
            subscription,
            result: BTreeMap::new(),
        };
        follower.take_result();
        follower
    }

    /// Reads what there is to read, and compares with what the query returns.
    pub(crate) async fn follow(&mut self, scene: &Scene, at: &[String]) {
        while let Some(item) = self.subscription.try_next().unwrap() {
            match item {
                LiveItem::Event(event) => self.apply(event, at),
                LiveItem::Lagged { .. } => {
                    self.subscription.refresh().unwrap();
                    self.take_result();
                }
            }
        }
        let answer = scene.ask(self.live.query(), &[]).await;
        let expected: Vec<_> = answer
            .records
            .iter()
            .map(|(key, record)| (key.clone(), value(record)))
            .collect();
        let query = self.live.query();
        assert_eq!(
            self.result,
            expected.iter().cloned().collect(),
            "{at:#?}, {query:?}"
        );
        let anew = self.live.subscribe().unwrap();
        let anew: Vec<_> = anew
            .result()
            .iter()
            .map(|(key, record)| (key.clone(), value(record)))
            .collect();
        assert_eq!(anew, expected, "in order: {at:#?}, {query:?}");
    }

    fn apply(&mut self, event: LiveEvent, at: &[String]) {
        let LiveEvent { key, change, .. } = event;
        let before = match change {
            LiveChange::Entered(record) => self.result.insert(key.clone(), value(&record)).is_none(),
            LiveChange::Changed(record) => self.result.insert(key.clone(), value(&record)).is_some(),
            LiveChange::Left => self.result.remove(&key).is_some(),
        };
        assert!(
            before,
            "{key} entered twice, or left or changed without being there: {at:#?}"
        );
    }

    fn take_result(&mut self) {
        let records = self.subscription.result().iter();
        self.result = records
            .map(|(key, record)| (key.clone(), value(record)))
            .collect();
    }
}
