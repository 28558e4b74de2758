//! The signatures and document timestamps in a PDF, which others may have made: found and verified (ISO 32000-2, 12.8).

use std::collections::HashSet;

use bytes::Bytes;
use cryptotoken_api::{Certificate, DigestAlgorithm};
use lopdf::{Dictionary, Object};

use super::byte_range::ByteRange;
use super::fields;
use super::file::PdfFile;
use super::syntax;
use crate::augmentation::AugmentationFault;
use crate::cades::augment::{CONTENT_TIMESTAMP, SIGNATURE_TIMESTAMP, timestamps};
use crate::cades::received::{ReceivedSignedData, oid};
use crate::cades::signer_info::SignerInfoFault;
use crate::timestamp::TimestampToken;
use crate::tlv::Element;

/// A signature or a document timestamp.
pub(super) struct FoundSignature {
    /// What it covers.
    pub(super) range: ByteRange,
    /// What it is.
    pub(super) kind: FoundKind,
}

/// What is in `/Contents`, verified.
pub(super) enum FoundKind {
    /// A CMS.
    Signature {
        /// The certificate of its signer.
        signer: Box<Certificate>,
        /// Its signature timestamps.
        timestamps: Vec<TimestampToken>,
        /// Timestamps on what is signed, which are signed themselves.
        content_timestamps: Vec<TimestampToken>,
        /// Every certificate inside.
        certificates: Vec<Certificate>,
    },
    /// A token over the document.
    Timestamp(Box<TimestampToken>),
}

impl FoundSignature {
    /// Octets of its longest timestamp; 0 where it has none.
    pub(super) fn longest_timestamp(&self) -> usize {
        match &self.kind {
            FoundKind::Signature { timestamps, .. } => {
                timestamps.iter().map(|token| token.der.len()).max().unwrap_or(0)
            }
            FoundKind::Timestamp(token) => token.der.len(),
        }
    }
}

/// Those in the document that begin behind its first `before` octets, in the order of the document, each verified. One of a kind that is not
/// known here is left out where one that is known covers it: whoever made that has seen it.
///
/// # Errors
/// [`AugmentationFault`] for the first that cannot be built on.
pub(super) fn behind(file: &PdfFile<'_>, before: usize) -> Result<Vec<FoundSignature>, AugmentationFault> {
    let mut found: Vec<(ByteRange, &Dictionary)> = Vec::new();
    let mut seen = HashSet::new();
    let fields = fields::all(file)?;
    for dictionary in fields.iter().filter_map(|field| field.signature()) {
        match byte_range(file, dictionary) {
            // Several widgets may show one signature.
            Some(range) if range.gap().start >= before && seen.insert(range.clone()) => {
                if found.len() >= MAX_SIGNATURES {
                    return Err(AugmentationFault::Malformed("there are more than 100 signatures in the PDF"));
                }
                found.push((range, dictionary));
            }
            None if before == 0 => {
                return Err(AugmentationFault::Malformed("the byte range of a signature is not one"));
            }
            _ => {}
        }
    }
    found.sort_by_key(|(range, _)| range.end());
    let others = super::security_store::certificates(file);
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for (position, (range, dictionary)) in (1..).zip(found) {
        match verified(file, &range, dictionary, position, &others) {
            Ok(kind) => known.push(FoundSignature { range, kind }),
            Err(fault) if is_of_unknown_kind(&fault) => unknown.push((range.end(), fault)),
            Err(fault) => return Err(fault),
        }
    }
    let last = known.last().map_or(0, |last| last.range.end());
    match unknown.into_iter().find(|(end, _)| *end >= last) {
        Some((_, fault)) => Err(fault),
        None => Ok(known),
    }
}

/// Whether it is of the early days of PDF, or of an algorithm that is no longer fit, rather than wrong.
fn is_of_unknown_kind(fault: &AugmentationFault) -> bool {
    match fault {
        AugmentationFault::Malformed(what) => *what == UNKNOWN_KIND,
        AugmentationFault::Signer { fault: SignerInfoFault::Algorithm(_), .. } => true,
        _ => false,
    }
}

/// Reads `/ByteRange`, which must begin with the file and stay within it.
fn byte_range(file: &PdfFile<'_>, signature: &Dictionary) -> Option<ByteRange> {
    let numbers = file.value(signature, b"ByteRange").as_array().ok()?;
    let number = |object: &Object| usize::try_from(file.resolve(object).as_i64().ok()?).ok();
    let [0, start, second, length] = *numbers.iter().map(number).collect::<Option<Vec<_>>>()?.as_slice() else {
        return None;
    };
    let end = second.checked_add(length)?;
    (start < second && end <= file.octets().len()).then(|| ByteRange::new(start..second, end))
}

fn verified(
    file: &PdfFile<'_>,
    range: &ByteRange,
    dictionary: &Dictionary,
    position: usize,
    others: &[Certificate],
) -> Result<FoundKind, AugmentationFault> {
    let gap = file.octets().get(range.gap()).unwrap_or_default();
    let digits = gap.strip_prefix(b"<").and_then(|gap| gap.strip_suffix(b">"));
    // Readers take what the dictionary says; what is not covered must be that and nothing else.
    let contents = digits.and_then(|digits| syntax::hexadecimal(digits).ok());
    let contents = contents.ok_or(AugmentationFault::Malformed("a byte range does not leave out /Contents alone"))?;
    let (element, padding) = Element::first(&contents)?;
    if padding.iter().any(|octet| *octet != 0) {
        return Err(AugmentationFault::Malformed("there is more than a signature in /Contents"));
    }
    let cms = Bytes::copy_from_slice(element.whole);
    let digest = |algorithm: DigestAlgorithm| file.octets().digest(range, algorithm).ok();
    match file.value(dictionary, b"SubFilter").as_name() {
        Ok(b"ETSI.RFC3161") => {
            let token = TimestampToken::read(cms, others);
            let token = token.map_err(|fault| AugmentationFault::Timestamp { position, fault })?;
            if digest(token.imprint.algorithm()).is_none_or(|digest| digest != token.imprint.digest()) {
                return Err(AugmentationFault::Imprint { position });
            }
            Ok(FoundKind::Timestamp(Box::new(token)))
        }
        Ok(b"ETSI.CAdES.detached" | b"adbe.pkcs7.detached") => {
            let parts = ReceivedSignedData::read(&cms)?;
            let [info] = parts.signers.as_slice() else {
                return Err(AugmentationFault::Malformed("a signature in a PDF has not exactly one signer"));
            };
            if parts.content.is_some() {
                return Err(AugmentationFault::Malformed("a signature in a PDF has a content of its own"));
            }
            let mut certificates = parts.readable_certificates();
            let fault = |fault| AugmentationFault::Signer { position, fault };
            let signer = info.signer(&certificates).map_err(fault)?.clone();
            info.verify(&signer, Some(oid(parts.content_type)?), digest).map_err(fault)?;
            let around = [certificates.as_slice(), others].concat();
            let stamps = timestamps(info.unsigned(SIGNATURE_TIMESTAMP)?, position, &around)?;
            for token in &stamps {
                if token.imprint.digest() != token.imprint.algorithm().digest(info.signature.contents) {
                    return Err(AugmentationFault::Imprint { position });
                }
            }
            let content_timestamps = timestamps(info.signed(CONTENT_TIMESTAMP)?, position, &around)?;
            let tokens = stamps.iter().chain(&content_timestamps);
            certificates.extend(tokens.flat_map(|token| token.certificates.clone()));
            Ok(FoundKind::Signature { signer: Box::new(signer), timestamps: stamps, content_timestamps, certificates })
        }
        _ => Err(AugmentationFault::Malformed(UNKNOWN_KIND)),
    }
}

/// Such as `adbe.pkcs7.sha1` and `adbe.x509.rsa_sha1` (ISO 32000-2, table 260).
const UNKNOWN_KIND: &str = "a signature in the PDF is of a kind that is not known here (/SubFilter)";
/// Each may cover all of the file, which is hashed for each.
const MAX_SIGNATURES: usize = 100;

#[cfg(test)]
mod tests {
    use super::super::octets::PdfOctets;
    use super::*;

    #[test]
    fn more_signatures_than_any_document_has_are_not_verified() {
        let fault = |count: usize| {
            let mut text = "%PDF-1.7\n1 0 obj\n<</Type/Catalog/AcroForm<</Fields[".to_owned();
            for number in 0..count {
                text += &format!("<</FT/Sig/T(s{number})/V<</ByteRange[0 9 {} 9]>>>>", 10 + number);
            }
            text += "]>>>>\nendobj\n";
            let start = text.len();
            text += &format!("xref\n0 2\n0000000000 65535 f \n{:010} 00000 n \n", 9);
            text += &format!("trailer\n<</Size 2/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n");
            let file = PdfFile::open(PdfOctets::from(text.as_bytes()), None).unwrap();
            behind(&file, 0).err().unwrap().to_string()
        };
        assert!(fault(100).contains("does not leave out /Contents alone"), "{}", fault(100));
        assert!(fault(101).contains("more than 100 signatures"), "{}", fault(101));
    }
}
