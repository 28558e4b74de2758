//! Verify the signature in the document as it will be sent (promise 3).
//!
//! The final octets are decoded, read and canonicalised anew; nothing is taken over from `prepare`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cryptotoken_api::{DataToBeSigned, SignatureValue, ToBeSigned, verification};

use super::algorithm::{RunningDigest, digest_uri, signature_uri};
use super::assemble::{SIBLING_END, sibling_start};
use super::attributes::{SIGNED_PROPERTIES_TYPE, XADES_NAMESPACE};
use super::augment::{AugmentableXades, is_archived, is_timestamped};
use super::canonicalization::{Canonicalizer, EXCLUSIVE, Omission, SIGNATURE_NAMESPACE};
use super::document::XmlDocument;
use super::earlier::Survey;
use super::element::{ElementTree, TreeBuilder};
use super::reader::{Event, XmlReader};
use super::received::{ReceivedSignature, binary};
use super::signature::{ENVELOPED, FILTER2};
use super::xml_error::XmlError;
use crate::create::SignatureContext;
use crate::error::Discrepancy;
use crate::level::{SignatureLevel, SignaturePackaging};
use crate::worker::{DocumentContent, SignedDocument, SignerDocument};

pub(super) fn check(
    packaging: SignaturePackaging,
    signed: &SignedDocument,
    document: &SignerDocument,
    context: &SignatureContext<'_>,
) -> Result<(), Discrepancy> {
    let octets = Bytes::from(signed.contiguous().into_owned());
    let level = signed.level.unwrap_or_default();
    if packaging == SignaturePackaging::Enveloped {
        let signature = enveloped(&octets, document, context)?;
        // Large documents are read once more only for what stands beside the signature.
        if level == SignatureLevel::BaselineB && signature.unsigned().is_empty() {
            return Ok(());
        }
    }
    // As a stranger's signature: every reference, the value, every timestamp.
    let read = AugmentableXades::read(octets.clone(), Some(&document.content)).map_err(Discrepancy::Augmentation)?;
    let expected = (level >= SignatureLevel::BaselineT, level == SignatureLevel::BaselineLta);
    let leaf = context.credential.chain.leaf();
    let made = read.each(|_, signature, _| {
        let timestamps = (is_timestamped(signature), is_archived(signature));
        let document_kept = keeps(packaging, signature, &octets, document);
        Ok((timestamps == expected, signature.signer().is_some_and(|signer| signer == *leaf), document_kept))
    });
    match made.map_err(Discrepancy::Augmentation)?.as_slice() {
        [(true, true, true)] => Ok(()),
        [(false, ..)] => Err(Discrepancy::Unreadable(format!("the timestamps are not those of level {level}"))),
        [(_, false, _)] => Err(odd("its signature names another certificate")),
        [(.., false)] => Err(odd("it is not the document that was sent")),
        _ => Err(odd("it has not exactly one new signature")),
    }
}

/// Whether the document that was sent is in it, or outside, octet for octet (promise 4).
fn keeps(
    packaging: SignaturePackaging,
    signature: &ReceivedSignature,
    octets: &[u8],
    document: &SignerDocument,
) -> bool {
    let DocumentContent::Memory(original) = &document.content else { return false };
    let uri = signature.references().ok().and_then(|each| each.first().and_then(|first| first.attribute("URI")));
    let (Some(uri), Some(id)) = (uri, signature.0.attribute("Id")) else { return false };
    match packaging {
        SignaturePackaging::Enveloped => uri.is_empty(),
        // The digest is over what was sent, and over nothing inside.
        SignaturePackaging::Detached | SignaturePackaging::Encapsulated => !uri.is_empty() && !uri.starts_with('#'),
        SignaturePackaging::Enveloping => {
            let object = uri.strip_prefix('#').and_then(|id| signature.0.with_id(id));
            object.and_then(|object| binary(&object.text)).is_some_and(|content| content == *original)
        }
        SignaturePackaging::InternallyDetached => is_surrounded(octets, original, id),
    }
}

/// Whether the output is the input with an element around its root, and the signature in that.
fn is_surrounded(octets: &[u8], input: &[u8], id: &str) -> bool {
    let Ok(xml) = XmlDocument::decode(octets) else { return false };
    let opening = format!("<container>{}", sibling_start(id));
    let Some(start) = xml.text().find(&opening) else { return false };
    let signature = format!("{SIBLING_END}<ds:Signature xmlns:ds=\"{SIGNATURE_NAMESPACE}\" Id=\"{id}\">");
    let closing = "</ds:Signature></container>";
    let (Some(end), Some(rest)) = (xml.text().find(&signature), xml.text().rfind(closing)) else { return false };
    let range = |from: usize, to: usize| octets.get(xml.octet_offset(from)..xml.octet_offset(to)).unwrap_or_default();
    let pieces = [range(0, start), range(start + opening.len(), end), range(rest + closing.len(), xml.text().len())];
    let mark = octets.get(..xml.octet_offset(0)).unwrap_or_default();
    let pieces = [mark].into_iter().chain(pieces);
    let mut input = Some(input);
    for piece in pieces {
        input = input.and_then(|rest| rest.strip_prefix(piece));
    }
    input.is_some_and(<[u8]>::is_empty)
}

fn enveloped(
    octets: &[u8],
    document: &SignerDocument,
    context: &SignatureContext<'_>,
) -> Result<ReceivedSignature, Discrepancy> {
    let unreadable = |error: XmlError| Discrepancy::Unreadable(error.to_string());
    let xml = XmlDocument::decode(octets).map_err(unreadable)?;
    let found = Found::read(&xml, context).map_err(unreadable)?.ok_or_else(|| odd("it has no signature"))?;
    let DocumentContent::Memory(original) = &document.content else { return Err(odd("it was a digest")) };
    if !found.is_all_that_was_added(octets, original, &xml) {
        return Err(odd("more was changed than a signature added"));
    }
    found.verify(context)?;
    Ok(ReceivedSignature(found.signature))
}

fn odd(what: &str) -> Discrepancy {
    Discrepancy::Unreadable(what.to_owned())
}

/// The last signature in the root element, with the canonical forms of what it covers.
struct Found {
    signature: ElementTree,
    /// Where it ends in the text.
    end: usize,
    /// Where the root's end tag begins and ends.
    root_end: (usize, usize),
    signed_info: Vec<u8>,
    properties: Vec<u8>,
    document_digest: Vec<u8>,
}

impl Found {
    fn read(xml: &XmlDocument<'_>, context: &SignatureContext<'_>) -> Result<Option<Self>, XmlError> {
        let mut reader = XmlReader::new(xml);
        let mut survey = Survey::default();
        let digest = RunningDigest::new(context.algorithm.digest());
        let mut document = Canonicalizer::document(&EXCLUSIVE, Omission::Signatures, digest);
        let mut builder: Option<TreeBuilder> = None;
        let mut found = None;
        let (mut signed_info, mut properties) = (Part::default(), Part::default());
        let mut root_end = (0, 0);
        while let Some(event) = reader.next()? {
            survey.take(&event, &reader)?;
            document.take(&event, &reader);
            match &event {
                Event::Start(element) if reader.depth() == 2 && element.is(SIGNATURE_NAMESPACE, "Signature") => {
                    builder = Some(TreeBuilder::default());
                    (signed_info, properties) = (Part::default(), Part::default());
                }
                Event::Start(element) if builder.is_some() => {
                    if reader.depth() == 3 && element.is(SIGNATURE_NAMESPACE, "SignedInfo") {
                        signed_info.begin(&reader);
                    }
                    if reader.depth() == 5 && element.is(XADES_NAMESPACE, "SignedProperties") {
                        properties.begin(&reader);
                    }
                }
                Event::End(tag) if reader.depth() == 0 => root_end = (tag.offset, reader.offset()),
                _ => {}
            }
            signed_info.take(&event, &reader);
            properties.take(&event, &reader);
            // Too big to be one of ours.
            builder = builder.filter(|builder| !builder.is_too_big());
            if let Some(signature) = builder.as_mut().and_then(|builder| builder.take(&event)) {
                builder = None;
                let canonical = (std::mem::take(&mut signed_info), std::mem::take(&mut properties));
                found = Some((signature, reader.offset(), canonical));
            }
        }
        survey.judge(&reader)?;
        let document_digest = document.finish().finish();
        Ok(found.map(|(signature, end, (signed_info, properties))| Self {
            signature,
            end,
            root_end,
            signed_info: signed_info.octets(),
            properties: properties.octets(),
            document_digest,
        }))
    }

    /// Whether taking the signature out again gives the input, octet for octet (promise 4).
    fn is_all_that_was_added(&self, octets: &[u8], input: &[u8], xml: &XmlDocument<'_>) -> bool {
        let before = |offset: usize| octets.get(..xml.octet_offset(offset)).unwrap_or_default();
        let after = |offset: usize| octets.get(xml.octet_offset(offset)..).unwrap_or_default();
        let is_input = |pieces: [&[u8]; 3]| {
            pieces.iter().try_fold(input, |rest, piece| rest.strip_prefix(*piece)).is_some_and(<[u8]>::is_empty)
        };
        let start = self.signature.offset;
        let (root_end, document_end) = self.root_end;
        // An empty-element tag has become a start tag and an end tag.
        let empty_tag = xml.width().encode_ascii("/>");
        self.end == root_end
            && (is_input([before(start), after(self.end), b""])
                || is_input([before(start.saturating_sub(">".len())), &empty_tag, after(document_end)]))
    }

    fn verify(&self, context: &SignatureContext<'_>) -> Result<(), Discrepancy> {
        let digest = context.algorithm.digest();
        let leaf = context.credential.chain.leaf();
        let said = Said::read(&self.signature).ok_or_else(|| odd("its signature is not of the form we write"))?;
        if Some(said.signature_method) != signature_uri(context.algorithm)
            || said.canonicalization != EXCLUSIVE.uri()
            || said.digest_methods.iter().any(|method| *method != digest_uri(digest))
        {
            return Err(odd("its signature names another algorithm"));
        }
        if decoded(said.certificate).as_deref() != Some(leaf.der())
            || decoded(said.certificate_digest) != Some(digest.digest(leaf.der()))
        {
            return Err(odd("its signature names another certificate"));
        }
        if decoded(said.document_digest).as_deref() != Some(&self.document_digest) {
            return Err(Discrepancy::Digest("the document"));
        }
        if decoded(said.properties_digest) != Some(digest.digest(&self.properties)) {
            return Err(Discrepancy::Digest("the signed properties"));
        }
        let value = SignatureValue::new(decoded(said.value).ok_or_else(|| odd("its signature value is not base64"))?);
        let signed_info = DataToBeSigned::new(self.signed_info.clone());
        Ok(verification::verify(
            context.credential.chain.leaf_key(),
            context.algorithm,
            ToBeSigned::Data(&signed_info),
            &value,
        )?)
    }
}

fn decoded(base64: &str) -> Option<Vec<u8>> {
    STANDARD.decode(base64).ok()
}

/// What a signature says, once its references are known to point where they must.
struct Said<'a> {
    canonicalization: &'a str,
    signature_method: &'a str,
    digest_methods: [&'a str; 3],
    document_digest: &'a str,
    properties_digest: &'a str,
    certificate_digest: &'a str,
    certificate: &'a str,
    value: &'a str,
}

impl<'a> Said<'a> {
    /// `None` when anything is missing, doubled, or refers to something else.
    fn read(signature: &'a ElementTree) -> Option<Self> {
        let ds = |parent: &'a ElementTree, local: &str| parent.only(SIGNATURE_NAMESPACE, local);
        let xades = |parent: &'a ElementTree, local: &str| parent.only(XADES_NAMESPACE, local);
        let algorithm = |parent: &'a ElementTree, local: &str| ds(parent, local)?.attribute("Algorithm");

        let signed_info = ds(signature, "SignedInfo")?;
        let references: Vec<&ElementTree> = signed_info.all(SIGNATURE_NAMESPACE, "Reference").collect();
        let &[document, properties] = references.as_slice() else { return None };
        let qualifying = xades(ds(signature, "Object")?, "QualifyingProperties")?;
        let signed = xades(qualifying, "SignedProperties")?;
        let certificate = xades(xades(xades(signed, "SignedSignatureProperties")?, "SigningCertificateV2")?, "Cert")?;
        let certificate_digest = xades(certificate, "CertDigest")?;
        let format = xades(xades(signed, "SignedDataObjectProperties")?, "DataObjectFormat")?;

        let refers = |reference: &ElementTree, attribute: &str, target: &ElementTree| {
            let id = reference.attribute(attribute).and_then(|uri| uri.strip_prefix('#'));
            id.is_some() && id == target.attribute("Id")
        };
        let points = document.attribute("URI") == Some("")
            && document.attribute("Type").is_none()
            && transforms(document)? == [ENVELOPED, FILTER2, EXCLUSIVE.uri()]
            && subtracts_signatures(document)
            && refers(properties, "URI", signed)
            && properties.attribute("Type") == Some(SIGNED_PROPERTIES_TYPE)
            && transforms(properties)? == [EXCLUSIVE.uri()]
            && refers(qualifying, "Target", signature)
            && refers(format, "ObjectReference", document);
        points.then_some(())?;

        let mut certificates = ds(ds(signature, "KeyInfo")?, "X509Data")?.all(SIGNATURE_NAMESPACE, "X509Certificate");
        Some(Self {
            canonicalization: algorithm(signed_info, "CanonicalizationMethod")?,
            signature_method: algorithm(signed_info, "SignatureMethod")?,
            digest_methods: [
                algorithm(document, "DigestMethod")?,
                algorithm(properties, "DigestMethod")?,
                algorithm(certificate_digest, "DigestMethod")?,
            ],
            document_digest: &ds(document, "DigestValue")?.text,
            properties_digest: &ds(properties, "DigestValue")?.text,
            certificate_digest: &ds(certificate_digest, "DigestValue")?.text,
            certificate: &certificates.next()?.text,
            value: &ds(signature, "SignatureValue")?.text,
        })
    }
}

fn transforms(reference: &ElementTree) -> Option<Vec<&str>> {
    let transforms = reference.only(SIGNATURE_NAMESPACE, "Transforms")?;
    transforms.children.iter().map(|transform| transform.attribute("Algorithm")).collect()
}

fn subtracts_signatures(reference: &ElementTree) -> bool {
    let transform = reference.only(SIGNATURE_NAMESPACE, "Transforms").and_then(|each| each.children.get(1));
    let expression = transform.and_then(|transform| transform.only(FILTER2, "XPath"));
    expression.is_some_and(|expression| {
        expression.attribute("Filter") == Some("subtract") && expression.text == "/descendant::ds:Signature"
    })
}

/// The canonical form of an element of the signature, in the making or made.
#[derive(Default)]
enum Part<'t> {
    #[default]
    Absent,
    Open(Canonicalizer<'t, 'static, Vec<u8>>),
    Complete(Vec<u8>),
}

impl<'t> Part<'t> {
    fn begin(&mut self, reader: &XmlReader<'t>) {
        *self = Self::Open(Canonicalizer::subtree(&EXCLUSIVE, Omission::Nothing, Vec::new(), reader));
    }

    fn take(&mut self, event: &Event<'t>, reader: &XmlReader<'t>) {
        let Self::Open(canonicalizer) = self else { return };
        canonicalizer.take(event, reader);
        if canonicalizer.is_complete()
            && let Self::Open(canonicalizer) = std::mem::take(self)
        {
            *self = Self::Complete(canonicalizer.finish());
        }
    }

    fn octets(self) -> Vec<u8> {
        match self {
            Self::Complete(octets) => octets,
            Self::Absent | Self::Open(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
