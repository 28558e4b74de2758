//! Generate a key pair, read its attributes back, and refuse what the device made of it where that is wrong.

use std::fmt;

use cryptotoken_api::{CryptoToken, KeyAlias, KeyAttributes, KeyId, KeyInfo, KeyLocation, KeySpec, TokenError};

/// Generates a key pair under a new alias with a random identifier of 20 octets.
///
/// The device may ignore what the template asks for, so the attributes are read back; a key with a wrong one is destroyed again.
///
/// # Errors
/// [`TokenError::Refused`] when the alias is taken or the device made a key that may not be used; what the token reports otherwise.
pub fn generate(token: &dyn CryptoToken, alias: &KeyAlias, spec: KeySpec) -> Result<KeyInfo, TokenError> {
    let mut octets = [0; 20];
    // Fixed before the key exists, since several devices cannot change it later; so it is no digest of the key.
    openssl::rand::rand_bytes(&mut octets)
        .map_err(|error| TokenError::Refused(format!("there is no randomness for the key's identifier: {error}")))?;
    let id = KeyId::new(octets);
    let key = token.generate_key(alias, &id, spec)?;
    let wrong: Vec<_> = check_attributes(&key.attributes).into_iter().filter(AttributeProblem::is_wrong).collect();
    let matches = key.public_key.as_ref().is_some_and(|public| public.spec() == spec);
    if wrong.is_empty() && matches {
        return Ok(key);
    }
    let mut reason = if matches {
        let list: Vec<_> = wrong.iter().map(ToString::to_string).collect();
        format!("token \"{}\" generated a key that may not be used: {}", token.name(), list.join(", "))
    } else {
        format!("token \"{}\" generated a key whose public half cannot be read as {spec}", token.name())
    };
    let location = KeyLocation { token: token.name().to_owned(), alias: alias.clone(), id: key.id };
    match token.destroy_key(&location) {
        Ok(()) => reason.push_str("; it was destroyed again"),
        Err(error) => {
            reason.push_str(&format!("; it could not be destroyed ({error}): destroy {} yourself", location.id))
        }
    }
    Err(TokenError::Refused(reason))
}

/// An attribute of a private key that is not as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeProblem {
    /// Its name, `CKA_…`.
    pub attribute: &'static str,
    /// What it must be.
    pub expected: bool,
    /// What the device says; `None` where it does not know the attribute.
    pub found: Option<bool>,
}

impl AttributeProblem {
    /// Whether the device says the opposite, rather than nothing at all.
    #[must_use]
    pub const fn is_wrong(&self) -> bool {
        self.found.is_some()
    }
}

impl fmt::Display for AttributeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.found {
            Some(found) => write!(f, "{} is {found}", self.attribute),
            None => write!(f, "{} is unknown", self.attribute),
        }
    }
}

/// What stands against a key: it must have been made in the device, never be able to leave it, and only sign.
///
/// Attributes that the device does not know are reported too ([`AttributeProblem::is_wrong`] is false for them): a qualified
/// credential needs every one confirmed.
#[must_use]
pub fn check_attributes(attributes: &KeyAttributes) -> Vec<AttributeProblem> {
    [
        ("CKA_SENSITIVE", true, attributes.sensitive),
        ("CKA_ALWAYS_SENSITIVE", true, attributes.always_sensitive),
        ("CKA_EXTRACTABLE", false, attributes.extractable),
        ("CKA_NEVER_EXTRACTABLE", true, attributes.never_extractable),
        ("CKA_LOCAL", true, attributes.local),
        ("CKA_SIGN", true, attributes.sign),
        ("CKA_DECRYPT", false, attributes.decrypt),
        ("CKA_UNWRAP", false, attributes.unwrap),
        ("CKA_DERIVE", false, attributes.derive),
    ]
    .into_iter()
    .filter(|(_, expected, found)| *found != Some(*expected))
    .map(|(attribute, expected, found)| AttributeProblem { attribute, expected, found })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: KeyAttributes = KeyAttributes {
        sensitive: Some(true),
        always_sensitive: Some(true),
        extractable: Some(false),
        never_extractable: Some(true),
        local: Some(true),
        sign: Some(true),
        decrypt: Some(false),
        unwrap: Some(false),
        derive: Some(false),
    };

    #[test]
    fn only_a_key_with_every_attribute_right_has_no_problem() {
        assert!(check_attributes(&RIGHT).is_empty());
        let imported = KeyAttributes { local: Some(false), ..RIGHT };
        assert_eq!(check_attributes(&imported)[0].to_string(), "CKA_LOCAL is false");
        let silent = KeyAttributes { never_extractable: None, ..RIGHT };
        assert!(!check_attributes(&silent)[0].is_wrong());
        assert_eq!(check_attributes(&KeyAttributes::default()).len(), 9);
    }
}
