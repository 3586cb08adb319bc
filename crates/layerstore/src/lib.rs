//! Keeps a server's records in memory at memory speed, and safe in a store of your choice
