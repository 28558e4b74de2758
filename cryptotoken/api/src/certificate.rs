//! X.509 certificates as signing needs them: the DER as issued, and the few fields that decide (RFC 5280).

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use const_oid::AssociatedOid;
use der::asn1::GeneralizedTime;
use der::{Decode, Encode, Header, Reader, SliceReader};
use openssl::error::ErrorStack;
use openssl::x509::X509;
use time::OffsetDateTime;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, PrivateKeyUsagePeriod, SubjectKeyIdentifier};

use crate::algorithm::DigestAlgorithm;
use crate::certified_key::CertifiedKey;
use crate::distinguished_name;
use crate::key::{PublicKey, UnusableKey, VerificationKey};
use crate::ml_dsa::MlDsaKey;
use crate::qualified::{QC_STATEMENTS, QualifiedStatements};

/// Why a certificate or a chain cannot be used. Whoever supplied it must supply another one.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Not a certificate, or one that breaks RFC 5280's encoding.
    #[error("the certificate cannot be read: {0}")]
    Malformed(#[from] der::Error),
    /// PEM armour or DER that OpenSSL does not read.
    #[error("the certificates cannot be read")]
    Unreadable(#[from] ErrorStack),
    /// Its key is of an unsupported kind.
    #[error(transparent)]
    Key(#[from] UnusableKey),
    /// There is none.
    #[error("there is no certificate in the file")]
    Empty,
    /// None of them carries the key.
    #[error("none of the certificates carries the key {fingerprint}; they are those of {}", found.join("; "))]
    NoLeaf {
        /// SHA-256 over the public key looked for.
        fingerprint: String,
        /// Subjects of the certificates.
        found: Vec<String>,
    },
    /// A certificate is no part of the path from the leaf upwards.
    #[error("the certificate of \"{subject}\" is not part of the chain")]
    Unrelated {
        /// Whose certificate.
        subject: String,
    },
}

/// One certificate, immutable and cheap to clone.
#[derive(Clone)]
pub struct Certificate(Arc<Parsed>);

struct Parsed {
    der: Vec<u8>,
    certificate: x509_cert::Certificate,
    key: CertifiedKey,
}

impl Certificate {
    /// Reads one DER certificate.
    ///
    /// # Errors
    /// [`CertificateError`] when it is malformed or its key is of an unsupported kind.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let certificate = x509_cert::Certificate::from_der(der)?;
        let spki = certificate.tbs_certificate().subject_public_key_info().to_der()?;
        let key = CertifiedKey::from_spki_der(&spki)?;
        Ok(Self(Arc::new(Parsed { der: der.to_vec(), certificate, key })))
    }

    /// The DER as issued; what is hashed and embedded, never re-encoded.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// All fields.
    #[must_use]
    pub fn fields(&self) -> &x509_cert::TbsCertificate {
        self.0.certificate.tbs_certificate()
    }

    /// The certified key.
    #[must_use]
    pub fn key(&self) -> &CertifiedKey {
        &self.0.key
    }

    /// Subject as RFC 4514 text.
    #[must_use]
    pub fn subject(&self) -> String {
        distinguished_name::text(self.fields().subject())
    }

    /// Issuer as RFC 4514 text.
    #[must_use]
    pub fn issuer(&self) -> String {
        distinguished_name::text(self.fields().issuer())
    }

    /// Serial number in hexadecimal, without sign octet.
    #[must_use]
    pub fn serial_number(&self) -> String {
        let text = hex::encode(self.fields().serial_number().as_bytes());
        text.strip_prefix("00").filter(|rest| !rest.is_empty()).map(str::to_owned).unwrap_or(text)
    }

    /// SHA-256 over the DER, in hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex::encode(DigestAlgorithm::Sha256.digest(self.der()))
    }

    /// Start of validity.
    #[must_use]
    pub fn not_before(&self) -> OffsetDateTime {
        instant(self.fields().validity().not_before)
    }

    /// End of validity.
    #[must_use]
    pub fn not_after(&self) -> OffsetDateTime {
        instant(self.fields().validity().not_after)
    }

    /// Whether its own key signed it. A new key that the old one certified has the same names and is no root.
    #[must_use]
    pub fn is_self_signed(&self) -> bool {
        self.is_issued_by(self)
    }

    /// `keyUsage`, where present and readable.
    #[must_use]
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.extension::<KeyUsage>()
    }

    /// `extKeyUsage`, where present and readable.
    #[must_use]
    pub fn extended_key_usage(&self) -> Option<ExtendedKeyUsage> {
        self.extension::<ExtendedKeyUsage>()
    }

    /// What keeps it from being the certificate of a time-stamping unit; `None` when nothing does.
    ///
    /// RFC 3161, section 2.3: `extKeyUsage` is critical, and has `id-kp-timeStamping` and nothing else.
    #[must_use]
    pub fn objection_to_timestamping(&self) -> Option<&'static str> {
        let extensions = self.fields().extensions();
        let extension =
            extensions.and_then(|all| all.iter().find(|extension| extension.extn_id == ExtendedKeyUsage::OID));
        let Some(extension) = extension else {
            return Some("it has no extended key usage, and needs timeStamping, critical");
        };
        let usage =
            ExtendedKeyUsage::from_der(extension.extn_value.as_bytes()).map(|usage| usage.0).unwrap_or_default();
        if !usage.contains(&const_oid::db::rfc5280::ID_KP_TIME_STAMPING) {
            Some("its extended key usage does not allow timeStamping")
        } else if usage.len() > 1 {
            Some("its extended key usage allows more than timeStamping")
        } else if !extension.critical {
            Some("its extended key usage is not critical")
        } else {
            None
        }
    }

    /// Whether `privateKeyUsagePeriod` (RFC 3280, section 4.2.1.4) lets the key be used at this time. Absent it restricts nothing,
    /// unreadable it allows nothing.
    #[must_use]
    pub fn key_may_be_used_at(&self, time: OffsetDateTime) -> bool {
        let Some(value) = self.raw_extension(PrivateKeyUsagePeriod::OID) else { return true };
        let instant = |time: GeneralizedTime| OffsetDateTime::UNIX_EPOCH + time.to_unix_duration();
        PrivateKeyUsagePeriod::from_der(value).is_ok_and(|period| {
            period.not_before.is_none_or(|begin| instant(begin) <= time)
                && period.not_after.is_none_or(|end| time <= instant(end))
        })
    }

    /// Whether `basicConstraints` makes it a CA certificate.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        self.extension::<BasicConstraints>().is_some_and(|constraints| constraints.ca)
    }

    /// `subjectKeyIdentifier`, where present.
    #[must_use]
    pub fn subject_key_identifier(&self) -> Option<Vec<u8>> {
        self.extension::<SubjectKeyIdentifier>().map(|ski| ski.0.as_bytes().to_vec())
    }

    /// The EU qualified statements; empty ones when the extension is absent.
    ///
    /// # Errors
    /// When the extension is there and malformed.
    pub fn qualified_statements(&self) -> Result<QualifiedStatements, CertificateError> {
        match self.raw_extension(QC_STATEMENTS) {
            Some(value) => Ok(QualifiedStatements::from_der(value)?),
            None => Ok(QualifiedStatements::default()),
        }
    }

    /// Whether `issuer` signed this certificate, by name (compared as RFC 5280, section 7.1 says) and by signature.
    #[must_use]
    pub fn is_issued_by(&self, issuer: &Self) -> bool {
        let issued = || -> Result<bool, ErrorStack> {
            let (subject, authority) = (X509::from_der(self.der())?, X509::from_der(issuer.der())?);
            // Most are not, and to verify a signature with the key of a stranger can take long.
            if subject.issuer_name().try_cmp(authority.subject_name())? != Ordering::Equal {
                return Ok(false);
            }
            match issuer.key().verification_key() {
                VerificationKey::OpenSsl(key) => subject.verify(key),
                VerificationKey::MlDsa(key) => Ok(self.is_signed_by(key).unwrap_or(false)),
            }
        };
        issued().unwrap_or(false)
    }

    /// RFC 9881, section 3: over the octets of `tbsCertificate` as they came.
    fn is_signed_by(&self, key: &MlDsaKey) -> der::Result<bool> {
        let mut reader = SliceReader::new(self.der())?;
        Header::decode(&mut reader)?;
        let signed = reader.tlv_bytes()?;
        let algorithm = self.0.certificate.signature_algorithm();
        let named = key.signs_as(algorithm) && self.fields().signature() == algorithm;
        Ok(named && key.verifies(signed, self.0.certificate.signature().as_bytes().unwrap_or_default()))
    }

    fn raw_extension(&self, oid: der::asn1::ObjectIdentifier) -> Option<&[u8]> {
        let extensions = self.fields().extensions()?;
        extensions.iter().find(|extension| extension.extn_id == oid).map(|extension| extension.extn_value.as_bytes())
    }

    fn extension<T: AssociatedOid + for<'a> Decode<'a>>(&self) -> Option<T> {
        T::from_der(self.raw_extension(T::OID)?).ok()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({} {})", self.subject(), self.fingerprint())
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

fn instant(time: x509_cert::time::Time) -> OffsetDateTime {
    // A certificate's time is at or after 1950 (UTCTime) and before 10000, so the conversion cannot fail.
    OffsetDateTime::UNIX_EPOCH + time.to_unix_duration()
}

/// A certificate path, leaf first, each issued by the next. The leaf's key is one that a token here can have.
#[derive(Clone, Debug)]
pub struct CertificateChain {
    certificates: Vec<Certificate>,
    leaf_key: PublicKey,
}

impl PartialEq for CertificateChain {
    fn eq(&self, other: &Self) -> bool {
        self.certificates == other.certificates
    }
}

impl CertificateChain {
    /// A chain that is in order already, as the database keeps it.
    ///
    /// # Errors
    /// [`CertificateError::Empty`] and what [`Certificate::from_der`] reports.
    pub fn from_ders<D: AsRef<[u8]>>(ders: &[D]) -> Result<Self, CertificateError> {
        let certificates = ders.iter().map(|der| Certificate::from_der(der.as_ref())).collect::<Result<Vec<_>, _>>()?;
        let leaf = certificates.first().ok_or(CertificateError::Empty)?.key();
        let unsupported = || UnusableKey::Unsupported(leaf.name().to_owned());
        let leaf_key = leaf.known().cloned().ok_or_else(unsupported)?;
        Ok(Self { certificates, leaf_key })
    }

    /// Reads a PEM bundle (or one DER certificate) in any order and puts it in order from the certificate of `key` upwards.
    ///
    /// # Errors
    /// [`CertificateError::NoLeaf`] when no certificate carries the key, [`CertificateError::Unrelated`] when one is not on the path.
    pub fn for_key(bundle: &[u8], key: &PublicKey) -> Result<Self, CertificateError> {
        let mut rest: Vec<Certificate> = Vec::new();
        for certificate in read_bundle(bundle)? {
            // The same certificate twice is a harmless slip of whoever joined the files.
            if !rest.contains(&certificate) {
                rest.push(certificate);
            }
        }
        let leaf =
            rest.iter().position(|certificate| certificate.key().is(key)).ok_or_else(|| CertificateError::NoLeaf {
                fingerprint: key.fingerprint(),
                found: rest.iter().map(|certificate| format!("\"{}\"", certificate.subject())).collect(),
            })?;
        let mut ordered = vec![rest.swap_remove(leaf)];
        while let Some(last) = ordered.last() {
            let next = rest.iter().position(|candidate| last.is_issued_by(candidate));
            match next {
                Some(position) => ordered.push(rest.swap_remove(position)),
                None => break,
            }
        }
        match rest.into_iter().next() {
            Some(stray) => Err(CertificateError::Unrelated { subject: stray.subject() }),
            None => Ok(Self { certificates: ordered, leaf_key: key.clone() }),
        }
    }

    /// The signer's certificate.
    #[must_use]
    pub fn leaf(&self) -> &Certificate {
        #[expect(clippy::indexing_slicing, reason = "both constructors refuse an empty list")]
        &self.certificates[0]
    }

    /// The signer's key.
    #[must_use]
    pub const fn leaf_key(&self) -> &PublicKey {
        &self.leaf_key
    }

    /// All certificates, leaf first.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// What goes into a signature: all but a self-signed root above the leaf, which verifiers must have by other ways.
    pub fn without_root(&self) -> impl Iterator<Item = &Certificate> {
        self.certificates.iter().enumerate().filter(|(i, c)| *i == 0 || !c.is_self_signed()).map(|(_, c)| c)
    }
}

/// Reads all certificates of a PEM bundle, or one DER certificate.
///
/// # Errors
/// [`CertificateError`] when there is none or one cannot be read.
pub fn read_bundle(bundle: &[u8]) -> Result<Vec<Certificate>, CertificateError> {
    if bundle.starts_with(&[0x30]) {
        return Ok(vec![Certificate::from_der(bundle)?]);
    }
    let text = String::from_utf8_lossy(bundle);
    let mut certificates = Vec::new();
    for block in text.split("-----BEGIN ").skip(1) {
        if let Some(block) = PEM_LABELS.iter().find_map(|label| block.strip_prefix(label)) {
            certificates.push(Certificate::from_der(&pem_octets(block)?)?);
        }
    }
    if certificates.is_empty() { Err(CertificateError::Empty) } else { Ok(certificates) }
}

/// The octets of a PEM block that begins after its label. Decoded here, because OpenSSL would encode anew what it read.
fn pem_octets(block: &str) -> Result<Vec<u8>, CertificateError> {
    let unclosed = || der::Error::from(der::ErrorKind::Pem(der::pem::Error::PostEncapsulationBoundary));
    let (text, _) = block.split_once("-----END ").ok_or_else(unclosed)?;
    let text: String = text.chars().filter(|each| !each.is_ascii_whitespace()).collect();
    Ok(openssl::base64::decode_block(&text)?)
}

/// RFC 7468, section 5.
const PEM_LABELS: [&str; 2] = ["CERTIFICATE-----", "X509 CERTIFICATE-----"];

#[cfg(test)]
mod tests;
