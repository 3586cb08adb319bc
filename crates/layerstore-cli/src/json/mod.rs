//! JSON and values: nothing is lost on the way in, and what would be is refused by the name of its field.
//!
//! **C4**: a number is held only if what is held is the same decimal number to the last digit, and comes out as that.
//! **C5**: every value comes back from its JSON, bytes and users' own objects of the reserved shapes included.

mod fault;
mod number;
mod read;
mod shape;
mod write;

pub(crate) use read::read;
pub(crate) use write::text;
