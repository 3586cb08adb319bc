//! An embedded ordered byte store with keyspaces and atomic batches: the contract and an in-memory backend
