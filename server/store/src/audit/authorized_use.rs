//! Uses of keys that were authorised for a number of them (EN 419 221-5): checked and counted in the transaction of the intent.
//!
//! A use counts at every place of the credential's key, since an intent does not say which one will sign: none is ever used more often
//! than it was authorised for.

use sqlx::{query, query_as};

use crate::database::{Transaction, on};
use crate::error::StoreError;

const OF_CREDENTIAL: &str = "SELECT token, alias, authorized_at, authorized_count, uses FROM key_authorization WHERE credential = $1 ORDER BY token";
const COUNT: &str = "UPDATE key_authorization SET uses = uses + 1 \
    WHERE credential = $1 AND authorized_at IS NOT NULL AND (authorized_count IS NULL OR uses < authorized_count)";

/// Whether this use is the last one that the key was authorised for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// There is another, or the key needs no authorisation.
    More,
    /// It is.
    Nothing,
}

type Row = (String, String, Option<i64>, Option<i64>, i64);

/// Says no where no place of the key may be used. Writes nothing.
///
/// # Errors
/// [`StoreError::KeyNotAuthorized`].
pub(super) async fn check(transaction: &mut Transaction<'_>, credential: &str) -> Result<Left, StoreError> {
    let rows: Vec<Row> =
        on!(Transaction, transaction, t => query_as(OF_CREDENTIAL).bind(credential).fetch_all(&mut **t).await)?;
    let left = |(_, _, at, count, uses): &Row| match (at, count) {
        (None, _) => 0,
        (Some(_), None) => i64::MAX,
        (Some(_), Some(count)) => count - uses,
    };
    let Some(best) = rows.iter().max_by_key(|row| left(row)) else { return Ok(Left::More) };
    match left(best) {
        ..=0 => {
            let (token, alias, at, count, _) = best.clone();
            let used_up = at.and(count).and_then(|count| u64::try_from(count).ok());
            Err(StoreError::KeyNotAuthorized { token, alias, used_up })
        }
        1 => Ok(Left::Nothing),
        _ => Ok(Left::More),
    }
}

/// Counts a use at every place that may still be used.
pub(super) async fn count(transaction: &mut Transaction<'_>, credential: &str) -> Result<(), StoreError> {
    on!(Transaction, transaction, t => query(COUNT).bind(credential).execute(&mut **t).await.map(drop))?;
    Ok(())
}
