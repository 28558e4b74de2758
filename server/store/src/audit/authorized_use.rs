//! Uses of keys that were authorised for a number of them (EN 419 221-5): checked and counted in the transaction of the intent.
//!
//! A use counts at the place that the intent names. One that names none counts at every place of the key: none is ever used more often than
//! it was authorised for.

use cryptotoken_api::KeyLocation;
use sqlx::{query, query_as, query_scalar};

use super::event::SigningIntended;
use crate::database::{Transaction, on};
use crate::error::StoreError;

const OF_CREDENTIAL: &str = "SELECT token, alias, authorized_at, authorized_count, uses FROM key_authorization WHERE credential = $1 ORDER BY token";
const COUNT: &str = "UPDATE key_authorization SET uses = uses + 1 \
    WHERE credential = $1 AND (CAST($2 AS TEXT) IS NULL OR token = $2) AND authorized_at IS NOT NULL AND (authorized_count IS NULL OR uses < authorized_count)";

const LOCATIONS: &str = "SELECT locations FROM credential WHERE name = $1";

/// Whether this use is the last one that the key was authorised for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// There is another, or the key needs no authorisation.
    More,
    /// It is.
    Nothing,
}

type Row = (String, String, Option<i64>, Option<i64>, i64);

/// Says no where the key may not be used at the place that the intent names; at any place, where it names none. Writes nothing.
///
/// # Errors
/// [`StoreError::KeyNotAuthorized`].
pub(super) async fn check(transaction: &mut Transaction<'_>, intent: &SigningIntended) -> Result<Left, StoreError> {
    let credential = &intent.credential;
    let rows: Vec<Row> =
        on!(Transaction, transaction, t => query_as(OF_CREDENTIAL).bind(credential).fetch_all(&mut **t).await)?;
    let left = |(_, _, at, count, uses): &Row| match (at, count) {
        (None, _) => 0,
        (Some(_), None) => i64::MAX,
        (Some(_), Some(count)) => count - uses,
    };
    let here = |row: &&Row| intent.location.as_ref().is_none_or(|location| location.token == row.0);
    // A place that is not known here is the device's to decide about.
    let Some(best) = rows.iter().filter(here).max_by_key(|row| left(row)) else { return Ok(Left::More) };
    match left(best) {
        ..=0 => {
            let (token, alias, at, count, _) = best.clone();
            let used_up = at.and(count).and_then(|count| u64::try_from(count).ok());
            Err(StoreError::KeyNotAuthorized { token, alias, used_up })
        }
        1 if intent.location.is_none() => Ok(Left::Nothing),
        1 if rows.iter().any(|row| row.0 != best.0 && left(row) > 0) => Ok(Left::More),
        1 if places(transaction, credential).await? > rows.len() => Ok(Left::More),
        1 => Ok(Left::Nothing),
        _ => Ok(Left::More),
    }
}

/// At how many places the key of a credential is.
async fn places(transaction: &mut Transaction<'_>, credential: &str) -> Result<usize, StoreError> {
    let locations: Option<String> =
        on!(Transaction, transaction, t => query_scalar(LOCATIONS).bind(credential).fetch_optional(&mut **t).await)?;
    let Some(locations) = locations else { return Ok(0) };
    let locations: Vec<KeyLocation> =
        serde_json::from_str(&locations).map_err(StoreError::unreadable("credential", credential))?;
    Ok(locations.len())
}

/// Counts a use at the place that the intent names; at every place that may still be used, where it names none.
pub(super) async fn count(transaction: &mut Transaction<'_>, intent: &SigningIntended) -> Result<(), StoreError> {
    let token = intent.location.as_ref().map(|location| location.token.as_str());
    on!(Transaction, transaction, t => query(COUNT).bind(&intent.credential).bind(token).execute(&mut **t).await.map(drop))?;
    Ok(())
}
