//! The Layerstore key-value contract on fjall, a log-structured merge tree in safe Rust
