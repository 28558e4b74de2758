//! Read the document once: refuse what cannot be signed, digest the rest, lay out the signature.

use bytes::Bytes;
use cryptotoken_api::{DataToBeSigned, DigestAlgorithm, DtbsRepresentation};

use super::algorithm::{Collector, RunningDigest, signature_uri};
use super::assemble::{Place, PreparedXades};
use super::attributes::qualifying_properties;
use super::augment::AugmentableXades;
use super::canonicalization::Sink;
use super::files::signed_files;
use super::reader::Scope;
use super::signature::{Content, DataObject, Layout, UnsignedSignature, canonical_key_info};
use super::unsigned::{all_data_objects_timestamp, individual_data_objects_timestamps};
use super::{ContentTimestamp, XadesConfig, XadesMode};
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
        let subject = match self.takes_files() {
            true => self.over_files(&request, digest)?,
            false => self.subject(&request, &|| Collector::Digest(RunningDigest::new(digest)))?,
        };
        let id = self.form.id(context);
        let stamps = match self.content_timestamp {
            ContentTimestamp::Each => individual_data_objects_timestamps(&id, context.content_timestamps),
            _ => context.content_timestamps.iter().map(all_data_objects_timestamp).collect(),
        };
        let properties = qualifying_properties(&id, &subject.objects, &self.form, &properties, &stamps, context)?;
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
        self.content_timestamp.is_wanted()
    }

    /// The octets of all references but that to the signed properties, one after the other (EN 319 132-1, clause 5.2.8.1); or those of
    /// each reference to a document (clause 5.2.8.2).
    fn stamped_content(
        &self,
        document: &SignerDocument,
        parameters: &SigningParameters,
        context: &SignatureContext<'_>,
        digest: DigestAlgorithm,
    ) -> Result<Vec<DtbsRepresentation>, WorkerError> {
        let properties = self.properties.chosen(parameters)?;
        let request = Request { document, parameters, properties: &properties, context };
        let mut covered =
            Covered { each: self.content_timestamp == ContentTimestamp::Each, digest, running: Vec::new() };
        let scope = if self.takes_files() {
            for file in signed_files(document)? {
                covered.take(|running| file.content.pieces(|octets| running.take(octets)))?;
            }
            Scope::default()
        } else {
            let subject = self.subject(&request, &|| Collector::Octets(Vec::new()))?;
            subject.objects.iter().try_for_each(|object| covered.octets(&object.written))?;
            subject.scope
        };
        if self.form.sign_key_info && !covered.each {
            let id = self.form.id(context);
            covered.octets(&canonical_key_info(&id, &self.form, &scope, context)?)?;
        }
        let finished = covered.running.into_iter().map(|running| DtbsRepresentation::new(digest, running.finish()));
        finished
            .collect::<Result<_, _>>()
            .map_err(|error| WorkerError::Withheld(Discrepancy::Unreadable(error.to_string())))
    }

    fn augmentable(
        &self,
        signature: &[Bytes],
        document: Option<&DocumentContent>,
        _: &SigningParameters,
    ) -> Result<Box<dyn Augmentable>, AugmentationFault> {
        Ok(Box::new(AugmentableXades::read(in_one_piece(signature), document, self.internal_subset())?))
    }
}

/// What timestamps over the content cover.
struct Covered {
    /// Each piece by itself; else all together.
    each: bool,
    digest: DigestAlgorithm,
    running: Vec<RunningDigest>,
}

impl Covered {
    /// Takes one piece, which is written.
    fn take(&mut self, write: impl FnOnce(&mut RunningDigest) -> std::io::Result<()>) -> std::io::Result<()> {
        let before = if self.each { None } else { self.running.pop() };
        let mut running = before.unwrap_or_else(|| RunningDigest::new(self.digest));
        write(&mut running)?;
        self.running.push(running);
        Ok(())
    }

    fn octets(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.take(|running| {
            running.take(octets);
            Ok(())
        })
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
    /// A signature in an XML document or around it.
    fn subject(&self, request: &Request<'_>, collect: NewCollector<'_>) -> Result<Subject, WorkerError> {
        let octets = request.document.octets()?;
        match (self.mode, self.packaging) {
            (XadesMode::CounterSign, _) => self.signature_value(octets, request, collect),
            (_, SignaturePackaging::Enveloping) => self.embedded(octets, request, collect),
            _ => self.in_document(octets, request, collect),
        }
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
pub(super) fn is_media_type(essence: &str) -> bool {
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

pub(super) const DEFAULT_MEDIA_TYPE: &str = "application/xml";

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
