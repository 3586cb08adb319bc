//! Where objects are, and which key stands behind a path.
//!
//! | path | what |
//! | --- | --- |
//! | `format` | the format of the store |
//! | `m/MAP/head` | epoch, floors and high-water mark of a map |
//! | `m/MAP/r/KEY` | a record |
//!
//! A key's bytes `0` to `9` and `a` to `y` stand for themselves. Every other byte is written as two hexadecimal digits behind a
//! mark that lies, in the order of bytes, where the byte itself would: `.` before the digits, `_` between digits and letters,
//! `z` behind them. So paths have the order of keys, and hold nothing that a file system, a URL or a service could take for
//! something else: no upper case (some file systems ignore it), no separators, no dots alone. A path is cut into components
//! of 200 characters; the last one ends with `-`, which is below every other character, the others with `_`.

use layerstore_record::{Key, MapName};

/// The object with the format of the store.
pub(crate) const FORMAT_PATH: &str = "format";

/// Above all maps.
pub const MAPS: &str = "m/";

/// Characters of an encoded key in one component, before its end mark: below the 255 bytes that file systems take, with room for
/// what a temporary file adds to its name.
const COMPONENT: usize = 200;

/// Ends the last component of a path. Below every character of an encoded key.
const LAST: char = '-';

/// Ends the other components.
const MORE: char = '_';

/// Before the name of a map that is written like a key.
const PLAIN: char = 't';

/// Before the name of a map that would be longer than a component: its bytes in base 32.
const DENSE: char = 'x';

const BASE_32: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The longest component of a map's name: 128 bytes in base 32, and the letter before them.
const LONGEST_MAP: usize = 206;

/// Returns the place of everything about a map, with a slash at its end: at most 212 characters, that no service takes for anything else.
#[must_use]
pub fn map_dir(map: &MapName) -> String {
    let plain = escaped(map.as_str().as_bytes());
    if plain.len() <= COMPONENT {
        format!("{MAPS}{PLAIN}{plain}/")
    } else {
        format!("{MAPS}{DENSE}{}/", base_32(map.as_str().as_bytes()))
    }
}

/// Returns the map that a place is about.
#[must_use]
pub fn map_of(dir: &str) -> Option<MapName> {
    let name = dir.strip_prefix(MAPS)?.strip_suffix('/')?;
    let bytes = match name.strip_prefix(PLAIN) {
        Some(plain) => unescaped(plain)?,
        None => bytes_of_base_32(name.strip_prefix(DENSE)?),
    };
    let map = MapName::new(String::from_utf8(bytes).ok()?).ok()?;
    // Whatever else would decode to this name is not ours.
    (map_dir(&map) == dir).then_some(map)
}

/// Returns the path of a map's head.
pub(crate) fn head_path(map: &MapName) -> String {
    map_dir(map) + "head"
}

/// Returns the place of a map's records, with a slash at its end.
pub(crate) fn records_dir(map: &MapName) -> String {
    map_dir(map) + "r/"
}

/// Returns the path of a record.
pub(crate) fn record_path(map: &MapName, key: &Key) -> String {
    records_dir(map) + &key_path(key)
}

/// Returns a path that lies below that of this key's record, and above those of all smaller keys.
pub(crate) fn just_below(map: &MapName, key: &Key) -> String {
    let mut path = record_path(map, key);
    path.pop();
    path
}

/// Returns the key of the record at a path below the place of a map's records; `None` if no key has this path.
pub(crate) fn key_of(records_dir: &str, path: &str) -> Option<Key> {
    let path = path.strip_prefix(records_dir)?;
    let mut components = path.split('/').peekable();
    let mut encoded = String::new();
    while let Some(component) = components.next() {
        let end = if components.peek().is_some() { MORE } else { LAST };
        encoded.push_str(component.strip_suffix(end)?);
    }
    let key = Key::new(String::from_utf8(unescaped(&encoded)?).ok()?).ok()?;
    (key_path(&key) == path).then_some(key)
}

/// Returns the longest key whose record has a path of at most `bytes` bytes, whatever is in it; 0 if there is none.
pub(crate) fn longest_key(bytes: usize) -> usize {
    let fixed = MAPS.len() + LONGEST_MAP + "/r/".len();
    // Of a component with its two marks, 200 characters are the key's; a byte may need three of them.
    let characters = bytes.saturating_sub(fixed + 2) / (COMPONENT + 2) * COMPONENT
        + (bytes.saturating_sub(fixed + 2) % (COMPONENT + 2)).min(COMPONENT);
    characters / 3
}

fn key_path(key: &Key) -> String {
    let encoded = escaped(key.as_bytes());
    let mut path = String::with_capacity(encoded.len() + 2 * (encoded.len() / COMPONENT + 1));
    for (at, character) in encoded.chars().enumerate() {
        if at > 0 && at % COMPONENT == 0 {
            path.push(MORE);
            path.push('/');
        }
        path.push(character);
    }
    path.push(LAST);
    path
}

fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        match mark(*byte) {
            None => out.push(char::from(*byte)),
            Some(mark) => {
                out.push(mark);
                out.push(digit(HEX, byte >> 4));
                out.push(digit(HEX, byte & 15));
            }
        }
    }
    out
}

/// Returns the mark before a byte that does not stand for itself.
fn mark(byte: u8) -> Option<char> {
    match byte {
        b'0'..=b'9' | b'a'..=b'y' => None,
        ..b'0' => Some('.'),
        b':'..=b'`' => Some('_'),
        b'z'.. => Some('z'),
    }
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut characters = text.bytes();
    while let Some(character) = characters.next() {
        if mark(character).is_none() {
            bytes.push(character);
            continue;
        }
        let (high, low) = (value(HEX, characters.next()?)?, value(HEX, characters.next()?)?);
        bytes.push(high << 4 | low);
    }
    Some(bytes)
}

fn base_32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        held = (held << 8 | u32::from(*byte)) & 0xfff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(digit(BASE_32, low_bits(held >> bits)));
        }
    }
    if bits > 0 {
        out.push(digit(BASE_32, low_bits(held << (5 - bits))));
    }
    out
}

/// What is no digit counts for nothing: the caller compares with what the bytes encode to.
fn bytes_of_base_32(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut held, mut bits) = (0_u32, 0);
    for character in text.bytes() {
        held = (held << 5 | u32::from(value(BASE_32, character).unwrap_or(0))) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).unwrap_or(0));
        }
    }
    bytes
}

fn low_bits(held: u32) -> u8 {
    u8::try_from(held & 31).unwrap_or(0)
}

fn digit(digits: &[u8], value: u8) -> char {
    digits
        .get(usize::from(value))
        .map_or('0', |digit| char::from(*digit))
}

fn value(digits: &[u8], character: u8) -> Option<u8> {
    let at = digits.iter().position(|digit| *digit == character)?;
    u8::try_from(at).ok()
}

#[cfg(test)]
mod tests {
    use layerstore_record::{MAX_KEY_BYTES, MAX_MAP_NAME_BYTES};
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::*;

    fn map(name: &str) -> MapName {
        MapName::new(name).unwrap()
    }

    fn key(text: &str) -> Key {
        Key::new(text).unwrap()
    }

    /// Text of any length up to `bytes`, of characters that trip things up more often than chance would have it.
    fn text(bytes: usize) -> impl Strategy<Value = String> {
        let awkward = prop_oneof![
            any::<char>(),
            proptest::sample::select("\0\u{1}/.%-_~zZyaA09:é😀\u{10ffff}".chars().collect::<Vec<_>>()),
        ];
        let long = proptest::sample::select(vec![1_usize, 3, 66, 67, 68, 199, 200, 201, 400, 1_024]);
        (proptest::collection::vec(awkward, 1..12), long).prop_map(move |(characters, repeat)| {
            let text: String = characters
                .iter()
                .cycle()
                .take(repeat.max(characters.len()))
                .collect();
            let end = (0..=bytes.min(text.len()))
                .rev()
                .find(|end| text.is_char_boundary(*end));
            text[..end.unwrap_or(0)].to_owned()
        })
    }

    proptest! {
        #[test]
        fn paths_have_the_order_of_keys_and_lead_back_to_them(a in text(MAX_KEY_BYTES), b in text(MAX_KEY_BYTES)) {
            let map = map("m");
            let dir = records_dir(&map);
            let (a, b) = (key(&a), key(&b));
            let (one, two) = (record_path(&map, &a), record_path(&map, &b));
            prop_assert_eq!(key_of(&dir, &one), Some(a.clone()));
            prop_assert_eq!(one.as_bytes().cmp(two.as_bytes()), a.cmp(&b));
            // A scan that begins at a key sees it, and nothing smaller.
            let below = just_below(&map, &a);
            prop_assert!(below.as_bytes() < one.as_bytes());
            prop_assert!(b >= a || two.as_bytes() <= below.as_bytes());
        }

        #[test]
        fn paths_stay_below_their_map_in_components_that_every_service_takes(
            name in text(MAX_MAP_NAME_BYTES), text in text(MAX_KEY_BYTES),
        ) {
            let map = map(&name);
            let path = record_path(&map, &key(&text));
            prop_assert!(path.starts_with(&records_dir(&map)));
            for component in path.split('/') {
                prop_assert!((1..=240).contains(&component.len()), "{}", component);
                prop_assert!(component != "." && component != "..");
                prop_assert!(component.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-')));
            }
            prop_assert_eq!(map_of(&map_dir(&map)), Some(map));
        }

        #[test]
        fn maps_are_kept_apart(a in text(MAX_MAP_NAME_BYTES), b in text(MAX_MAP_NAME_BYTES)) {
            let (one, two) = (map_dir(&map(&a)), map_dir(&map(&b)));
            prop_assert_eq!(one == two, a == b);
            prop_assert!(a == b || !(one.starts_with(&two) || two.starts_with(&one)));
        }

        #[test]
        fn whatever_a_listing_returns_is_a_key_of_that_path_or_none(path in "[a-z0-9._/A-Z%-]{0,40}") {
            let dir = records_dir(&map("m"));
            let path = format!("{dir}{path}");
            if let Some(key) = key_of(&dir, &path) {
                prop_assert_eq!(record_path(&map("m"), &key), path.clone());
            }
            if let Some(map) = map_of(&path) {
                prop_assert_eq!(map_dir(&map), path);
            }
        }
    }

    #[test]
    fn paths_are_readable_where_keys_are() {
        let users = map("users");
        assert_eq!(record_path(&users, &key("alice")), "m/tusers/r/alice-");
        assert_eq!(record_path(&users, &key("user:42")), "m/tusers/r/user_3a42-");
        assert_eq!(record_path(&users, &key("../etc")), "m/tusers/r/.2e.2e.2fetc-");
        assert_eq!(head_path(&map("A")), "m/t_41/head");
    }

    #[test]
    fn the_longest_key_fits_whatever_is_in_it() {
        let map = map(&"%".repeat(MAX_MAP_NAME_BYTES));
        for bytes in 300..2_500 {
            let longest = longest_key(bytes).min(MAX_KEY_BYTES);
            if longest > 0 {
                let path = record_path(&map, &key(&"%".repeat(longest)));
                assert!(path.len() <= bytes, "{} bytes of {bytes}", path.len());
            }
        }
        assert!(longest_key(1_024) > 250 && longest_key(4_000) > MAX_KEY_BYTES);
        assert_eq!(longest_key(100), 0);
    }
}
