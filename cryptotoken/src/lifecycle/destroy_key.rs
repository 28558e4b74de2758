//! Destroy a key for good.

use cryptotoken_api::{CryptoToken, KeyLocation, TokenError};

/// Destroys private key, public key and certificate at `location`, and looks afterwards whether they are gone.
///
/// # Errors
/// [`TokenError::Refused`] when there is no key of that alias and identifier, or it is still there; what the token reports otherwise.
pub fn destroy(token: &dyn CryptoToken, location: &KeyLocation) -> Result<(), TokenError> {
    token.destroy_key(location)?;
    if token.keys()?.iter().any(|key| key.id == location.id) {
        let (name, alias, id) = (token.name(), &location.alias, &location.id);
        return Err(TokenError::Refused(format!(
            "token \"{name}\" still has the key \"{alias}\" ({id}) after destroying it"
        )));
    }
    Ok(())
}
