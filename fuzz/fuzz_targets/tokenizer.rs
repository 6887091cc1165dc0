#![no_main]

#[path = "../targets/nn.rs"]
#[allow(dead_code)]
mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::tokenizer(input));
