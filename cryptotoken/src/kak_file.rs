//! A key authorisation key (KAK) in a file: PKCS#8, PEM or DER. For tests and for keys that make no qualified seals.

use std::fmt;

use cryptotoken_api::key::UnusableKey;
use cryptotoken_api::{AuthorizationChallenge, AuthorizationProtocol, PublicKey};
use openssl::error::ErrorStack;
use openssl::md::Md;
use openssl::pkey::{PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Padding;
use openssl::sign::RsaPssSaltlen;
use secrecy::{ExposeSecret, SecretString};

/// A KAK that was read from a file. Its private half is wiped when it is dropped (by OpenSSL).
pub struct KakFile {
    key: PKey<Private>,
    public_key: PublicKey,
}

/// Why a file is no KAK. The operator must name another file or passphrase.
#[derive(Debug, thiserror::Error)]
pub enum KakFileError {
    /// Neither PEM nor DER of PKCS#8, or another passphrase.
    #[error("it is no private key in PKCS#8, PEM or DER, or the passphrase is missing or wrong")]
    Unreadable,
    /// A key that cannot be a KAK.
    #[error(transparent)]
    Unusable(#[from] UnusableKey),
    /// No RSA key.
    #[error("{0}")]
    NotRsa(String),
    /// OpenSSL failed.
    #[error("the KAK does not sign")]
    Failed(#[from] ErrorStack),
}

impl KakFile {
    /// Reads a key.
    ///
    /// # Errors
    /// [`KakFileError`].
    pub fn read(octets: &[u8], passphrase: Option<&SecretString>) -> Result<Self, KakFileError> {
        let secret = passphrase.map(|secret| secret.expose_secret().as_bytes());
        let is_pem = octets.windows(5).any(|window| window == b"-----");
        let key = match (is_pem, secret) {
            // Always with a callback: OpenSSL asks the terminal otherwise.
            (true, secret) => PKey::private_key_from_pem_callback(octets, |place| Ok(fill(place, secret))),
            (false, None) => PKey::private_key_from_pkcs8(octets),
            (false, Some(secret)) => PKey::private_key_from_pkcs8_passphrase(octets, secret),
        };
        let key = key.map_err(|_| KakFileError::Unreadable)?;
        let public_key = PublicKey::from_spki_der(&key.public_key_to_der()?)?;
        AuthorizationProtocol::default().algorithm(&public_key).map_err(KakFileError::NotRsa)?;
        Ok(Self { key, public_key })
    }

    /// The public half.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Signs a challenge, which is a digest already.
    ///
    /// # Errors
    /// [`KakFileError::Failed`].
    pub fn sign(
        &self,
        challenge: &AuthorizationChallenge,
        protocol: AuthorizationProtocol,
    ) -> Result<Vec<u8>, KakFileError> {
        let mut context = PkeyCtx::new(&self.key)?;
        context.sign_init()?;
        match protocol {
            AuthorizationProtocol::RsaPssSha256 => {
                context.set_rsa_padding(Padding::PKCS1_PSS)?;
                context.set_signature_md(Md::sha256())?;
                context.set_rsa_mgf1_md(Md::sha256())?;
                context.set_rsa_pss_saltlen(RsaPssSaltlen::custom(32))?;
            }
            AuthorizationProtocol::RsaPkcs1Sha256 => {
                context.set_rsa_padding(Padding::PKCS1)?;
                context.set_signature_md(Md::sha256())?;
            }
        }
        let mut signature = Vec::new();
        context.sign_to_vec(challenge.hash().digest(), &mut signature)?;
        Ok(signature)
    }
}

impl fmt::Debug for KakFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KakFile({:?})", self.public_key)
    }
}

/// How OpenSSL is given a passphrase; none, or one that is too long, is an empty one, which opens nothing.
fn fill(place: &mut [u8], secret: Option<&[u8]>) -> usize {
    match secret.and_then(|secret| Some((place.get_mut(..secret.len())?, secret))) {
        Some((place, secret)) => {
            place.copy_from_slice(secret);
            secret.len()
        }
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use openssl::rsa::Rsa;
    use openssl::symm::Cipher;

    use super::*;

    #[test]
    fn keys_are_read_in_every_form_and_their_signatures_verify_under_both_protocols() {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let (cipher, secret) = (Cipher::aes_256_cbc(), SecretString::from("a passphrase"));
        let pass = secret.expose_secret().as_bytes();
        let encrypted = key.private_key_to_pem_pkcs8_passphrase(cipher, pass).unwrap();
        let encrypted_der = key.private_key_to_pkcs8_passphrase(cipher, pass).unwrap();
        for (octets, passphrase) in [
            (key.private_key_to_pem_pkcs8().unwrap(), None),
            (key.private_key_to_pkcs8().unwrap(), None),
            (encrypted.clone(), Some(&secret)),
            (encrypted_der.clone(), Some(&secret)),
        ] {
            let kak = KakFile::read(&octets, passphrase).unwrap();
            assert!(!format!("{kak:?}").contains("PRIVATE"));
            let challenge = AuthorizationChallenge::new(vec![3; 32], 1).unwrap();
            for protocol in AuthorizationProtocol::ALL {
                let signature = kak.sign(&challenge, protocol).unwrap();
                assert!(challenge.is_signed_by(kak.public_key(), protocol, &signature), "{protocol}");
            }
        }
        for octets in [&encrypted, &encrypted_der] {
            for wrong in [None, Some(&SecretString::from("another"))] {
                assert!(matches!(KakFile::read(octets, wrong), Err(KakFileError::Unreadable)));
            }
        }
    }

    #[test]
    fn what_is_no_rsa_key_of_the_usual_sizes_is_refused() {
        let ec = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
        let ec = PKey::from_ec_key(openssl::ec::EcKey::generate(&ec).unwrap()).unwrap();
        assert!(matches!(KakFile::read(&ec.private_key_to_pkcs8().unwrap(), None), Err(KakFileError::NotRsa(_))));
        let short = PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap();
        assert!(matches!(KakFile::read(&short.private_key_to_pkcs8().unwrap(), None), Err(KakFileError::Unusable(_))));
        assert!(matches!(KakFile::read(b"no key", None), Err(KakFileError::Unreadable)));
    }
}
