//! Read the document once: refuse what cannot be signed, digest the rest, lay out the signature.

use bytes::Bytes;
use cryptotoken_api::{DataToBeSigned, DigestAlgorithm, DtbsRepresentation};

use super::algorithm::{Collector, RunningDigest, signature_uri};
use super::assemble::{Place, PreparedXades};
use super::attributes::qualifying_properties;
use super::augment::AugmentableXades;
use super::canonicalization::Sink;
use super::reader::Scope;
use super::signature::{Content, DataObject, Layout, UnsignedSignature, canonical_key_info, object_id};
use super::{ObjectForm, XadesConfig, XadesMode};
use crate::augmentation::{Augmentable, AugmentationFault};
use crate::cades::properties::SignedProperties;
use crate::create::{SignatureContext, SignatureFormat};
use crate::error::{Discrepancy, WorkerError};
use crate::kind::WorkerKind;
use crate::level::SignaturePackaging;
use crate::worker::{DocumentContent, SignedDocument, SignerDocument, SigningParameters, in_one_piece};

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
        let properties = self.properties.chosen(parameters)?;
        let request = Request { document, parameters, properties: &properties, context };
        let digest = self.form.digest(context);
        let subject = self.subject(&request, &|| Collector::Digest(RunningDigest::new(digest)))?;
        let id = self.form.id(context);
        let properties = qualifying_properties(&id, &subject.objects, &self.form, &properties, context)?;
        let Subject { objects, contents, place, scope, media_type } = subject;
        let layout = Layout { id: &id, objects: &objects, properties: &properties, form: &self.form, scope: &scope };
        let signature = UnsignedSignature::lay_out(&layout, contents, context)?;
        let data_to_be_signed = DataToBeSigned::new(signature.signed_info().to_vec());
        Ok(PreparedXades { data_to_be_signed, signature, place, media_type })
    }

    fn check(
        &self,
        signed: &SignedDocument,
        document: &SignerDocument,
        context: &SignatureContext<'_>,
    ) -> Result<(), Discrepancy> {
        super::check::check(self, signed, document, context)
    }

    fn wants_content_timestamp(&self) -> bool {
        self.content_timestamp
    }

    /// The octets of all references but that to the signed properties, one after the other (EN 319 132-1, clause 5.2.8.1).
    fn stamped_content(
        &self,
        document: &SignerDocument,
        parameters: &SigningParameters,
        context: &SignatureContext<'_>,
        digest: DigestAlgorithm,
    ) -> Result<DtbsRepresentation, WorkerError> {
        let properties = self.properties.chosen(parameters)?;
        let request = Request { document, parameters, properties: &properties, context };
        let subject = self.subject(&request, &|| Collector::Octets(Vec::new()))?;
        let mut running = Collector::Digest(RunningDigest::new(digest));
        for object in subject.objects {
            running.take(&object.written);
        }
        if self.form.sign_key_info {
            let id = self.form.id(context);
            running.take(&canonical_key_info(&id, &self.form, &subject.scope, context)?);
        }
        DtbsRepresentation::new(digest, running.finish())
            .map_err(|error| WorkerError::Withheld(Discrepancy::Unreadable(error.to_string())))
    }

    fn augmentable(
        &self,
        signature: &[Bytes],
        document: Option<&DocumentContent>,
        _: &SigningParameters,
    ) -> Result<Box<dyn Augmentable>, AugmentationFault> {
        Ok(Box::new(AugmentableXades::read(in_one_piece(signature), document)?))
    }
}

/// What is to be signed, and how.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) document: &'a SignerDocument,
    pub(super) parameters: &'a SigningParameters,
    pub(super) properties: &'a SignedProperties,
    pub(super) context: &'a SignatureContext<'a>,
}

/// What a signature is over, what of it is inside, and where the signature goes.
pub(super) struct Subject {
    pub(super) objects: Vec<DataObject>,
    pub(super) contents: Vec<Content>,
    pub(super) place: Place,
    pub(super) scope: Scope,
    pub(super) media_type: String,
}

/// Makes the sink of one reference.
pub(super) type NewCollector<'a> = &'a dyn Fn() -> Collector;

impl XadesConfig {
    fn subject(&self, request: &Request<'_>, collect: NewCollector<'_>) -> Result<Subject, WorkerError> {
        let octets = request.document.octets()?;
        match (self.mode, self.packaging, self.object) {
            (XadesMode::CounterSign, ..) => self.signature_value(octets, request, collect),
            (_, SignaturePackaging::Enveloping, ObjectForm::Xml) => self.embedded(octets, request, collect),
            (_, SignaturePackaging::Enveloping, ObjectForm::Base64) => self.around_or_beside(octets, request, collect),
            (_, SignaturePackaging::InternallyDetached | SignaturePackaging::Enveloped, _) => {
                self.in_document(octets, request, collect)
            }
            (_, SignaturePackaging::Detached | SignaturePackaging::Encapsulated, _) => {
                self.around_or_beside(octets, request, collect)
            }
        }
    }

    /// A signature that is a file of its own, over any octets.
    fn around_or_beside(
        &self,
        octets: &Bytes,
        request: &Request<'_>,
        collect: NewCollector<'_>,
    ) -> Result<Subject, WorkerError> {
        let declared = request.document.media_type.as_deref().map(essence).filter(|each| is_media_type(each));
        let media_type = declared.unwrap_or_else(|| "application/octet-stream".to_owned());
        let media_type = stated(request.properties)?.unwrap_or(media_type);
        let id = self.form.id(request.context);
        let mut collector = collect();
        collector.take(octets);
        let written = collector.finish();
        let (object, contents) = match self.packaging {
            SignaturePackaging::Enveloping => {
                let object = DataObject::decoded(&object_id(&id, 0), media_type, written);
                (object, vec![Content::Base64(octets.clone())])
            }
            _ => (DataObject::elsewhere(self.uri(), media_type, written), Vec::new()),
        };
        Ok(Subject {
            objects: vec![object],
            contents,
            place: Place::alone(),
            scope: Scope::default(),
            media_type: DEFAULT_MEDIA_TYPE.to_owned(),
        })
    }
}

/// The media type that worker or caller state in place of the declared one.
pub(super) fn stated(properties: &SignedProperties) -> Result<Option<String>, WorkerError> {
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
pub(super) fn media_type(declared: Option<&str>) -> Result<String, WorkerError> {
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
pub(super) fn essence(media_type: &str) -> String {
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
