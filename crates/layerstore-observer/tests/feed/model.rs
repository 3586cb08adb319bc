use fastrand::Rng;
use layerstore_observer::{
    ChangeFeed, FeedClosed, FeedItem, FeedStart, Mutation, MutationEvent, MutationObserver, OwnedMutation,
    PreviousValue, SubscribeError, Subscription, Topic,
};
use layerstore_record::{Cost, Key, MapName, Provenance};
use layerstore_testkit::proof;
use layerstore_testkit::records::{key, record};

const HISTORIES: u64 = 20_000;
const OPERATIONS: usize = 200;

/// What the feed must do, said the simplest way: it remembers everything, and works out what the ring still holds.
struct Model {
    told: Vec<OwnedMutation>,
    first: usize,
    max_records: usize,
    max_cost: Cost,
    closed: bool,
}

/// A subscriber and what the model knows of it: where it is, and which keys it wants.
struct Reader {
    subscription: Subscription,
    at: usize,
    prefix: Option<String>,
}

impl Model {
    fn append(&mut self, mutation: OwnedMutation) {
        self.told.push(mutation);
        let cost = |held: &[OwnedMutation]| held.iter().map(OwnedMutation::cost).sum::<Cost>();
        while self.told.len() - self.first > self.max_records
            || cost(&self.told[self.first..]) > self.max_cost
        {
            self.first += 1;
        }
    }

    fn next(&self, reader: &mut Reader) -> Result<Option<FeedItem>, FeedClosed> {
        if reader.at < self.first {
            let (from, to) = (number(reader.at), number(self.first) - 1);
            reader.at = self.first;
            return Ok(Some(FeedItem::Lagged { from, to }));
        }
        while let Some(mutation) = self.told.get(reader.at) {
            reader.at += 1;
            if reader.wants(mutation.key()) {
                let item = (number(reader.at - 1), mutation.clone());
                return Ok(Some(change(item)));
            }
        }
        if self.closed { Err(FeedClosed) } else { Ok(None) }
    }
}

impl Reader {
    fn wants(&self, key: Option<&Key>) -> bool {
        match (&self.prefix, key) {
            (Some(prefix), Some(key)) => key.as_str().starts_with(prefix),
            _ => true,
        }
    }
}

/// The number of the change at a place in the model's list.
fn number(place: usize) -> u64 {
    u64::try_from(place).unwrap() + 1
}

/// `Change` cannot be made outside its crate: a feed of one makes it.
fn change((number, mutation): (u64, OwnedMutation)) -> FeedItem {
    let feed = ChangeFeed::builder("one").first_number(number).build().unwrap();
    let mut reader = feed.subscribe(FeedStart::Now, Topic::everything()).unwrap();
    feed.on_mutation(&mutation.as_mutation()).unwrap();
    reader.try_next().unwrap().unwrap()
}

#[test]
fn r14_a_feed_does_what_its_model_does() {
    let seed = proof::seed();
    let histories = proof::scaled(HISTORIES);
    for history in 0..histories {
        run(&mut Rng::with_seed(seed.wrapping_add(history)), history);
    }
    proof::report(
        "R14",
        &[("histories", histories), ("seed", seed), ("violations", 0)],
    );
}

fn run(rng: &mut Rng, history: u64) {
    let max_records = rng.usize(1..40);
    let max_cost = Cost(rng.u64(200..20_000));
    let feed = ChangeFeed::builder("feed")
        .max_records(max_records)
        .max_cost(max_cost)
        .build()
        .unwrap();
    let mut model = Model {
        told: Vec::new(),
        first: 0,
        max_records,
        max_cost,
        closed: false,
    };
    let mut readers: Vec<Reader> = Vec::new();
    for step in 0..OPERATIONS {
        let at = format!("history {history}, step {step}");
        match rng.u8(0..100) {
            0..50 => append(rng, &feed, &mut model),
            50..60 => subscribe(rng, &feed, &model, &mut readers, &at),
            60..64 if !readers.is_empty() => drop(readers.swap_remove(rng.usize(..readers.len()))),
            64 if step > OPERATIONS / 2 => {
                feed.close();
                model.closed = true;
            }
            _ if !readers.is_empty() => {
                let reader = rng.usize(..readers.len());
                for _ in 0..rng.usize(1..8) {
                    read(&model, &mut readers[reader], &at);
                }
            }
            _ => {}
        }
        let held = &model.told[model.first..];
        assert_eq!(feed.len(), held.len(), "{at}");
        assert_eq!(feed.cost(), held.iter().map(OwnedMutation::cost).sum(), "{at}");
        assert_eq!(feed.subscriptions(), readers.len(), "{at}");
    }
}

fn append(rng: &mut Rng, feed: &ChangeFeed, model: &mut Model) {
    let (map, key, old, new) = (
        MapName::new("users").unwrap(),
        key(rng.u64(0..30)),
        record(1),
        record(2),
    );
    let event = match rng.u8(0..10) {
        0 => MutationEvent::Clear {
            resident: rng.usize(..9),
        },
        1..5 => MutationEvent::Put {
            key: &key,
            record: &new,
        },
        _ => MutationEvent::Update {
            key: &key,
            record: &new,
            previous: PreviousValue::Known(&old),
        },
    };
    let mutation = Mutation::new(&map, Provenance::Client, event);
    let told = feed.on_mutation(&mutation);
    assert_eq!(told.is_err(), model.closed);
    if !model.closed {
        model.append(OwnedMutation::from(&mutation));
    }
}

fn subscribe(rng: &mut Rng, feed: &ChangeFeed, model: &Model, readers: &mut Vec<Reader>, step: &str) {
    let next = model.told.len();
    let (start, at) = match rng.u8(0..3) {
        0 => (FeedStart::Now, next),
        1 => (FeedStart::Oldest, model.first),
        _ => {
            let at = rng.usize(0..next + 3);
            (FeedStart::At(number(at)), at)
        }
    };
    let prefix = rng.bool().then(|| format!("key:{}", rng.u8(1..4)));
    let filter = prefix.iter().fold(Topic::everything(), Topic::key_prefix);
    match feed.subscribe(start, filter) {
        Ok(subscription) => {
            assert!(at <= next, "{step}");
            readers.push(Reader {
                subscription,
                at,
                prefix,
            });
        }
        Err(refused) => {
            let ahead = SubscribeError::Ahead {
                asked: number(at),
                next: number(next),
            };
            assert!(at > next, "{step}");
            assert_eq!(refused, ahead, "{step}");
        }
    }
}

fn read(model: &Model, reader: &mut Reader, step: &str) {
    let got = reader.subscription.try_next();
    let expected = model.next(reader);
    assert_eq!(got, expected, "{step}");
    assert_eq!(reader.subscription.position(), number(reader.at), "{step}");
}
