//! Verify a timestamp as it will be sent: as a token, and that it says what was asked for (promise 3).

use bytes::Bytes;
use cryptotoken_api::Certificate;
use der::{Decode, Encode};

use super::info::TstInfo;
use super::{TsaConfig, response};
use crate::cades::received::ReceivedSignedData;
use crate::create::SignatureContext;
use crate::error::Discrepancy;
use crate::timestamp::TimestampToken;
use crate::worker::{SignedDocument, SignerDocument};

pub(super) fn check(
    options: &TsaConfig,
    signed: &SignedDocument,
    document: &SignerDocument,
    context: &SignatureContext<'_>,
) -> Result<(), Discrepancy> {
    let unreadable = |error: der::Error| Discrepancy::Unreadable(error.to_string());
    let odd = |what: &str| Discrepancy::Unreadable(what.to_owned());
    let token = response::token(&signed.contiguous()).map_err(unreadable)?;
    let token: Bytes = token.ok_or_else(|| odd("the reply does not grant a token"))?.into();

    // Structure, signature, reference to the certificate and its usage, as for the tokens of others.
    let leaf = context.credential.chain.leaf();
    let read = TimestampToken::read(token.clone(), std::slice::from_ref(leaf))
        .map_err(|fault| Discrepancy::Unreadable(fault.to_string()))?;
    if read.signer != *leaf {
        return Err(odd("the token names another signer"));
    }
    let query = options.query(document).map_err(|refusal| Discrepancy::Unreadable(refusal.to_string()))?;
    let asked_for = context.credential.chain.without_root().filter(|_| query.certificates);
    let asked_for: Vec<&Certificate> = asked_for.collect();
    if read.certificates.len() != asked_for.len() || !asked_for.iter().all(|each| read.certificates.contains(each)) {
        return Err(odd("the token carries other certificates than it should"));
    }

    let cms = ReceivedSignedData::read(&token).map_err(|malformed| odd(malformed.0))?;
    let content = cms.content_octets().map_err(|malformed| odd(malformed.0))?.unwrap_or_default();
    let serial_number = TstInfo::from_der(&content).map_err(unreadable)?.serial_number;
    let expected = TstInfo::new(&query, options, context, serial_number).and_then(|info| info.to_der());
    if expected.map_err(unreadable)? != *content {
        return Err(odd("the token says something else than was asked for"));
    }
    Ok(())
}
