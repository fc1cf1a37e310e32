//! Parsers beside a straightforward baseline.

fn main() {}
