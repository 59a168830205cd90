#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| statsidecar_fuzz::arena(data));
