//! Read the document once: refuse what cannot be signed, digest the rest, lay out the signature.

use bytes::Bytes;
use cryptotoken_api::DataToBeSigned;
use uuid::Uuid;

use super::XadesConfig;
use super::algorithm::{RunningDigest, signature_uri};
use super::assemble::{Place, PreparedXades, Root, SIBLING_END, sibling_start};
use super::attributes::qualifying_properties;
use super::augment::AugmentableXades;
use super::canonicalization::{Canonicalizer, EXCLUSIVE, Omission, Sink};
use super::document::XmlDocument;
use super::earlier::Survey;
use super::reader::{Event, XmlReader};
use super::signature::{Reference, UnsignedSignature};
use super::xml_error::{XmlError, XmlFault};
use crate::augmentation::{Augmentable, AugmentationFault};
use crate::cades::properties::SignedProperties;
use crate::create::{SignatureContext, SignatureFormat};
use crate::error::{Discrepancy, WorkerError};
use crate::kind::WorkerKind;
use crate::level::SignaturePackaging;
use crate::worker::{DocumentContent, SignedDocument, SignerDocument, SigningParameters};

impl SignatureFormat for XadesConfig {
    type Prepared = PreparedXades;

    fn prepare(
        &self,
        document: &SignerDocument,
        parameters: &SigningParameters,
        context: &SignatureContext<'_>,
    ) -> Result<PreparedXades, WorkerError> {
        let algorithm = context.algorithm;
        if signature_uri(algorithm).is_none() {
            return Err(WorkerError::Algorithm { kind: WorkerKind::Xades, algorithm });
        }
        let octets = document.octets()?;
        let properties = self.properties.chosen(parameters)?;
        match self.packaging {
            SignaturePackaging::Enveloping => {
                self.around_or_beside(octets, &Reference::Object(octets), document, &properties, context)
            }
            SignaturePackaging::InternallyDetached | SignaturePackaging::Enveloped => {
                self.with_document(octets, document, &properties, context)
            }
            SignaturePackaging::Detached | SignaturePackaging::Encapsulated => {
                self.around_or_beside(octets, &Reference::Elsewhere(self.uri()), document, &properties, context)
            }
        }
    }

    fn check(
        &self,
        signed: &SignedDocument,
        document: &SignerDocument,
        context: &SignatureContext<'_>,
    ) -> Result<(), Discrepancy> {
        super::check::check(self.packaging, signed, document, context)
    }

    fn augmentable(
        &self,
        signature: Bytes,
        document: Option<&DocumentContent>,
    ) -> Result<Box<dyn Augmentable>, AugmentationFault> {
        Ok(Box::new(AugmentableXades::read(signature, document)?))
    }
}

impl XadesConfig {
    /// A signature that is a file of its own, over any octets.
    fn around_or_beside(
        &self,
        octets: &Bytes,
        reference: &Reference<'_>,
        document: &SignerDocument,
        properties: &SignedProperties,
        context: &SignatureContext<'_>,
    ) -> Result<PreparedXades, WorkerError> {
        let declared = document.media_type.as_deref().map(essence).filter(|each| is_media_type(each));
        let media_type = declared.unwrap_or_else(|| "application/octet-stream".to_owned());
        let media_type = stated(properties)?.unwrap_or(media_type);
        let (id, digest) = (new_id(), context.algorithm.digest().digest(octets));
        let properties = qualifying_properties(&id, &media_type, properties, context)?;
        let signature = UnsignedSignature::lay_out(&id, reference, &digest, &properties, context)?;
        Ok(PreparedXades {
            data_to_be_signed: DataToBeSigned::new(signature.signed_info().to_vec()),
            signature,
            place: Place::alone(),
            media_type: DEFAULT_MEDIA_TYPE.to_owned(),
        })
    }

    /// A signature inside or beside the root element of the document.
    fn with_document(
        &self,
        octets: &Bytes,
        document: &SignerDocument,
        properties: &SignedProperties,
        context: &SignatureContext<'_>,
    ) -> Result<PreparedXades, WorkerError> {
        let beside = self.packaging == SignaturePackaging::InternallyDetached;
        let media_type = media_type(document.media_type.as_deref())?;
        let stated_type = stated(properties)?.unwrap_or_else(|| essence(&media_type));
        let xml = XmlDocument::decode(octets)?;
        let mut reader = XmlReader::new(&xml);
        let mut survey = Survey::default();
        let mut digest = RunningDigest::new(context.algorithm.digest());
        // The identifier is part of what is digested where the document gets an element around it.
        let id = new_id();
        if beside {
            digest.take(sibling_start(&id).as_bytes());
        }
        let mut waiting = Some(digest);
        let mut canonicalizer = None;
        let (mut root, mut end) = (None, None);
        while let Some(event) = reader.next()? {
            survey.take(&event, &reader)?;
            let starts_root = matches!(event, Event::Start(_)) && reader.depth() == 1;
            if canonicalizer.is_none() && (!beside || starts_root) {
                canonicalizer = waiting.take().map(|digest| match beside {
                    true => Canonicalizer::subtree(&EXCLUSIVE, Omission::Nothing, digest, &reader),
                    false => Canonicalizer::document(&EXCLUSIVE, Omission::Signatures, digest),
                });
            }
            if let Some(canonicalizer) = canonicalizer.as_mut().filter(|each| !each.is_complete()) {
                canonicalizer.take(&event, &reader);
            }
            match event {
                Event::Start(element) if reader.depth() == 1 => root = Some(element.offset),
                Event::End(tag) if reader.depth() == 0 => end = Some((tag, reader.offset())),
                _ => {}
            }
        }
        survey.judge(&reader)?;
        if beside {
            survey.refuse_wrapping(&reader)?;
        }
        if survey.has_id(&id) || SUFFIXES.iter().any(|suffix| survey.has_id(&format!("{id}{suffix}"))) {
            return Err(XmlError::at_start(XmlFault::AmbiguousId { id }).into());
        }
        // The reader has seen both, or it would have refused the document.
        let no_root = || XmlError::at_start(XmlFault::NoRoot);
        let (start, (end_tag, end)) = root.zip(end).ok_or_else(no_root)?;
        let mut digest = canonicalizer.ok_or_else(no_root)?.finish();
        if beside {
            digest.take(SIBLING_END.as_bytes());
        }
        let root = Root { start, end_tag, end };
        let properties = qualifying_properties(&id, &stated_type, properties, context)?;
        let reference = if beside { Reference::Sibling } else { Reference::Enveloping };
        let signature = UnsignedSignature::lay_out(&id, &reference, &digest.finish(), &properties, context)?;
        let place = if beside { Place::beside(octets, &xml, &root, &id) } else { Place::inside(octets, &xml, &root) };
        let data_to_be_signed = DataToBeSigned::new(signature.signed_info().to_vec());
        Ok(PreparedXades { data_to_be_signed, signature, place, media_type })
    }
}

/// An identifier that nobody else has: 122 random bits.
fn new_id() -> String {
    format!("sigillo-{}", Uuid::new_v4().simple())
}

/// What identifiers made from it end in.
const SUFFIXES: [&str; 4] = ["-document", "-object", "-properties", "-value"];

/// The media type that worker or caller state in place of the declared one.
fn stated(properties: &SignedProperties) -> Result<Option<String>, WorkerError> {
    match properties.mime_type.as_ref().map(|stated| stated.as_str()) {
        None => Ok(None),
        Some(stated) if is_media_type(stated) => Ok(Some(stated.to_owned())),
        Some(_) => Err(WorkerError::Parameter {
            name: "mime_type".into(),
            reason: "it must be a media type without parameters, such as \"application/xml\"".into(),
        }),
    }
}

/// Whether it can stand in an element as it is.
fn is_media_type(essence: &str) -> bool {
    essence.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|each| each.is_ascii_alphanumeric() || matches!(each, '.' | '-' | '_' | '+'))
}

/// The media type as declared, which must be one of XML (RFC 7303); `application/xml` where none was.
fn media_type(declared: Option<&str>) -> Result<String, WorkerError> {
    let Some(declared) = declared else { return Ok(DEFAULT_MEDIA_TYPE.to_owned()) };
    let essence = essence(declared);
    match essence.split_once('/') {
        Some(("application", "octet-stream")) => Ok(DEFAULT_MEDIA_TYPE.to_owned()),
        Some((kind, subtype))
            if is_token(kind) && is_token(subtype) && (subtype == "xml" || subtype.ends_with("+xml")) =>
        {
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
