#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Err(finding) = rumormill_wire::fuzz::menu_mesh::menu_mesh(data) {
        panic!("{finding}");
    }
});
