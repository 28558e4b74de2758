//! Verify a plain signature as it will be sent, over the document as it came (promise 3).

use cryptotoken_api::{DataToBeSigned, SignatureScheme, SignatureValue, ToBeSigned, verification};

use crate::create::SignatureContext;
use crate::error::Discrepancy;
use crate::plain::{EcdsaEncoding, PlainConfig};
use crate::worker::{DocumentContent, SignedDocument, SignerDocument};

pub(super) fn check(
    options: &PlainConfig,
    signed: &SignedDocument,
    document: &SignerDocument,
    context: &SignatureContext<'_>,
) -> Result<(), Discrepancy> {
    let key = context.credential.chain.leaf_key();
    let octets = signed.contiguous();
    let value = match (context.algorithm.scheme(), options.ecdsa_encoding, key.spec().field_length()) {
        (SignatureScheme::Ecdsa, EcdsaEncoding::Der, Some(length)) => SignatureValue::from_ecdsa_der(&octets, length)?,
        _ => SignatureValue::new(octets.into_owned()),
    };
    // A new value, so that the digest is computed anew.
    let data;
    let to_be_signed = match &document.content {
        DocumentContent::Memory(octets) => {
            data = DataToBeSigned::new(bytes::Bytes::clone(octets));
            ToBeSigned::Data(&data)
        }
        DocumentContent::Spooled(_) => return Err(Discrepancy::Unreadable("the document is not in memory".into())),
        DocumentContent::Digest(digest) => ToBeSigned::Representation(digest),
        DocumentContent::Files(_) => return Err(Discrepancy::Unreadable("there are several documents".into())),
    };
    Ok(verification::verify(key, context.algorithm, to_be_signed, &value)?)
}
