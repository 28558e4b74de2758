//! Sections of a profile about keys, signatures and certificates.

use std::collections::{BTreeMap, BTreeSet};

use cryptotoken_api::KeySpec;
use serde::Deserialize;

use crate::profile::device::Support;

/// Key generation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keygen {
    /// Who generates keys.
    pub mode: KeygenMode,
    /// What is to be done instead of generating here, where `mode` says that it is not.
    pub external: String,
    /// Which kinds of key the device makes and signs with.
    pub kinds: BTreeMap<KeySpec, Support>,
    /// Mechanism for RSA keys.
    pub rsa: RsaKeygen,
    /// Mechanism for keys on NIST curves.
    pub ec: EcKeygen,
    /// Mechanism for Ed25519.
    pub eddsa: EddsaKeygen,
    /// Mechanism for ML-DSA.
    pub ml_dsa: MlDsaKeygen,
    /// How `CKA_EC_PARAMS` names Ed25519.
    pub eddsa_params: EddsaParams,
    /// Whether the public half is a token object.
    pub public_token: bool,
    /// Attributes that are left out of the templates.
    pub omit: BTreeSet<TemplateAttribute>,
    /// Attributes of the private key.
    pub private_template: BTreeMap<TemplateAttribute, bool>,
    /// Attributes of the public key.
    pub public_template: BTreeMap<TemplateAttribute, bool>,
}

impl Keygen {
    /// Whether the device makes keys of this kind.
    #[must_use]
    pub fn support(&self, spec: KeySpec) -> Support {
        self.kinds.get(&spec).copied().unwrap_or(Support::Unknown)
    }
}

/// Who generates keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeygenMode {
    /// This service, by `C_GenerateKeyPair`.
    Pkcs11,
    /// The vendor's own tool; the key is then adopted.
    External,
}

/// Mechanism for RSA keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum RsaKeygen {
    /// The usual one.
    #[serde(rename = "CKM_RSA_PKCS_KEY_PAIR_GEN")]
    Pkcs,
}

/// Mechanism for keys on NIST curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum EcKeygen {
    /// The usual one.
    #[serde(rename = "CKM_EC_KEY_PAIR_GEN")]
    Ec,
}

/// Mechanism for Ed25519.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum EddsaKeygen {
    /// That of PKCS#11 3.0.
    #[serde(rename = "CKM_EC_EDWARDS_KEY_PAIR_GEN")]
    Edwards,
    /// Devices without one.
    #[serde(rename = "off")]
    Off,
}

/// Mechanism for ML-DSA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum MlDsaKeygen {
    /// That of PKCS#11 3.2.
    #[serde(rename = "CKM_ML_DSA_KEY_PAIR_GEN")]
    MlDsa,
    /// Devices without one.
    #[serde(rename = "off")]
    Off,
}

/// How `CKA_EC_PARAMS` names Ed25519.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EddsaParams {
    /// The OID of RFC 8410.
    Oid,
    /// A `PrintableString` "edwards25519".
    Printable,
}

/// A boolean attribute of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[expect(missing_docs, reason = "the names are those of PKCS#11")]
pub enum TemplateAttribute {
    #[serde(rename = "CKA_PRIVATE")]
    Private,
    #[serde(rename = "CKA_SENSITIVE")]
    Sensitive,
    #[serde(rename = "CKA_EXTRACTABLE")]
    Extractable,
    #[serde(rename = "CKA_SIGN")]
    Sign,
    #[serde(rename = "CKA_DECRYPT")]
    Decrypt,
    #[serde(rename = "CKA_UNWRAP")]
    Unwrap,
    #[serde(rename = "CKA_DERIVE")]
    Derive,
    #[serde(rename = "CKA_MODIFIABLE")]
    Modifiable,
    #[serde(rename = "CKA_VERIFY")]
    Verify,
    #[serde(rename = "CKA_ENCRYPT")]
    Encrypt,
    #[serde(rename = "CKA_WRAP")]
    Wrap,
}

/// Names.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Naming {
    /// Where `CKA_ID` comes from.
    pub id: IdRule,
}

/// Where `CKA_ID` comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdRule {
    /// Twenty random octets in the template.
    Random20,
}

/// Signing.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    /// RSASSA-PKCS1-v1_5.
    pub rsa_pkcs1: Hashing,
    /// RSASSA-PSS.
    pub rsa_pss: Hashing,
    /// ECDSA.
    pub ecdsa: Hashing,
    /// How ECDSA values are encoded.
    pub ecdsa_sig: EcdsaEncoding,
    /// Ed25519.
    pub eddsa: EddsaSigning,
    /// ML-DSA.
    pub ml_dsa: MlDsaSigning,
}

/// Who hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hashing {
    /// This service; the device gets the digest.
    Raw,
    /// The device; it gets the data.
    HashInToken,
    /// The scheme is not used on this device.
    Off,
}

/// Encoding of ECDSA values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EcdsaEncoding {
    /// `r || s` in fixed width.
    Rs,
    /// DER `ECDSA-Sig-Value`.
    X962,
    /// Either; told apart by length and form.
    Auto,
}

/// Ed25519.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EddsaSigning {
    /// `CKM_EDDSA` over the data.
    Data,
    /// Not on this device.
    Off,
}

/// ML-DSA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MlDsaSigning {
    /// `CKM_ML_DSA` over the data.
    Data,
    /// Not on this device.
    Off,
}

/// Certificates on the token.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cert {
    /// Whether certificates are written.
    pub store: CertStore,
}

/// Whether certificates are written to the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertStore {
    /// Never.
    Never,
    /// Beside the key, replacing the one before.
    Optional,
}
