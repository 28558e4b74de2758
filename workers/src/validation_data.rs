//! What a verifier needs to judge a signature without asking anybody: certificates and revocation information.
//!
//! CMS puts it into `SignedData`, PDF into the document security store, XML into the unsigned properties; what it is, is the
//! same for all (EN 319 102-1, clause 5.5).

use bytes::Bytes;
use cryptotoken_api::Certificate;

/// Certificates and revocation information, each once, in the order of first need.
#[derive(Clone, Debug, Default)]
pub struct ValidationData {
    /// Certificates of every path: signer, time-stamping authorities, responders; trust anchors included where known.
    pub certificates: Vec<Certificate>,
    /// `OCSPResponse`s, DER as received.
    pub ocsp_responses: Vec<Bytes>,
    /// `CertificateList`s, DER as received.
    pub crls: Vec<Bytes>,
}
