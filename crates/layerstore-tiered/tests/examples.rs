//! The example runs to its end.

#[path = "../examples/hot_and_cold.rs"]
mod hot_and_cold;

#[test]
fn records_go_to_the_cold_store_and_come_back() {
    hot_and_cold::main().unwrap();
}
