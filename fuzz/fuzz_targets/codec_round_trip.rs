#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| icecore_fuzz::codec::round_trip(bytes));
