//! Judge the certificate that a CA made for a key, before it becomes the credential's.

use cryptotoken_api::certificate::CertificateError;
use cryptotoken_api::qualified::QualifiedStatements;
use cryptotoken_api::{Certificate, CertificateChain, CredentialState, PublicKey, Purpose, rfc3339};
use time::OffsetDateTime;
use x509_cert::ext::pkix::KeyUsages;

/// A chain that may be imported, and what to show of it.
#[derive(Clone, Debug)]
pub struct CheckedCertificate {
    /// Leaf first, in order whatever the file's order was.
    pub chain: CertificateChain,
    /// [`CredentialState::Active`], or [`CredentialState::Scheduled`] when it is not valid yet.
    pub state: CredentialState,
    /// What it claims to be (EN 319 412-5).
    pub qualified: QualifiedStatements,
    /// What is allowed and still worth a look: an incomplete chain, an issuer past its end, a seal certificate that also authenticates.
    pub warnings: Vec<String>,
}

/// Why a certificate is not imported. Whoever supplied it must supply another one.
#[derive(Debug, thiserror::Error)]
pub enum ImportRefusal {
    /// Unreadable, for another key, or with certificates that do not belong to the chain.
    #[error(transparent)]
    Chain(#[from] CertificateError),
    /// A CA certificate.
    #[error("the certificate of \"{subject}\" is a CA certificate; a CA's key must not sign documents")]
    IsCa {
        /// Whose certificate.
        subject: String,
    },
    /// It does not say what the key may do.
    #[error("the certificate has no key usage; {needed} is needed")]
    NoKeyUsage {
        /// What is missing.
        needed: &'static str,
    },
    /// It does not allow the purpose.
    #[error("the certificate's key usage does not allow this purpose: {needed} is needed")]
    KeyUsage {
        /// What is missing.
        needed: &'static str,
    },
    /// It is for other uses than time-stamping, or for others too.
    #[error("the certificate is none of a time-stamping authority: {reason}")]
    NotTimestamping {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Past its end.
    #[error("the certificate expired on {}", rfc3339(*not_after))]
    Expired {
        /// When.
        not_after: OffsetDateTime,
    },
}

/// Checks a PEM bundle (any order) or a DER certificate for `key` and `purpose` at the time `now`.
///
/// # Errors
/// [`ImportRefusal`]; a retry never helps.
pub fn check_certificate(
    bundle: &[u8],
    key: &PublicKey,
    purpose: Purpose,
    now: OffsetDateTime,
) -> Result<CheckedCertificate, ImportRefusal> {
    let chain = CertificateChain::for_key(bundle, key)?;
    let leaf = chain.leaf();
    if leaf.is_ca() {
        return Err(ImportRefusal::IsCa { subject: leaf.subject() });
    }
    check_usage(leaf, purpose)?;
    if now > leaf.not_after() {
        return Err(ImportRefusal::Expired { not_after: leaf.not_after() });
    }
    let state = if now < leaf.not_before() { CredentialState::Scheduled } else { CredentialState::Active };
    let qualified = leaf.qualified_statements()?;
    let warnings = warnings(&chain, purpose, now);
    Ok(CheckedCertificate { chain, state, qualified, warnings })
}

fn check_usage(leaf: &Certificate, purpose: Purpose) -> Result<(), ImportRefusal> {
    let needed = match purpose {
        Purpose::Document => "nonRepudiation (contentCommitment) or digitalSignature",
        Purpose::Blind => "digitalSignature or nonRepudiation (contentCommitment)",
        Purpose::Timestamp => "digitalSignature or nonRepudiation (contentCommitment)",
    };
    let usage = leaf.key_usage().ok_or(ImportRefusal::NoKeyUsage { needed })?;
    let signs = usage.0.contains(KeyUsages::NonRepudiation) || usage.0.contains(KeyUsages::DigitalSignature);
    if !signs {
        return Err(ImportRefusal::KeyUsage { needed });
    }
    match leaf.objection_to_timestamping() {
        Some(reason) if purpose == Purpose::Timestamp => Err(ImportRefusal::NotTimestamping { reason }),
        _ => Ok(()),
    }
}

fn warnings(chain: &CertificateChain, purpose: Purpose, now: OffsetDateTime) -> Vec<String> {
    let mut warnings = Vec::new();
    let issuers = chain.certificates().iter().skip(1);
    for issuer in issuers.filter(|issuer| !(issuer.not_before()..=issuer.not_after()).contains(&now)) {
        warnings.push(format!("the issuer's certificate of \"{}\" is not valid now", issuer.subject()));
    }
    if let Some(last) = chain.certificates().last()
        && !last.is_self_signed()
    {
        warnings.push(format!("the chain ends below the certificate of its issuer \"{}\"", last.issuer()));
    }
    let usage = chain.leaf().key_usage().map(|usage| usage.0).unwrap_or_default();
    if purpose == Purpose::Document && !usage.contains(KeyUsages::NonRepudiation) {
        warnings.push("the key usage is digitalSignature; certificates for seals have nonRepudiation".to_owned());
    }
    warnings
}
