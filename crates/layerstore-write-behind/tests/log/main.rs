//! The durable log, on a simulated disk and on a real one.

mod crashes;
mod cuts;
mod script;
mod support;
