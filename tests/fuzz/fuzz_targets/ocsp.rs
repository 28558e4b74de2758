//! Judge an OCSP response.
#![no_main]

use bytes::Bytes;
use fuzz::authority::SEAL;
use libfuzzer_sys::fuzz_target;
use workers::Clock;
use workers::revocation::ocsp::{IdentifierDigest, OcspRequest};

fuzz_target!(|response: &[u8]| {
    let [leaf, root] = SEAL.chain.certificates() else { unreachable!() };
    let nonce = (response.len() % 2 == 1).then_some(b"12345678".as_slice());
    let request = OcspRequest::new(leaf, root, IdentifierDigest::Sha1, nonce).unwrap();
    let _ = request.verify(Bytes::copy_from_slice(response), leaf, root, fuzz::FixedClock.now());
});
