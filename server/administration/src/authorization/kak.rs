//! Who holds a key authorisation key (KAK), and its signature of a device's challenge.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cryptotoken::{KakFile, KakLocation, Pkcs11Token};
use cryptotoken_api::{
    AuthorizationChallenge, AuthorizationProtocol, CryptoToken, KeyAlias, KeyLocation, PublicKey, Purpose, Signer,
    SignerError, ToBeSigned, TokenError,
};
use secrecy::SecretString;
use serde::Serialize;
use store::{AuditLog, KakSource, KeyUse, SigningContext};
use zeroize::Zeroizing;

use crate::error::causes;
use crate::{AdministrationError, Node};

/// Where an operator says that the KAK is.
pub enum KakChoice<'a> {
    /// Where `sigillo.toml` says.
    Configured,
    /// On a token.
    Token {
        /// Name in `sigillo.toml`.
        token: String,
        /// The key.
        alias: KeyAlias,
    },
    /// In a file that was read.
    File {
        /// PKCS#8, PEM or DER.
        octets: Zeroizing<Vec<u8>>,
        /// Its passphrase.
        passphrase: Option<SecretString>,
    },
    /// With somebody who gets the challenge and gives the signature.
    Offline {
        /// How both travel.
        exchange: &'a dyn OfflineExchange,
        /// The public half, where the key is not bound to it yet.
        public_key: Option<PublicKey>,
    },
}

/// The way of a challenge to somebody who holds the KAK, and of the signature back.
///
/// The device's challenge belongs to a session and dies with it (so it does on the simulator; of the device it is not known otherwise),
/// so the process that asked for it waits here until it has the signature.
pub trait OfflineExchange {
    /// Hands the challenge out and waits for a signature that `accept` takes. No other one reaches the device, which blocks a key after
    /// a few wrong ones.
    ///
    /// # Errors
    /// [`TokenError::Unavailable`] when none came in time; [`TokenError::Refused`] when the challenge cannot be handed out.
    fn sign(&self, challenge: &ExportedChallenge, accept: &dyn Fn(&[u8]) -> bool) -> Result<Vec<u8>, TokenError>;
}

/// A challenge with all that its holder needs to know what is signed, for what.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedChallenge {
    /// Which document this is.
    pub format: &'static str,
    /// `initialize`, `authorize` or `change`.
    pub step: &'static str,
    /// Name of the token.
    pub token: String,
    /// Serial number of the device.
    pub device_serial: Option<String>,
    /// Alias of the key.
    pub key: String,
    /// `CKA_ID` of the key, hexadecimal.
    pub key_id: String,
    /// SHA-256 over the key's `SubjectPublicKeyInfo`.
    pub key_public_sha256: String,
    /// Name of the credential.
    pub credential: String,
    /// The device's number of the step.
    pub mechanism: String,
    /// `rsa-pss-sha256` (salt of 32 octets) or `rsa-pkcs1-sha256`.
    pub protocol: AuthorizationProtocol,
    /// How many signatures are authorised, or `unlimited`; absent in other steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<String>,
    /// The KAK that must sign, PEM.
    pub kak_public_key: String,
    /// SHA-256 over its `SubjectPublicKeyInfo`.
    pub kak_sha256: String,
    /// The KAK that the key is changed to, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_kak_public_key: Option<String>,
    /// Always `SHA-256`.
    pub hash_algorithm: &'static str,
    /// What is signed as a digest and not hashed again, hexadecimal.
    pub hash: String,
}

/// Somebody whose signature can be had at once.
pub(crate) struct Holder {
    pub(crate) source: KakSource,
    pub(crate) public_key: PublicKey,
    way: Way,
}

enum Way {
    Token { token: Arc<Pkcs11Token>, location: KeyLocation, name: String },
    File(KakFile),
}

impl Holder {
    /// The KAK on a token of this node.
    pub(crate) fn on_token(node: &Node, token_name: &str, alias: &KeyAlias) -> Result<Self, AdministrationError> {
        let credentials = node.wait(node.store().credentials())?;
        let here = |location: &KeyLocation| location.token == token_name && location.alias == *alias;
        let credential = credentials.into_iter().find(|credential| credential.locations.iter().any(here));
        if let Some(credential) = credential.as_ref().filter(|credential| credential.purpose != Purpose::Blind) {
            // Whoever can have it sign a challenge could have it sign the digest of a document.
            return Err(AdministrationError::Refused(format!(
                "key \"{alias}\" on token \"{token_name}\" is for {} signatures and cannot be a KAK; make one with: sigillo key generate \
                 --token {token_name} --alias NAME --spec rsa-3072 --purpose blind",
                credential.purpose
            )));
        }
        let on_record =
            credential.as_ref().and_then(|credential| PublicKey::from_spki_der(&credential.public_key).ok());
        let name = credential.map_or_else(|| alias.to_string(), |credential| credential.name);
        Ok(Self::found(Arc::clone(node.token(token_name)?), alias, name, on_record)?)
    }

    /// Not every token keeps the public half; `on_record` is then what it is believed to be.
    fn found(
        token: Arc<Pkcs11Token>,
        alias: &KeyAlias,
        name: String,
        on_record: Option<PublicKey>,
    ) -> Result<Self, TokenError> {
        let mut keys = token.keys()?.into_iter().filter(|key| key.label == alias.as_str());
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return Err(TokenError::Refused(format!("token \"{}\" has not exactly one key \"{alias}\"", token.name())));
        };
        let public_key = key.public_key.or(on_record).ok_or_else(|| {
            TokenError::Refused(format!("the public half of the KAK \"{alias}\" is not on token \"{}\"", token.name()))
        })?;
        AuthorizationProtocol::default().algorithm(&public_key).map_err(TokenError::Refused)?;
        let location = KeyLocation { token: token.name().to_owned(), alias: alias.clone(), id: key.id };
        Ok(Self { source: KakSource::Token, public_key, way: Way::Token { token, location, name } })
    }

    /// The KAK in a file.
    pub(crate) fn in_file(octets: &[u8], passphrase: Option<&SecretString>) -> Result<Self, TokenError> {
        let key =
            KakFile::read(octets, passphrase).map_err(|error| TokenError::Refused(format!("the KAK: {error}")))?;
        Ok(Self { source: KakSource::File, public_key: key.public_key().clone(), way: Way::File(key) })
    }

    /// Its signature. That of a key on a token is on record as every use of a key.
    pub(crate) fn sign(
        &self,
        audit: &AuditLog,
        actor: &str,
        protocol: AuthorizationProtocol,
        challenge: &AuthorizationChallenge,
        deadline: Instant,
    ) -> Result<Vec<u8>, TokenError> {
        let (token, location, name) = match &self.way {
            Way::File(key) => {
                let signed = key.sign(challenge, protocol);
                return signed.map_err(|error| TokenError::Refused(causes(&error)));
            }
            Way::Token { token, location, name } => (token, location, name),
        };
        let algorithm = protocol.algorithm(&self.public_key).map_err(TokenError::Refused)?;
        let inner =
            token.signer(location, self.public_key.spec(), algorithm).map_err(|error| refused(location, &error))?;
        let context = SigningContext::without_worker(KeyUse::KeyAuthorization, actor, name.clone());
        let signer = audit.signer(inner, context);
        let signed = signer.sign(ToBeSigned::Representation(challenge.hash()), deadline);
        signer.settle().map_err(|error| TokenError::Refused(causes(&error)))?;
        Ok(signed.map_err(|error| refused(location, &error))?.as_bytes().to_vec())
    }
}

/// A KAK that does not sign: whether waiting helps is said by the kind of error.
fn refused(location: &KeyLocation, error: &SignerError) -> TokenError {
    let reason = format!("the KAK \"{}\" did not sign: {}", location.alias, causes(error));
    match error {
        SignerError::Busy { .. }
        | SignerError::Unavailable { .. }
        | SignerError::TokenFailed { .. }
        | SignerError::NotRecorded(_)
        | SignerError::DeadlineExceeded { .. } => TokenError::Unavailable { token: location.token.clone(), reason },
        _ => TokenError::Refused(reason),
    }
}

/// Where `sigillo.toml` says that the KAK of a token is, with what is needed to have it sign at any time.
#[derive(Clone)]
pub(crate) enum ConfiguredKak {
    Token { token: Arc<Pkcs11Token>, alias: KeyAlias },
    File(KakLocation),
}

impl ConfiguredKak {
    /// `None` where there is none.
    pub(crate) fn of(node: &Node, token: &Pkcs11Token) -> Result<Option<Self>, AdministrationError> {
        Ok(match token.config().key_authorization.as_ref().map(|config| &config.kak) {
            None => None,
            Some(KakLocation::Token { token, alias }) => {
                Some(Self::Token { token: Arc::clone(node.token(token)?), alias: alias.clone() })
            }
            Some(file @ KakLocation::File { .. }) => Some(Self::File(file.clone())),
        })
    }

    /// Reads or finds it, now, for a key that is bound to this public half.
    pub(crate) fn holder(&self, bound: Option<&PublicKey>) -> Result<Holder, TokenError> {
        match self {
            Self::Token { token, alias } => Holder::found(Arc::clone(token), alias, alias.to_string(), bound.cloned()),
            Self::File(KakLocation::File { path, passphrase }) => {
                let passphrase = passphrase.as_ref().map(cryptotoken::PinSource::read).transpose();
                let passphrase = passphrase.map_err(|error| TokenError::Refused(causes(&error)))?.flatten();
                Holder::in_file(&read(path)?, passphrase.as_ref())
            }
            Self::File(KakLocation::Token { .. }) => Err(TokenError::Refused("this KAK is in no file".to_owned())),
        }
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TokenError> {
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0) {
        tracing::warn!("the KAK file can be read by other users; run: chmod 600 {}", path.display());
    }
    let octets = std::fs::read(path);
    octets.map(Zeroizing::new).map_err(|error| TokenError::Refused(format!("the KAK {}: {error}", path.display())))
}
