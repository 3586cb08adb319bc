//! Measures two ways to do the same work in turn, and says how one compares with the other.
//!
//! Machines are shared and noisy, so no figure stands alone: ours and the bare way run one after the other, again and again, and
//! what counts is the ratio of their medians. A group prints a table; `cargo xtask bench` collects it with the machine and the commit.

mod comparison;
mod contest;
mod cpu;
mod draw;
mod group;
pub mod simulator;
mod table;
pub mod trace;
pub mod workload;

pub use comparison::{Case, Figures};
pub use contest::{Cost, Spent, contest, spend};
pub use draw::{Draws, Skew};
pub use group::{BenchError, Group, LARGE_VARIABLE, OUT_VARIABLE, QUICK_VARIABLE, TRACES_VARIABLE};
pub use table::{Better, Row, Table};
