#![no_main]

#[path = "../targets/data.rs"]
#[allow(dead_code)]
mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::manifest(input));
