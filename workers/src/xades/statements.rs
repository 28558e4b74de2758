//! What a worker states in its signatures beside the signature itself: roles, place, policy, commitment
//! (EN 319 132-1, clauses 5.2.3 to 5.2.9).

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cryptotoken_api::DigestAlgorithm;
use serde::{Deserialize, Serialize};

use super::algorithm::digest_uri;
use super::document::is_legal;
use crate::config::{ConfigError, Fields};

/// The keys of `xades` that end up in the signed properties. None of them is there by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Statements {
    /// What the signer commits to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commitment: Option<Commitment>,
    /// Roles that the signer claims.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signer_roles: Vec<String>,
    /// Where the signature is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub production_place: Option<ProductionPlace>,
    /// The signature policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_policy: Option<SignaturePolicy>,
}

/// Commitment types (EN 319 122-1, clause 5.2.3; the identifiers are those of TS 101 903).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Commitment {
    /// Made, approved and sent.
    ProofOfOrigin,
    /// Received.
    ProofOfReceipt,
    /// Delivered to the recipient's store.
    ProofOfDelivery,
    /// Sent, not necessarily made.
    ProofOfSender,
    /// Approved.
    ProofOfApproval,
    /// Made, not necessarily approved or sent.
    ProofOfCreation,
}

/// `SignatureProductionPlaceV2`; at least one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProductionPlace {
    /// Town.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// Street and number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub street_address: Option<String>,
    /// State, province or region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_or_province: Option<String>,
    /// Postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// Name of the country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// `SignaturePolicyId`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignaturePolicy {
    /// Its identifier: a URI, `urn:oid:…` for an object identifier.
    pub id: String,
    /// Digest of the policy document, base64.
    pub hash: String,
    /// Algorithm of that digest; default SHA-256.
    #[serde(default = "sha256")]
    pub digest: DigestAlgorithm,
    /// Where the document can be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
}

const fn sha256() -> DigestAlgorithm {
    DigestAlgorithm::Sha256
}

impl Statements {
    pub(super) fn parse(fields: &mut Fields) -> Result<Self, ConfigError> {
        let this = Self {
            commitment: fields.take("commitment")?,
            signer_roles: fields.take("signer_roles")?.unwrap_or_default(),
            production_place: fields.take("production_place")?,
            signature_policy: fields.take("signature_policy")?,
        };
        this.check().map_err(|(key, reason)| ConfigError::Value { key, reason: reason.to_owned() })?;
        Ok(this)
    }

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let fits = |text: &String| !text.trim().is_empty() && text.chars().all(is_legal);
        if !self.signer_roles.iter().all(fits) {
            return Err(("signer_roles", "a role is a text that is not empty"));
        }
        if let Some(place) = &self.production_place {
            let present: Vec<&String> = place.parts().into_iter().filter_map(|(_, value)| value).collect();
            if present.is_empty() || !present.into_iter().all(fits) {
                return Err(("production_place", "give at least one of its parts, none of them empty"));
            }
        }
        let Some(policy) = &self.signature_policy else { return Ok(()) };
        let length = policy.digest.digest(b"").len();
        match STANDARD.decode(&policy.hash) {
            Ok(hash) if hash.len() == length && fits(&policy.id) && policy.uri.as_ref().is_none_or(fits) => Ok(()),
            _ => Err(("signature_policy", "it needs id, and hash: the base64 of a digest in the algorithm digest")),
        }
    }

    /// What follows the certificate among the signed signature properties, in the order of the schema.
    pub(super) fn about_signer(&self) -> String {
        let policy = self.signature_policy.as_ref().map(SignaturePolicy::element).unwrap_or_default();
        let place = self.production_place.as_ref().map(ProductionPlace::element).unwrap_or_default();
        let roles: String = self
            .signer_roles
            .iter()
            .map(|role| format!("<xades:ClaimedRole>{}</xades:ClaimedRole>", text(role)))
            .collect();
        let roles = match roles.as_str() {
            "" => String::new(),
            roles => {
                format!("<xades:SignerRoleV2><xades:ClaimedRoles>{roles}</xades:ClaimedRoles></xades:SignerRoleV2>")
            }
        };
        [policy, place, roles].concat()
    }

    /// What follows the format of the document among the signed data object properties.
    pub(super) fn about_document(&self) -> String {
        let Some(commitment) = self.commitment else { return String::new() };
        format!(
            "<xades:CommitmentTypeIndication><xades:CommitmentTypeId><xades:Identifier>{}</xades:Identifier>\
             </xades:CommitmentTypeId><xades:AllSignedDataObjects></xades:AllSignedDataObjects>\
             </xades:CommitmentTypeIndication>",
            commitment.uri()
        )
    }
}

impl Commitment {
    const fn uri(self) -> &'static str {
        match self {
            Self::ProofOfOrigin => "http://uri.etsi.org/01903/v1.2.2#ProofOfOrigin",
            Self::ProofOfReceipt => "http://uri.etsi.org/01903/v1.2.2#ProofOfReceipt",
            Self::ProofOfDelivery => "http://uri.etsi.org/01903/v1.2.2#ProofOfDelivery",
            Self::ProofOfSender => "http://uri.etsi.org/01903/v1.2.2#ProofOfSender",
            Self::ProofOfApproval => "http://uri.etsi.org/01903/v1.2.2#ProofOfApproval",
            Self::ProofOfCreation => "http://uri.etsi.org/01903/v1.2.2#ProofOfCreation",
        }
    }
}

impl ProductionPlace {
    fn parts(&self) -> [(&'static str, Option<&String>); 5] {
        [
            ("City", self.city.as_ref()),
            ("StreetAddress", self.street_address.as_ref()),
            ("StateOrProvince", self.state_or_province.as_ref()),
            ("PostalCode", self.postal_code.as_ref()),
            ("CountryName", self.country.as_ref()),
        ]
    }

    fn element(&self) -> String {
        let present = self.parts().into_iter().filter_map(|(name, value)| Some((name, value?)));
        let parts: String =
            present.map(|(name, value)| format!("<xades:{name}>{}</xades:{name}>", text(value))).collect();
        format!("<xades:SignatureProductionPlaceV2>{parts}</xades:SignatureProductionPlaceV2>")
    }
}

impl SignaturePolicy {
    fn element(&self) -> String {
        // EN 319 132-1, clause 5.1.2: an object identifier as a URN says so.
        let qualifier = if self.id.starts_with("urn:oid:") { " Qualifier=\"OIDAsURN\"" } else { "" };
        let place = self.uri.as_ref().map(|uri| {
            format!(
                "<xades:SigPolicyQualifiers><xades:SigPolicyQualifier><xades:SPURI>{}</xades:SPURI>\
                 </xades:SigPolicyQualifier></xades:SigPolicyQualifiers>",
                text(uri)
            )
        });
        format!(
            "<xades:SignaturePolicyIdentifier><xades:SignaturePolicyId><xades:SigPolicyId>\
             <xades:Identifier{qualifier}>{id}</xades:Identifier></xades:SigPolicyId>\
             <xades:SigPolicyHash><ds:DigestMethod Algorithm=\"{method}\"></ds:DigestMethod>\
             <ds:DigestValue>{hash}</ds:DigestValue></xades:SigPolicyHash>{place}\
             </xades:SignaturePolicyId></xades:SignaturePolicyIdentifier>",
            id = text(&self.id),
            method = digest_uri(self.digest),
            hash = self.hash,
            place = place.unwrap_or_default(),
        )
    }
}

/// Character data in ASCII, which any encoding of a document has.
fn text(value: &str) -> String {
    let mut written = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '<' | '>' | '&' | '\r' => _ = write!(written, "&#x{:X};", u32::from(character)),
            _ if character.is_ascii() => written.push(character),
            _ => _ = write!(written, "&#x{:X};", u32::from(character)),
        }
    }
    written
}
