//! Answer a request for a timestamp.
#![no_main]

use fuzz::authority;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|request: &[u8]| {
    let _ = authority::tsa().sign(request);
});
