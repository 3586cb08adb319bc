//! The messages of the PostgreSQL protocol, as far as finding moments needs them. What is encrypted has no messages: it passes as read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::Direction;
use super::pieces::Pieces;

/// Codes of a client's first message that a single byte answers: may we speak TLS, or GSSAPI?
const ENCRYPTION_REQUESTS: [u32; 2] = [80_877_103, 80_877_104];

/// The answers that all that follows is encrypted after.
const ENCRYPTED: [u8; 2] = [b'S', b'G'];

/// A message begins with its kind, but for a client's first ones.
const KIND: usize = 1;

/// The length of a message, which counts itself and not the kind.
const LENGTH: usize = 4;

/// Cuts a connection into messages.
#[must_use]
pub fn messages() -> (Messages, Messages) {
    let dialogue = Arc::new(Dialogue::default());
    let client = Messages::new(Direction::ToServer, Arc::clone(&dialogue));
    (client, Messages::new(Direction::ToClient, dialogue))
}

/// Finds a client's statement that begins with `words`, sent by itself or to be prepared, in upper or lower case.
pub fn begins(words: &'static str) -> impl FnMut(&[u8]) -> bool + Send + 'static {
    move |message| match message.split_first() {
        Some((b'Q', rest)) => starts_with(rest.get(LENGTH..), words),
        // The name of the prepared statement comes first.
        Some((b'P', rest)) => starts_with(rest.get(LENGTH..).and_then(after_name), words),
        _ => false,
    }
}

/// Finds a client's order to execute what it has prepared.
#[must_use]
pub fn executes(message: &[u8]) -> bool {
    message.first() == Some(&b'E')
}

/// Finds a server's reply that a command which begins with `word` is complete: `COMMIT`, `INSERT`, `SELECT`.
pub fn completes(word: &'static str) -> impl FnMut(&[u8]) -> bool + Send + 'static {
    move |message| match message.split_first() {
        Some((b'C', rest)) => starts_with(rest.get(LENGTH..), word),
        _ => false,
    }
}

fn starts_with(text: Option<&[u8]>, words: &str) -> bool {
    let start = text.and_then(|text| text.trim_ascii_start().get(..words.len()));
    start.is_some_and(|start| start.eq_ignore_ascii_case(words.as_bytes()))
}

fn after_name(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().position(|byte| *byte == 0)?;
    text.get(end + 1..)
}

/// What both directions of a connection must know of each other.
#[derive(Debug, Default)]
struct Dialogue {
    /// How many bytes the server still answers requests for encryption with.
    answers: AtomicUsize,
    is_encrypted: AtomicBool,
}

/// One direction of a connection, cut into messages.
#[derive(Debug)]
pub struct Messages {
    direction: Direction,
    dialogue: Arc<Dialogue>,
    has_begun: bool,
    is_broken: bool,
    read: Vec<u8>,
}

impl Messages {
    fn new(direction: Direction, dialogue: Arc<Dialogue>) -> Self {
        Self {
            direction,
            dialogue,
            has_begun: direction == Direction::ToClient,
            is_broken: false,
            read: vec![],
        }
    }

    fn piece_length(&mut self) -> Option<usize> {
        let dialogue = &self.dialogue;
        if self.is_broken || dialogue.is_encrypted.load(Ordering::Acquire) {
            return Some(self.read.len());
        }
        if self.direction == Direction::ToClient && dialogue.answers.load(Ordering::Acquire) > 0 {
            let answer = self.read.first()?;
            dialogue.answers.fetch_sub(1, Ordering::AcqRel);
            dialogue
                .is_encrypted
                .store(ENCRYPTED.contains(answer), Ordering::Release);
            return Some(1);
        }
        let kind = if self.has_begun { KIND } else { 0 };
        let length = number(self.read.get(kind..)?)?;
        let whole = kind.checked_add(usize::try_from(length).ok()?)?;
        if length < 4 {
            // Whatever this is, it is not the protocol: nothing is found in it, and nothing held back.
            self.is_broken = true;
            return Some(self.read.len());
        }
        if self.read.len() < whole {
            return None;
        }
        if !self.has_begun {
            self.begin();
        }
        Some(whole)
    }

    /// Looks at a whole first message of a client.
    fn begin(&mut self) {
        let code = self.read.get(LENGTH..).and_then(number);
        if code.is_some_and(|code| ENCRYPTION_REQUESTS.contains(&code)) {
            self.dialogue.answers.fetch_add(1, Ordering::AcqRel);
        } else {
            self.has_begun = true;
        }
    }
}

impl Pieces for Messages {
    fn push(&mut self, bytes: &[u8]) {
        self.read.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let length = self.piece_length()?;
        (length > 0).then(|| self.read.drain(..length).collect())
    }

    fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.read)
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: &[u8], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + LENGTH).unwrap().to_be_bytes();
        [kind, &length, body].concat()
    }

    /// Feeds bytes one by one, the worst that a network can do.
    fn cut(messages: &mut Messages, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut pieces = vec![];
        for byte in bytes {
            messages.push(&[*byte]);
            pieces.extend(std::iter::from_fn(|| messages.next()));
        }
        pieces
    }

    #[test]
    fn messages_come_whole_however_they_were_read() {
        let sent = [
            message(b"", &[0, 3, 0, 0, b'u', 0]),
            message(b"Q", b"COMMIT\0"),
            message(b"X", b""),
        ];
        let (mut client, mut server) = messages();
        assert_eq!(cut(&mut client, &sent.concat()), sent);
        let replies = [message(b"R", &[0, 0, 0, 0]), message(b"C", b"COMMIT\0")];
        assert_eq!(cut(&mut server, &replies.concat()), replies);
    }

    #[test]
    fn a_refused_encryption_is_one_byte_and_messages_follow() {
        let (mut client, mut server) = messages();
        let request = message(b"", &ENCRYPTION_REQUESTS[0].to_be_bytes());
        assert_eq!(cut(&mut client, &request), [request]);
        let notice = message(b"N", b"hello\0");
        assert_eq!(
            cut(&mut server, &[b"N".as_slice(), &notice].concat()),
            [b"N".to_vec(), notice]
        );
        let start = message(b"", &[0, 3, 0, 0, 0]);
        assert_eq!(cut(&mut client, &start), [start]);
    }

    #[test]
    fn what_is_encrypted_or_no_message_at_all_passes_as_read() {
        let (mut client, mut server) = messages();
        cut(&mut client, &message(b"", &ENCRYPTION_REQUESTS[0].to_be_bytes()));
        assert_eq!(cut(&mut server, b"S"), [b"S"]);
        for side in [&mut client, &mut server] {
            side.push(&[22, 3, 1, 255]);
            assert_eq!(side.next(), Some(vec![22, 3, 1, 255]));
        }
        let (mut client, _server) = messages();
        client.push(&[0, 0, 0, 1, 9]);
        assert_eq!(client.next(), Some(vec![0, 0, 0, 1, 9]));
        assert_eq!(client.next(), None);
    }

    #[test]
    fn statements_and_their_completion_are_found() {
        assert!(begins("commit")(&message(b"Q", b"COMMIT\0")));
        assert!(begins("INSERT INTO")(&message(
            b"P",
            b"sqlx_s_1\0 insert into t\0\0\0"
        )));
        assert!(!begins("COMMIT")(&message(b"Q", b"BEGIN\0")));
        assert!(!begins("COMMIT")(&message(b"C", b"COMMIT\0")));
        assert!(completes("COMMIT")(&message(b"C", b"COMMIT\0")));
        assert!(!completes("COMMIT")(&message(b"Q", b"COMMIT\0")));
        assert!(executes(&message(b"E", b"\0\0\0\0\0")));
        for nothing in [&b""[..], b"C", b"Q\0", b"P\0\0\0\x09abcd"] {
            assert!(!begins("COMMIT")(nothing) && !completes("COMMIT")(nothing));
        }
    }
}
