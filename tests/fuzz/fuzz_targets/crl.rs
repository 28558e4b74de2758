//! Judge a certificate revocation list: as it comes, and as what a list says that its issuer signs.
#![no_main]

use bytes::Bytes;
use fuzz::authority::{SEAL, signed_crl};
use libfuzzer_sys::fuzz_target;
use workers::Clock;
use workers::revocation::crl;

fuzz_target!(|list: &[u8]| {
    let [leaf, root] = SEAL.chain.certificates() else { unreachable!() };
    for list in [Bytes::copy_from_slice(list), signed_crl(list).into()] {
        let _ = crl::verify(&list, leaf, root, fuzz::FixedClock.now());
        let _ = crl::at_its_time(&list, leaf, root, fuzz::FixedClock.now());
    }
});
