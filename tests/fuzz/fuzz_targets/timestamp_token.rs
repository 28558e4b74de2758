//! Read a timestamp token, the answer of an authority, and what an authority signs.
#![no_main]

use bytes::Bytes;
use cryptotoken_api::{DigestAlgorithm, DtbsRepresentation};
use fuzz::authority::{TSA, timestamp_token};
use libfuzzer_sys::fuzz_target;
use workers::{TimestampRequest, TimestampToken};

fuzz_target!(|octets: &[u8]| {
    let imprint = DigestAlgorithm::Sha256.digest(b"document");
    let imprint = DtbsRepresentation::new(DigestAlgorithm::Sha256, imprint).unwrap();
    let request = TimestampRequest::new(imprint, None).unwrap();
    let _ = request.accept(octets, "fuzz");
    let _ = TimestampToken::read(Bytes::copy_from_slice(octets), TSA.chain.certificates());
    let _ = TimestampToken::read(timestamp_token(octets), &[]);
});
