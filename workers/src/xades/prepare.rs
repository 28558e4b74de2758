//! Read the document once: refuse what cannot be signed, digest the rest, lay out the signature.

use cryptotoken_api::DataToBeSigned;
use uuid::Uuid;

use super::XadesConfig;
use super::algorithm::{RunningDigest, signature_uri};
use super::assemble::{Place, PreparedXades};
use super::canonicalization::{Canonicalizer, EXCLUSIVE, Omission};
use super::document::XmlDocument;
use super::earlier::Survey;
use super::reader::{Event, XmlReader};
use super::signature::UnsignedSignature;
use super::xml_error::{XmlError, XmlFault};
use crate::create::{SignatureContext, SignatureFormat};
use crate::error::{Discrepancy, WorkerError};
use crate::kind::WorkerKind;
use crate::worker::{SignedDocument, SignerDocument, SigningParameters};

impl SignatureFormat for XadesConfig {
    type Prepared = PreparedXades;

    fn prepare(
        &self,
        document: &SignerDocument,
        _parameters: &SigningParameters,
        context: &SignatureContext<'_>,
    ) -> Result<PreparedXades, WorkerError> {
        let algorithm = context.algorithm;
        if signature_uri(algorithm).is_none() {
            return Err(WorkerError::Algorithm { kind: WorkerKind::Xades, algorithm });
        }
        let media_type = media_type(document.media_type.as_deref())?;
        let octets = document.octets()?;
        let xml = XmlDocument::decode(octets)?;

        let mut reader = XmlReader::new(&xml);
        let mut survey = Survey::default();
        let digest = RunningDigest::new(algorithm.digest());
        let mut canonicalizer = Canonicalizer::document(&EXCLUSIVE, Omission::Signatures, digest);
        let (mut root, mut end) = (None, None);
        while let Some(event) = reader.next()? {
            survey.take(&event, &reader)?;
            canonicalizer.take(&event, &reader);
            match event {
                Event::Start(element) if reader.depth() == 1 => root = Some(element.offset),
                Event::End(tag) if reader.depth() == 0 => end = Some(tag),
                _ => {}
            }
        }
        let digest = canonicalizer.finish().finish();
        survey.judge(&reader)?;
        // The reader has seen both, or it would have refused the document.
        let (root, end) = root.zip(end).ok_or_else(|| XmlError::at_start(XmlFault::NoRoot))?;

        let id = unused_id(&survey);
        let signature = UnsignedSignature::lay_out(&id, &digest, &essence(&media_type), context)?;
        Ok(PreparedXades {
            data_to_be_signed: DataToBeSigned::new(signature.signed_info().to_vec()),
            signature,
            place: Place::at(octets, &xml, root, &end),
            media_type,
        })
    }

    fn check(
        &self,
        signed: &SignedDocument,
        document: &SignerDocument,
        context: &SignatureContext<'_>,
    ) -> Result<(), Discrepancy> {
        super::check::check(signed, document, context)
    }
}

/// An identifier that no element has; so are those made from it, which begin with it.
fn unused_id(survey: &Survey<'_>) -> String {
    loop {
        let id = format!("sigillo-{}", Uuid::new_v4().simple());
        let made = ["", "-document", "-properties", "-value"].map(|suffix| format!("{id}{suffix}"));
        if !made.iter().any(|each| survey.has_id(each)) {
            return id;
        }
    }
}

/// The media type as declared, which must be one of XML (RFC 7303); `application/xml` where none was.
fn media_type(declared: Option<&str>) -> Result<String, WorkerError> {
    let Some(declared) = declared else { return Ok(DEFAULT_MEDIA_TYPE.to_owned()) };
    let essence = essence(declared);
    let token = |text: &str| {
        !text.is_empty()
            && text.chars().all(|each| each.is_ascii_alphanumeric() || matches!(each, '.' | '-' | '_' | '+'))
    };
    match essence.split_once('/') {
        Some(("application", "octet-stream")) => Ok(DEFAULT_MEDIA_TYPE.to_owned()),
        Some((kind, subtype)) if token(kind) && token(subtype) && (subtype == "xml" || subtype.ends_with("+xml")) => {
            Ok(declared.to_owned())
        }
        _ => Err(WorkerError::MediaType { declared: declared.to_owned(), expected: "XML" }),
    }
}

/// A media type without its parameters.
fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

const DEFAULT_MEDIA_TYPE: &str = "application/xml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_of_xml_are_kept_and_an_undeclared_one_is_application_xml() {
        for declared in ["application/xml", "text/xml; charset=utf-8", "Application/UBL+xml"] {
            assert_eq!(media_type(Some(declared)).unwrap(), declared);
        }
        assert_eq!(media_type(None).unwrap(), "application/xml");
        assert_eq!(media_type(Some("application/octet-stream")).unwrap(), "application/xml");
    }

    #[test]
    fn other_media_types_are_refused() {
        for declared in ["application/pdf", "text/plain", "xml", "", "a&b/xml", "text/<xml"] {
            assert!(matches!(media_type(Some(declared)), Err(WorkerError::MediaType { .. })), "{declared}");
        }
    }
}
