//! What the embedded store promises beyond the clauses that every data store is tested for.

mod closing;
mod crash;
mod damage;
mod faults;
mod floors;
mod format;
mod groups;
mod recovery;
mod support;
mod writers;
