//! Verify a CMS signature as it will be sent (promise 3).

use super::verify::verify_signed_data;
use crate::create::SignatureContext;
use crate::error::Discrepancy;
use crate::level::SignaturePackaging;
use crate::worker::{DocumentContent, SignedDocument, SignerDocument};

pub(super) fn check(
    packaging: SignaturePackaging,
    signed: &SignedDocument,
    document: &SignerDocument,
    context: &SignatureContext<'_>,
) -> Result<(), Discrepancy> {
    let octets = signed.contiguous();
    let algorithm = context.algorithm.digest();
    let signing_time = Some(context.signing_time);
    verify_signed_data(&octets, context, signing_time, |encapsulated| {
        match (packaging, encapsulated, &document.content) {
            (SignaturePackaging::Encapsulated, Some(content), DocumentContent::Memory(original)) => {
                // Not only intact, but the document that was sent.
                (content == original.as_ref()).then(|| algorithm.digest(content))
            }
            (SignaturePackaging::Detached, None, DocumentContent::Memory(original)) => Some(algorithm.digest(original)),
            (SignaturePackaging::Detached, None, DocumentContent::Digest(digest)) => Some(digest.digest().to_vec()),
            _ => None,
        }
    })
}
