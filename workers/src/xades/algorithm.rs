//! How XML signatures name algorithms (XML Signature 1.1, section 6; RFC 9231), and digests computed piece by piece.

use cryptotoken_api::{DigestAlgorithm, KeySpec, SignatureAlgorithm, SignatureScheme};

use super::canonicalization::Sink;

/// Identifier of a digest algorithm.
pub(super) const fn digest_uri(digest: DigestAlgorithm) -> &'static str {
    match digest {
        DigestAlgorithm::Sha256 => "http://www.w3.org/2001/04/xmlenc#sha256",
        DigestAlgorithm::Sha384 => "http://www.w3.org/2001/04/xmldsig-more#sha384",
        DigestAlgorithm::Sha512 => "http://www.w3.org/2001/04/xmlenc#sha512",
    }
}

/// Identifier of a signature algorithm; `None` for Ed25519 and ML-DSA, which xmlsec1 and DSS do not accept in XML.
pub(super) const fn signature_uri(algorithm: SignatureAlgorithm) -> Option<&'static str> {
    Some(match (algorithm.scheme(), algorithm.digest()) {
        (SignatureScheme::RsaPkcs1, DigestAlgorithm::Sha256) => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        (SignatureScheme::RsaPkcs1, DigestAlgorithm::Sha384) => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
        (SignatureScheme::RsaPkcs1, DigestAlgorithm::Sha512) => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
        // RFC 9231, section 2.3.10: MGF1 with the same digest and a salt as long as the digest.
        (SignatureScheme::RsaPss, DigestAlgorithm::Sha256) => "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
        (SignatureScheme::RsaPss, DigestAlgorithm::Sha384) => "http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1",
        (SignatureScheme::RsaPss, DigestAlgorithm::Sha512) => "http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1",
        (SignatureScheme::Ecdsa, DigestAlgorithm::Sha256) => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
        (SignatureScheme::Ecdsa, DigestAlgorithm::Sha384) => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
        (SignatureScheme::Ecdsa, DigestAlgorithm::Sha512) => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
        (SignatureScheme::Eddsa | SignatureScheme::MlDsa, _) => return None,
    })
}

/// The digest algorithm of this identifier.
pub(super) fn digest_named(uri: &str) -> Option<DigestAlgorithm> {
    DigestAlgorithm::ALL.into_iter().find(|digest| digest_uri(*digest) == uri)
}

/// The signature algorithm of this identifier. It names no size of keys: those here stand for all of their kind.
pub(super) fn signature_named(uri: &str) -> Option<SignatureAlgorithm> {
    let schemes = [
        (KeySpec::Rsa2048, SignatureScheme::RsaPkcs1),
        (KeySpec::Rsa2048, SignatureScheme::RsaPss),
        (KeySpec::EcP256, SignatureScheme::Ecdsa),
    ];
    let pairs = schemes.into_iter().flat_map(|scheme| DigestAlgorithm::ALL.map(|digest| (scheme, digest)));
    pairs
        .filter_map(|((key, scheme), digest)| SignatureAlgorithm::for_key(key, Some(scheme), Some(digest)).ok())
        .find(|algorithm| signature_uri(*algorithm) == Some(uri))
}

/// What becomes of canonical octets.
pub(super) enum Collector {
    /// They are digested.
    Digest(RunningDigest),
    /// They are kept.
    Octets(Vec<u8>),
}

impl Sink for Collector {
    fn take(&mut self, octets: &[u8]) {
        match self {
            Self::Digest(digest) => digest.take(octets),
            Self::Octets(kept) => kept.take(octets),
        }
    }
}

impl Collector {
    /// The digest, or what was kept.
    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Self::Digest(digest) => digest.finish(),
            Self::Octets(kept) => kept,
        }
    }
}

/// A digest over octets that come in pieces.
pub(super) enum RunningDigest {
    Sha256(openssl::sha::Sha256),
    Sha384(openssl::sha::Sha384),
    Sha512(openssl::sha::Sha512),
}

impl Sink for RunningDigest {
    fn take(&mut self, octets: &[u8]) {
        match self {
            Self::Sha256(digest) => digest.update(octets),
            Self::Sha384(digest) => digest.update(octets),
            Self::Sha512(digest) => digest.update(octets),
        }
    }
}

impl RunningDigest {
    pub(super) fn new(algorithm: DigestAlgorithm) -> Self {
        match algorithm {
            DigestAlgorithm::Sha256 => Self::Sha256(openssl::sha::Sha256::new()),
            DigestAlgorithm::Sha384 => Self::Sha384(openssl::sha::Sha384::new()),
            DigestAlgorithm::Sha512 => Self::Sha512(openssl::sha::Sha512::new()),
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha256(digest) => digest.finish().to_vec(),
            Self::Sha384(digest) => digest.finish().to_vec(),
            Self::Sha512(digest) => digest.finish().to_vec(),
        }
    }
}
