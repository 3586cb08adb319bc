//! Ports for servers that cannot be told to take any.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{Ipv4Addr, TcpListener};

/// Ports that systems do not hand out by themselves: one that a stopped server had is still free when it starts again.
const FIRST: u16 = 10_000;
const NUMBER: u16 = 20_000;

/// How many are tried; few of them are taken, also on a busy machine.
const TRIES: usize = 20;

/// Free ports of 127.0.0.1, as they are looked at. Somebody else may take one before a server does: then the next is tried.
pub(super) fn free() -> impl Iterator<Item = u16> {
    let random = std::iter::repeat_with(|| RandomState::new().hash_one(0_u8) % u64::from(NUMBER));
    // Below 20,000, so it fits.
    let ports = random.map(|random| FIRST + u16::try_from(random).unwrap_or(0));
    ports
        .filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .take(TRIES)
}
