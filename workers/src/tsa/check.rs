//! Verify a timestamp as it will be sent: the signature, and that it says what was asked for (promise 3).

use std::borrow::Cow;

use der::{Decode, Encode};

use super::TsaConfig;
use super::info::{TST_INFO, TstInfo};
use super::response;
use crate::cades::verify::{Expected, verify_signed_data_of};
use crate::create::SignatureContext;
use crate::error::Discrepancy;
use crate::worker::{DocumentContent, SignedDocument, SignerDocument};

pub(super) fn check(
    options: &TsaConfig,
    signed: &SignedDocument,
    document: &SignerDocument,
    context: &SignatureContext<'_>,
) -> Result<(), Discrepancy> {
    let unreadable = |error: der::Error| Discrepancy::Unreadable(error.to_string());
    let odd = |what: &str| Discrepancy::Unreadable(what.to_owned());
    let octets = signed.contiguous();
    let token = if matches!(document.content, DocumentContent::Memory(_)) {
        let token = response::token(&octets).map_err(unreadable)?;
        Cow::Owned(token.ok_or_else(|| odd("the reply does not grant a token"))?)
    } else {
        octets
    };
    let query = options.query(document).map_err(|refusal| Discrepancy::Unreadable(refusal.to_string()))?;
    let expected = Expected { content_type: TST_INFO, signing_time: None, certificates: query.certificates };
    verify_signed_data_of(&token, context, &expected, |content| {
        let content = content?;
        let serial_number = TstInfo::from_der(content).ok()?.serial_number;
        let expected = TstInfo::new(&query, options, context, serial_number).ok()?.to_der().ok()?;
        (content == expected).then(|| context.algorithm.digest().digest(content))
    })
}
