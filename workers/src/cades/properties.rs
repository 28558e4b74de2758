//! What a signer says beside the signature: commitment, place, roles, policy, what the content is. Keys of a `cades` worker, each
//! open to callers where `caller_may_set` names it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use const_oid::ObjectIdentifier;
use cryptotoken_api::{DigestAlgorithm, DtbsRepresentation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, Fields};
use crate::error::WorkerError;
use crate::worker::SigningParameters;

/// The optional signed attributes of EN 319 122-1, clause 5.2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SignedProperties {
    /// What the signature commits to: `proof-of-origin`, `proof-of-receipt`, `proof-of-delivery`, `proof-of-sender`,
    /// `proof-of-approval`, `proof-of-creation`, or an object identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commitment_type: Option<CommitmentType>,
    /// Where the signer claims to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer_location: Option<SignerLocation>,
    /// In which roles the signer claims to act.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_roles: Option<Texts>,
    /// Under which policy the signature is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_policy: Option<SignaturePolicy>,
    /// What the content is, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_hints: Option<ContentHints>,
    /// What the content is, as a media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<Text>,
}

impl SignedProperties {
    /// Their names, in definitions and requests.
    pub(crate) const KEYS: &'static [&'static str] =
        &["commitment_type", "signer_location", "claimed_roles", "signature_policy", "content_hints", "mime_type"];

    pub(crate) fn parse(fields: &mut Fields) -> Result<Self, ConfigError> {
        Ok(Self {
            commitment_type: fields.take("commitment_type")?,
            signer_location: fields.take("signer_location")?,
            claimed_roles: fields.take("claimed_roles")?,
            signature_policy: fields.take("signature_policy")?,
            content_hints: fields.take("content_hints")?,
            mime_type: fields.take("mime_type")?,
        })
    }

    /// Whether something is said of the content.
    pub(super) const fn describes_content(&self) -> bool {
        self.content_hints.is_some() || self.mime_type.is_some()
    }

    /// With what a caller chose in place of what the worker says.
    pub(crate) fn chosen(&self, parameters: &SigningParameters) -> Result<Self, WorkerError> {
        Ok(Self {
            commitment_type: one(parameters, "commitment_type", &self.commitment_type)?,
            signer_location: one(parameters, "signer_location", &self.signer_location)?,
            claimed_roles: one(parameters, "claimed_roles", &self.claimed_roles)?,
            signature_policy: one(parameters, "signature_policy", &self.signature_policy)?,
            content_hints: one(parameters, "content_hints", &self.content_hints)?,
            mime_type: one(parameters, "mime_type", &self.mime_type)?,
        })
    }
}

fn one<T: Clone + DeserializeOwned>(
    parameters: &SigningParameters,
    name: &str,
    fixed: &Option<T>,
) -> Result<Option<T>, WorkerError> {
    match parameters.value(name) {
        None => Ok(fixed.clone()),
        Some(value) => serde_json::from_value(value.clone())
            .map(Some)
            .map_err(|error| WorkerError::Parameter { name: name.to_owned(), reason: error.to_string() }),
    }
}

/// A text of 1 to 500 characters, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text(String);

impl Text {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Text {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() || text.chars().count() > 500 {
            Err("a text must have 1 to 500 characters")
        } else if text.chars().any(char::is_control) {
            Err("a text must not contain control characters")
        } else {
            Ok(Self(text))
        }
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

/// One to six texts, which is what a postal address may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Text>", into = "Vec<Text>")]
pub struct Texts(Vec<Text>);

impl Texts {
    /// The texts.
    #[must_use]
    pub fn as_slice(&self) -> &[Text] {
        &self.0
    }
}

impl TryFrom<Vec<Text>> for Texts {
    type Error = &'static str;

    fn try_from(texts: Vec<Text>) -> Result<Self, Self::Error> {
        if (1..=6).contains(&texts.len()) { Ok(Self(texts)) } else { Err("write one to six texts") }
    }
}

impl From<Texts> for Vec<Text> {
    fn from(texts: Texts) -> Self {
        texts.0
    }
}

/// What a signature commits to (EN 319 122-1, clause 5.2.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitmentType {
    written: String,
    oid: ObjectIdentifier,
}

/// The commitments of TS 119 172-1, annex B, below `id-cti`.
const COMMITMENTS: [(&str, &str); 6] = [
    ("proof-of-origin", "1.2.840.113549.1.9.16.6.1"),
    ("proof-of-receipt", "1.2.840.113549.1.9.16.6.2"),
    ("proof-of-delivery", "1.2.840.113549.1.9.16.6.3"),
    ("proof-of-sender", "1.2.840.113549.1.9.16.6.4"),
    ("proof-of-approval", "1.2.840.113549.1.9.16.6.5"),
    ("proof-of-creation", "1.2.840.113549.1.9.16.6.6"),
];

impl CommitmentType {
    /// Its identifier.
    #[must_use]
    pub const fn oid(&self) -> ObjectIdentifier {
        self.oid
    }
}

impl TryFrom<String> for CommitmentType {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        let known = COMMITMENTS.iter().find(|(name, _)| *name == written).map(|(_, oid)| *oid);
        match ObjectIdentifier::new(known.unwrap_or(&written)) {
            Ok(oid) => Ok(Self { written, oid }),
            Err(_) => {
                let names: Vec<_> = COMMITMENTS.iter().map(|(name, _)| *name).collect();
                Err(format!("\"{written}\" is no commitment; write {} or an object identifier", names.join(", ")))
            }
        }
    }
}

impl From<CommitmentType> for String {
    fn from(commitment: CommitmentType) -> Self {
        commitment.written
    }
}

/// Where a signer claims to be (EN 319 122-1, clause 5.2.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenLocation", into = "WrittenLocation")]
pub struct SignerLocation(WrittenLocation);

/// The parts of a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenLocation {
    /// Country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<Text>,
    /// Town.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<Text>,
    /// Lines of an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_address: Option<Texts>,
}

impl SignerLocation {
    /// Its parts, of which there is at least one.
    #[must_use]
    pub const fn parts(&self) -> &WrittenLocation {
        &self.0
    }
}

impl TryFrom<WrittenLocation> for SignerLocation {
    type Error = &'static str;

    fn try_from(written: WrittenLocation) -> Result<Self, Self::Error> {
        if written == WrittenLocation::default() {
            Err("write country, locality or postal_address")
        } else {
            Ok(Self(written))
        }
    }
}

impl From<SignerLocation> for WrittenLocation {
    fn from(location: SignerLocation) -> Self {
        location.0
    }
}

/// The policy of a signature (EN 319 122-1, clause 5.2.9): a document, named and hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenPolicy", into = "WrittenPolicy")]
pub struct SignaturePolicy {
    oid: ObjectIdentifier,
    digest: DtbsRepresentation,
    uri: Option<Text>,
    notice: Option<UserNotice>,
}

/// What is to be shown to whoever verifies (EN 319 122-1, clause 5.2.9.2; EN 319 132-1, clause 5.2.9.2): at least one of both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenNotice", into = "WrittenNotice")]
pub struct UserNotice(WrittenNotice);

/// The parts of a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenNotice {
    /// Whose notices are meant, and by which numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<NoticeReference>,
    /// The text itself, of at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
}

/// Numbered texts of an organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeReference {
    /// Its name, of at most 200 characters.
    pub organization: Text,
    /// The numbers, one to ten.
    pub numbers: Vec<u32>,
}

impl UserNotice {
    /// Its parts.
    #[must_use]
    pub const fn parts(&self) -> &WrittenNotice {
        &self.0
    }
}

impl TryFrom<WrittenNotice> for UserNotice {
    type Error = &'static str;

    fn try_from(written: WrittenNotice) -> Result<Self, Self::Error> {
        // DisplayText has 200 characters at most (RFC 5280, section 4.2.1.4).
        let too_long = |text: &Text| text.as_str().chars().count() > 200;
        let texts = written.text.iter().chain(written.reference.as_ref().map(|each| &each.organization));
        if written.text.is_none() && written.reference.is_none() {
            Err("write text or reference in notice")
        } else if texts.into_iter().any(too_long) {
            Err("a text of a notice has at most 200 characters")
        } else if written.reference.as_ref().is_some_and(|each| !(1..=10).contains(&each.numbers.len())) {
            Err("write one to ten numbers of notices")
        } else {
            Ok(Self(written))
        }
    }
}

impl From<UserNotice> for WrittenNotice {
    fn from(notice: UserNotice) -> Self {
        notice.0
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPolicy {
    oid: String,
    digest: String,
    #[serde(default = "sha256")]
    digest_algorithm: DigestAlgorithm,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uri: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notice: Option<UserNotice>,
}

const fn sha256() -> DigestAlgorithm {
    DigestAlgorithm::Sha256
}

impl SignaturePolicy {
    /// The identifier of the policy.
    #[must_use]
    pub const fn oid(&self) -> ObjectIdentifier {
        self.oid
    }

    /// The digest of the policy's document.
    #[must_use]
    pub const fn digest(&self) -> &DtbsRepresentation {
        &self.digest
    }

    /// Where the document is.
    #[must_use]
    pub const fn uri(&self) -> Option<&Text> {
        self.uri.as_ref()
    }

    /// What is to be shown to whoever verifies.
    #[must_use]
    pub const fn notice(&self) -> Option<&UserNotice> {
        self.notice.as_ref()
    }
}

impl TryFrom<WrittenPolicy> for SignaturePolicy {
    type Error = String;

    fn try_from(written: WrittenPolicy) -> Result<Self, String> {
        let oid = ObjectIdentifier::new(&written.oid)
            .map_err(|_| format!("oid \"{}\" is no object identifier such as \"1.2.3.4\"", written.oid))?;
        let digest = STANDARD.decode(&written.digest).map_err(|error| format!("digest is no base64: {error}"))?;
        let digest = DtbsRepresentation::new(written.digest_algorithm, digest).map_err(|error| error.to_string())?;
        // IA5String (EN 319 122-1, clause 5.2.9.2).
        if written.uri.as_ref().is_some_and(|uri| !uri.as_str().is_ascii()) {
            return Err("uri must be ASCII; write other characters as %XX".into());
        }
        Ok(Self { oid, digest, uri: written.uri, notice: written.notice })
    }
}

impl From<SignaturePolicy> for WrittenPolicy {
    fn from(policy: SignaturePolicy) -> Self {
        Self {
            oid: policy.oid.to_string(),
            digest: STANDARD.encode(policy.digest.digest()),
            digest_algorithm: policy.digest.algorithm(),
            uri: policy.uri,
            notice: policy.notice,
        }
    }
}

/// What the content is (RFC 2634, section 2.9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentHints {
    /// In words.
    pub description: Text,
}
