//! The port to a device that holds keys.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::algorithm::SignatureAlgorithm;
use crate::credential::KeyLocation;
use crate::error::{SignerError, TokenError};
use crate::key::{KeyAlias, KeyId, KeyInfo, KeySpec, PublicKey};
use crate::key_authorization::KeyAuthorizer;
use crate::signer::Signer;

/// A device that holds keys. Safe to share between threads; every call blocks.
pub trait CryptoToken: Send + Sync {
    /// Name in `sigillo.toml`.
    fn name(&self) -> &str;

    /// What is known of it now, without waiting for a device that is away.
    fn status(&self) -> TokenStatus;

    /// A signer for a key. Cheap: the key is found at the first use and remembered.
    ///
    /// # Errors
    /// [`SignerError::UnsupportedAlgorithm`] when device or profile cannot do it; [`SignerError::Unavailable`] when the device is away.
    fn signer(
        &self,
        location: &KeyLocation,
        spec: KeySpec,
        algorithm: SignatureAlgorithm,
    ) -> Result<Box<dyn Signer>, SignerError>;

    /// The key pairs on the token.
    ///
    /// # Errors
    /// [`TokenError::Unavailable`] and [`TokenError::Device`]; both may pass.
    fn keys(&self) -> Result<Vec<KeyInfo>, TokenError>;

    /// Generates a key pair with the profile's template. Attributes are not judged here: see `cryptotoken::lifecycle`.
    ///
    /// # Errors
    /// [`TokenError::Refused`] when alias or identifier exist already.
    fn generate_key(&self, alias: &KeyAlias, id: &KeyId, spec: KeySpec) -> Result<KeyInfo, TokenError>;

    /// Removes private key, public key and certificate with this identifier for good.
    ///
    /// # Errors
    /// [`TokenError::Refused`] when there is no such key.
    fn destroy_key(&self, location: &KeyLocation) -> Result<(), TokenError>;

    /// Writes the certificate beside its key where the profile allows it; `false` where it does not.
    ///
    /// # Errors
    /// [`TokenError::Device`] when the device refuses.
    fn store_certificate(&self, location: &KeyLocation, certificate_der: &[u8]) -> Result<bool, TokenError>;

    /// Initialises the slot of the configuration with this label, a security officer's PIN and a user PIN.
    ///
    /// # Errors
    /// [`TokenError::Refused`] when the token is initialised already: nothing is ever erased.
    fn initialize(&self, so_pin: &SecretString, user_pin: &SecretString) -> Result<(), TokenError>;

    /// How single keys are authorised before they sign; `None` where they need no such thing, or not from here.
    fn key_authorizer(&self) -> Option<&dyn KeyAuthorizer> {
        None
    }

    /// The public key of one location.
    ///
    /// # Errors
    /// [`TokenError::Refused`] when there is no such key or it has no readable public half.
    fn public_key(&self, location: &KeyLocation) -> Result<PublicKey, TokenError> {
        self.keys()?.into_iter().find(|key| key.id == location.id).and_then(|key| key.public_key).ok_or_else(|| {
            TokenError::Refused(format!("token \"{}\" has no public key {}", location.token, location.id))
        })
    }
}

/// Whether a token can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenState {
    /// Logged in; sessions can be had. A token without keys is healthy.
    Ready,
    /// The library, the slot or the device is away.
    Unavailable,
    /// The PIN was rejected and is not tried again until `sigillo token unlock`.
    PinRejected,
    /// Locked by an operator, or waits for a PIN by `sigillo token unlock`.
    Locked,
    /// The slot's token is not initialised yet.
    Uninitialized,
}

impl TokenState {
    /// The name in answers and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Unavailable => "unavailable",
            Self::PinRejected => "pin-rejected",
            Self::Locked => "locked",
            Self::Uninitialized => "uninitialized",
        }
    }
}

/// What is known of a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenStatus {
    /// Name in `sigillo.toml`.
    pub name: String,
    /// Name of the profile.
    pub profile: String,
    /// State.
    pub state: TokenState,
    /// What stands in the way, for operators; empty when ready.
    pub reason: String,
    /// `CK_TOKEN_INFO.label`, where known.
    pub label: Option<String>,
    /// `CK_TOKEN_INFO.serialNumber`, where known.
    pub serial: Option<String>,
    /// `manufacturerID model firmwareVersion`, where known.
    pub device: Option<String>,
    /// Whether the profile is that of a qualified signature/seal creation device.
    pub qscd: bool,
    /// Whether the device behind the profile is the one that it describes: `false` where it says it is another one, absent where profile
    /// or device do not say enough, or nobody has looked yet.
    pub device_confirmed: Option<bool>,
    /// Whether fields of the profile were overridden in `sigillo.toml`; of `assurance` none ever can be.
    pub overridden: bool,
    /// Sessions in use and at most.
    pub sessions: (usize, usize),
    /// Calls that hang in the library now: given up and replaced, for as long as they are fewer than the sessions.
    pub hung_calls: usize,
}
