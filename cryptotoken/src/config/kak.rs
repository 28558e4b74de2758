//! `[token.key_authorization]`: where the service finds the key authorisation key (KAK) after a restart of the device.

use std::path::{Path, PathBuf};

use cryptotoken_api::KeyAlias;
use serde::Deserialize;

use crate::config::PinSource;

/// How keys of this token are authorised again without a person, for what remains of what a person authorised.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyAuthorizationConfig {
    /// Where the KAK is.
    pub kak: KakLocation,
}

/// Where a KAK is. Exactly one of `token` (with `alias`) and `file`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawKak")]
pub enum KakLocation {
    /// `token`, `alias`: an RSA key on a token of `sigillo.toml`.
    Token {
        /// Name of the token.
        token: String,
        /// The key.
        alias: KeyAlias,
    },
    /// `file`, `passphrase`: PKCS#8, PEM or DER. Not for keys of qualified seals.
    File {
        /// The file.
        path: PathBuf,
        /// Where its passphrase is; absent: it has none.
        passphrase: Option<PinSource>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKak {
    token: Option<String>,
    alias: Option<KeyAlias>,
    file: Option<PathBuf>,
    passphrase: Option<PinSource>,
}

impl TryFrom<RawKak> for KakLocation {
    type Error = &'static str;

    fn try_from(raw: RawKak) -> Result<Self, Self::Error> {
        match raw {
            RawKak { token: Some(token), alias: Some(alias), file: None, passphrase: None } => {
                Ok(Self::Token { token, alias })
            }
            RawKak { passphrase: Some(PinSource::Manual | PinSource::NoLogin), .. } => {
                Err("the passphrase of a KAK is named by credential, file or env; leave it out where there is none")
            }
            RawKak { token: None, alias: None, file: Some(path), passphrase } => Ok(Self::File { path, passphrase }),
            _ => Err("a KAK is named by token and alias, or by file and, where it has one, passphrase"),
        }
    }
}

impl KeyAuthorizationConfig {
    /// The same with relative paths resolved against `base`.
    pub(super) fn resolved(self, base: &Path) -> Self {
        let kak = match self.kak {
            KakLocation::File { path, passphrase } => KakLocation::File {
                path: base.join(path),
                passphrase: passphrase.map(|source| match source {
                    PinSource::File(path) => PinSource::File(base.join(path)),
                    other => other,
                }),
            },
            token @ KakLocation::Token { .. } => token,
        };
        Self { kak }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kak: &str) -> Result<KakLocation, String> {
        let text = format!("kak = {{ {kak} }}");
        toml::from_str::<KeyAuthorizationConfig>(&text).map(|config| config.kak).map_err(|error| error.to_string())
    }

    #[test]
    fn a_kak_is_on_a_token_or_in_a_file() {
        let token = KakLocation::Token { token: "officers".into(), alias: "kak".parse().unwrap() };
        assert_eq!(parse("token = 'officers', alias = 'kak'").unwrap(), token);
        let config = KeyAuthorizationConfig { kak: parse("file = 'kak.pem', passphrase = { file = 'p' }").unwrap() };
        let passphrase = Some(PinSource::File("/etc/p".into()));
        let resolved = KakLocation::File { path: "/etc/kak.pem".into(), passphrase };
        assert_eq!(config.resolved(Path::new("/etc")).kak, resolved);
        for bad in ["", "token = 't'", "alias = 'a'", "token = 't', alias = 'a', file = 'f'", "file = 'f', alias = 'a'"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse("file = 'f', passphrase = { none = true }").is_err());
        assert!(parse("file = 'f', passphrase = 'secret'").is_err());
    }
}
