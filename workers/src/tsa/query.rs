//! The `TimeStampReq` (RFC 3161, section 2.4.1): foreign bytes, read strictly.

use const_oid::ObjectIdentifier;
use der::asn1::{Int, Null, OctetString};
use der::{Any, Decode, Encode, Sequence};
use spki::AlgorithmIdentifierOwned;
use x509_cert::ext::Extension;

use super::TsaConfig;
use super::refusal::TimestampRefusal;

#[derive(Sequence)]
struct TimeStampReq {
    version: Int,
    message_imprint: Any,
    #[asn1(optional = "true")]
    policy: Option<ObjectIdentifier>,
    #[asn1(optional = "true")]
    nonce: Option<Int>,
    #[asn1(default = "Default::default")]
    cert_req: bool,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

#[derive(Sequence)]
struct MessageImprint {
    algorithm: AlgorithmIdentifierOwned,
    digest: OctetString,
}

/// What is asked for, acceptable to this worker.
#[derive(Clone, Debug)]
pub(super) struct Query {
    /// `MessageImprint` as it came, which the token repeats.
    pub(super) imprint: Any,
    /// The policy asked for, else the worker's.
    pub(super) policy: ObjectIdentifier,
    /// As it came.
    pub(super) nonce: Option<Int>,
    /// Whether the token shall carry certificates.
    pub(super) certificates: bool,
}

/// Octets of the longest nonce: RFC 3161 thinks of 8, and a token is no place for messages.
const NONCE: usize = 64;

impl Query {
    pub(super) fn parse(octets: &[u8], options: &TsaConfig) -> Result<Self, TimestampRefusal> {
        let malformed = |error: der::Error| TimestampRefusal::Malformed(error.to_string());
        let request = TimeStampReq::from_der(octets).map_err(malformed)?;
        // What the reader lets pass, such as a default value that is written out.
        if request.to_der().map_err(malformed)? != octets {
            return Err(TimestampRefusal::Malformed("it is not in distinguished encoding".into()));
        }
        if request.version.as_bytes() != [1] {
            return Err(TimestampRefusal::Version);
        }
        check_imprint(&request.message_imprint, options)?;
        if let Some(nonce) = request.nonce.as_ref().map(Int::as_bytes).filter(|nonce| nonce.len() > NONCE) {
            return Err(TimestampRefusal::Nonce { found: nonce.len(), most: NONCE });
        }
        let accepted = || std::iter::once(&options.policy).chain(&options.accepted_policies).copied();
        let policy = request.policy.unwrap_or(options.policy.0);
        if !accepted().any(|accepted| accepted.0 == policy) {
            return Err(TimestampRefusal::policy(policy, accepted()));
        }
        match request.extensions.as_ref().map(|extensions| extensions.first()) {
            None => {}
            Some(Some(extension)) => return Err(TimestampRefusal::Extension(extension.extn_id)),
            Some(None) => return Err(TimestampRefusal::Malformed("its list of extensions is empty".into())),
        }
        Ok(Self { imprint: request.message_imprint, policy, nonce: request.nonce, certificates: request.cert_req })
    }
}

fn check_imprint(imprint: &Any, options: &TsaConfig) -> Result<(), TimestampRefusal> {
    let malformed = |error: der::Error| TimestampRefusal::Malformed(error.to_string());
    let encoded = imprint.to_der().map_err(malformed)?;
    let MessageImprint { algorithm, digest } = MessageImprint::from_der(&encoded).map_err(malformed)?;
    let accepted = options.accepted_digests.iter().copied().find(|accepted| accepted.oid() == algorithm.oid);
    let Some(known) = accepted else {
        let accepted = options.accepted_digests.clone();
        return Err(TimestampRefusal::Algorithm { found: algorithm.oid, accepted });
    };
    // RFC 5754, section 2: absent, or NULL.
    if algorithm.parameters.is_some_and(|parameters| parameters.decode_as::<Null>().is_err()) {
        return Err(TimestampRefusal::AlgorithmParameters);
    }
    let found = digest.as_bytes().len();
    if found == known.length() { Ok(()) } else { Err(TimestampRefusal::ImprintLength { algorithm: known, found }) }
}
