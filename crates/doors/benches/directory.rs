//! Measures the directory.
fn main() {}
