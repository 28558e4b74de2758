//! The words that workers, crypto tokens and the service share: algorithms, keys, credentials, signatures.
//!
//! Layer 0 of the service. Words, traits and pure computation (digests, verification in software); no PKCS#11, no HTTP,
//! no SQL, no files. A worker and a crypto token never see each other; both see this.

pub mod algorithm;
pub mod certificate;
pub mod certified_key;
pub mod credential;
mod distinguished_name;
pub mod error;
pub mod key;
pub mod key_authorization;
pub mod ml_dsa;
pub mod qualified;
pub mod rfc3339;
pub mod signature_value;
pub mod signer;
pub mod to_be_signed;
pub mod token;
pub mod verification;

pub use algorithm::{DigestAlgorithm, SignatureAlgorithm, SignatureScheme};
pub use certificate::{Certificate, CertificateChain};
pub use certified_key::CertifiedKey;
pub use credential::{Credential, CredentialState, KeyLocation, Purpose};
pub use error::{SignerError, TokenError};
pub use key::{KeyAlias, KeyAttributes, KeyId, KeyInfo, KeySpec, PublicKey};
pub use key_authorization::{AuthorizationChallenge, AuthorizationProtocol, AuthorizationStep, KeyAuthorizer};
pub use rfc3339::rfc3339;
pub use signature_value::SignatureValue;
pub use signer::Signer;
pub use to_be_signed::{DataToBeSigned, DtbsRepresentation, ToBeSigned};
pub use token::{CryptoToken, TokenState, TokenStatus};
