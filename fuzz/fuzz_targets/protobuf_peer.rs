#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Err(finding) = rumormill_wire::fuzz::protobuf_peer::frames(data) {
        panic!("{finding}");
    }
    if let Err(finding) = rumormill_doors::protobuf_peer::fuzz::bodies(data) {
        panic!("{finding}");
    }
});
