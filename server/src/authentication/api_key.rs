//! API keys: `Authorization: Bearer KEY`, or `Basic client:KEY` (RFC 7617) for callers that can only do that.

use actix_web::http::header::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use store::Store;

use crate::error::ApiError;

pub(super) async fn client(header: &HeaderValue, store: &Store) -> Result<Option<String>, ApiError> {
    let Some((scheme, value)) = header.to_str().ok().and_then(|text| text.split_once(' ')) else { return Ok(None) };
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return by_key(value, None, store).await;
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD.decode(value).ok().and_then(|octets| String::from_utf8(octets).ok());
        if let Some((name, key)) = decoded.as_deref().and_then(|text| text.split_once(':')) {
            return by_key(key, Some(name), store).await;
        }
    }
    Ok(None)
}

// The digest is looked up, so comparing takes no time that depends on the key.
async fn by_key(key: &str, name: Option<&str>, store: &Store) -> Result<Option<String>, ApiError> {
    let client = store.client_by_api_key(&openssl::sha::sha256(key.as_bytes())).await?;
    Ok(client.map(|client| client.name).filter(|found| name.is_none_or(|name| name == found)))
}
