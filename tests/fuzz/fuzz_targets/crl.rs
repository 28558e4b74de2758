//! Judge a certificate revocation list.
#![no_main]

use bytes::Bytes;
use fuzz::authority::SEAL;
use libfuzzer_sys::fuzz_target;
use workers::Clock;
use workers::revocation::crl;

fuzz_target!(|list: &[u8]| {
    let [leaf, root] = SEAL.chain.certificates() else { unreachable!() };
    let _ = crl::verify(&Bytes::copy_from_slice(list), leaf, root, fuzz::FixedClock.now());
});
