//! JSON and values: nothing is lost on the way in, and what would be is refused by the name of its field.

mod fault;
mod number;
mod read;
mod shape;
mod write;

pub(crate) use read::read;
pub(crate) use write::text;
