//! kill -9: a test starts itself again as a process that works, hears what it says, and kills it amid that.
//!
//! What a process said before it died is heard to the last line, so that whatever it was told to say after an acknowledgement can be looked for
//! in what it left behind. A line that the kill cut short is not heard.
//!
//! ```
//! use layerstore_testkit::killed::{self, Acknowledged, Errand, Then};
//!
//! # fn example(write_one: impl Fn(&std::path::Path, u64)) {
//! // In a test of the module `crashes`.
//! if let Some(errand) = killed::errand() {
//!     for number in 0.. {
//!         write_one(&errand.directory, number);
//!         killed::acknowledge([number], 1);
//!     }
//! }
//! let mut acknowledged = Acknowledged::default();
//! let errand = Errand { directory: "of/the/store".into(), run: 0, seed: 7 };
//! killed::until_killed("crashes::nothing_is_lost", &errand, |line| {
//!     acknowledged.hear(line);
//!     if acknowledged.count() < 100 { Then::Live } else { Then::Kill }
//! });
//! // … and each key of `acknowledged` has at least its version in what is left …
//! # }
//! ```

mod acknowledged;
mod errand;
mod process;

pub use acknowledged::{Acknowledged, acknowledge};
pub use errand::{Errand, errand, tell, tell_all};
pub use process::{Then, to_its_end, until_killed};
