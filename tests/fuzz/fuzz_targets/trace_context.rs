#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::check("trace_context", bytes));
