//! Every clause of the record store's contract, S1 to S10, and every row of the provenance table.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "an unexpected answer ends the test, in the helpers of tests too"
)]

mod cold;
mod drops;
mod flavours;
mod p;
mod p_backup;
mod p_client;
mod p_kinds;
mod p_load;
mod p_merge;
mod p_promote;
mod queueing;
mod s1;
mod s10;
mod s2;
mod s2_depth;
mod s2_late;
mod s2_limits;
mod s2_retries;
mod s3;
mod s4;
mod s5;
mod s5_overtaken;
mod s6;
mod s6_clock;
mod s6_sweeps;
mod s7;
mod s7_waits;
mod s8;
mod s9;
mod s9_end;
mod s9_partitions;
mod s9_preload;
mod s9_verbs;
mod slow_tier;
mod spine;
mod stage;
