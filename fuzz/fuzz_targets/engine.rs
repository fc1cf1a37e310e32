#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rumormill_gossip::fuzz::engine(data));
