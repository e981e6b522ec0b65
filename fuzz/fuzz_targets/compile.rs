//! A config, and below a line `%%% orb` the source that every orb of it has: compiling returns, with a plan or a reason.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| airlock_fuzz::check_config(bytes));
