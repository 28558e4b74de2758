//! Judge an OCSP response: as it comes, and as what a responder signs.
#![no_main]

use bytes::Bytes;
use fuzz::authority::{SEAL, ocsp_response};
use libfuzzer_sys::fuzz_target;
use workers::Clock;
use workers::revocation::ocsp::{self, IdentifierDigest, OcspRequest};

fuzz_target!(|response: &[u8]| {
    let [leaf, root] = SEAL.chain.certificates() else { unreachable!() };
    let nonce = (response.len() % 2 == 1).then_some(b"12345678".as_slice());
    let request = OcspRequest::new(leaf, root, IdentifierDigest::Sha1, nonce).unwrap();
    for response in [Bytes::copy_from_slice(response), ocsp_response(response).into()] {
        let _ = request.verify(response.clone(), leaf, root, fuzz::FixedClock.now());
        let _ = ocsp::at_its_time(response, leaf, root, fuzz::FixedClock.now());
    }
});
