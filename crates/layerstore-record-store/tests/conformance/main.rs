//! Every clause of the record store's contract, S1 to S10, and every row of the provenance table.

mod spine;
#[expect(dead_code, reason = "the tests of the clauses, which come next, use the rest")]
mod stage;
