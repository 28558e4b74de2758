//! Verify the signature in the document as it will be sent (promise 3).
//!
//! The final octets are decoded, read and canonicalised anew, as a stranger's signature is; nothing is taken over from `prepare`.

use bytes::Bytes;
use cryptotoken_api::Certificate;

use super::algorithm::{digest_uri, signature_uri};
use super::assemble::{SIBLING_END, sibling_start};
use super::attributes::{SIGNED_PROPERTIES_TYPE, XADES_NAMESPACE};
use super::augment::{AugmentableXades, is_archived, is_timestamped};
use super::canonicalization::SIGNATURE_NAMESPACE;
use super::counter_signature;
use super::document::XmlDocument;
use super::element::ElementTree;
use super::files::{SignedFile, signed_files};
use super::received::{ReceivedSignature, binary};
use super::references::Foreseen;
use super::signature::{OBJECT_END, object_id, start_tag, xml_object_start};
use super::{XadesConfig, XadesMode};
use crate::create::SignatureContext;
use crate::error::Discrepancy;
use crate::level::{SignatureLevel, SignaturePackaging};
use crate::memory::MemoryDocument;
use crate::worker::{DocumentContent, SignedDocument, SignerDocument};

pub(super) fn check(
    config: &XadesConfig,
    signed: &SignedDocument,
    document: &SignerDocument,
    context: &SignatureContext<'_>,
) -> Result<(), Discrepancy> {
    let octets = signed.bytes();
    let level = signed.level.unwrap_or_default();
    let original = match &document.content {
        DocumentContent::Memory(original) => original,
        _ if config.takes_files() => &MemoryDocument::default(),
        _ => return Err(odd("it was no document in memory")),
    };
    let judge = |signature: &ReceivedSignature| {
        let expected = (level >= SignatureLevel::BaselineT, level == SignatureLevel::BaselineLta);
        if (is_timestamped(signature), is_archived(signature)) != expected {
            return Err(Discrepancy::Unreadable(format!("the timestamps are not those of level {level}")));
        }
        says(config, signature, context)
    };
    if config.mode == XadesMode::CounterSign {
        return counter_signature::check(config, &octets, original, context.parameters, judge);
    }
    // As a stranger's signature: every reference, the value, every timestamp.
    let foreseen = (config.packaging == SignaturePackaging::Enveloped).then(|| Foreseen {
        method: config.form.method(),
        algorithm: config.form.digest(context),
        digest: None,
    });
    let xml = XmlDocument::decode_with(&octets, config.internal_subset())
        .map_err(|error| Discrepancy::Augmentation(error.into()))?;
    let read = AugmentableXades::read_foreseeing(octets.clone(), &xml, Some(&document.content), foreseen);
    let read = read.map_err(Discrepancy::Augmentation)?;
    let [signature] = read.signatures() else { return Err(odd("it has not exactly one new signature")) };
    judge(signature)?;
    let kept = match config.takes_files() {
        true => keeps_files(config, signature, document),
        false => keeps(config, signature, Output { octets: &octets, xml: &xml }, original, context),
    };
    match kept {
        Some(true) => Ok(()),
        _ => Err(odd("it is not the document that was sent, or covers something else")),
    }
}

fn odd(what: &str) -> Discrepancy {
    Discrepancy::Unreadable(what.to_owned())
}

/// Whether algorithms and certificate are those of this request, and properties and formats are of this signature.
fn says(
    config: &XadesConfig,
    signature: &ReceivedSignature,
    context: &SignatureContext<'_>,
) -> Result<(), Discrepancy> {
    let malformed = || odd("its signature is not of the form we write");
    let method_of = |element: &ElementTree, local: &str| {
        element.only(SIGNATURE_NAMESPACE, local).and_then(|each| each.attribute("Algorithm").map(str::to_owned))
    };
    let signed_info = signature.signed_info().map_err(Discrepancy::Augmentation)?;
    let references = signature.references().map_err(Discrepancy::Augmentation)?;
    let digest = digest_uri(config.form.digest(context));
    if method_of(signed_info, "SignatureMethod").as_deref() != signature_uri(context.algorithm)
        || method_of(signed_info, "CanonicalizationMethod").as_deref() != Some(config.form.method().uri())
        || references.iter().any(|each| method_of(each, "DigestMethod").as_deref() != Some(digest))
    {
        return Err(odd("its signature names another algorithm"));
    }
    let leaf = context.credential.chain.leaf();
    if signature.signer().as_ref().map(Certificate::der) != Some(leaf.der()) {
        return Err(odd("its signature names another certificate"));
    }
    let qualifying = signature.qualifying().map_err(Discrepancy::Augmentation)?;
    let points_to = |attribute: Option<&str>, id: Option<&str>| {
        let target = attribute.and_then(|uri| uri.strip_prefix('#'));
        target.is_some() && target == id
    };
    let properties = qualifying.only(XADES_NAMESPACE, "SignedProperties").ok_or_else(malformed)?;
    let about_objects = properties.only(XADES_NAMESPACE, "SignedDataObjectProperties");
    let formats = about_objects.into_iter().flat_map(|each| each.all(XADES_NAMESPACE, "DataObjectFormat"));
    let mut known = formats.map(|format| format.attribute("ObjectReference"));
    let each_has_format = config.mode == XadesMode::CounterSign
        || data_references(&references)
            .all(|each| known.next().is_some_and(|reference| points_to(reference, each.attribute("Id"))));
    let signed = references.last().is_some_and(|last| {
        last.attribute("Type") == Some(SIGNED_PROPERTIES_TYPE)
            && points_to(last.attribute("URI"), properties.attribute("Id"))
    });
    match signed && each_has_format && points_to(qualifying.attribute("Target"), signature.tree.attribute("Id")) {
        true => Ok(()),
        false => Err(malformed()),
    }
}

/// The references to what is signed for its own sake.
fn data_references<'a>(references: &'a [&'a ElementTree]) -> impl Iterator<Item = &'a &'a ElementTree> {
    references.iter().filter(|each| each.attribute("Id").is_some())
}

/// What will be sent, and its text.
#[derive(Clone, Copy)]
struct Output<'a> {
    octets: &'a [u8],
    xml: &'a XmlDocument<'a>,
}

/// Whether the document that was sent is in it, or outside, octet for octet (promise 4), and covered as the worker says.
fn keeps(
    config: &XadesConfig,
    signature: &ReceivedSignature,
    output: Output<'_>,
    original: &Bytes,
    context: &SignatureContext<'_>,
) -> Option<bool> {
    let references = signature.references().ok()?;
    let uris: Vec<&str> = data_references(&references).filter_map(|each| each.attribute("URI")).collect();
    let id = signature.tree.attribute("Id")?;
    let elements = config.chosen_elements(context.parameters).ok()?;
    let is_own = || uris == [format!("#{}", object_id(id, 0))];
    Some(match (config.packaging, elements) {
        (SignaturePackaging::InternallyDetached, None) => is_own() && is_surrounded(output, original, id),
        (SignaturePackaging::InternallyDetached, Some(elements)) => {
            let expected = elements.as_slice().iter().map(|id| format!("#{id}"));
            uris.into_iter().eq(expected) && is_all_that_was_added(signature, output, original)?
        }
        (SignaturePackaging::Enveloped, _) => uris == [""] && is_all_that_was_added(signature, output, original)?,
        (SignaturePackaging::Enveloping, _) => is_own() && is_embedded(signature, output, original)?,
        (SignaturePackaging::Detached | SignaturePackaging::Encapsulated, _) => false,
    })
}

/// Whether each reference is to one of the files, in their order: the digest of one beside is over what was sent, one inside is what was
/// sent.
fn keeps_files(config: &XadesConfig, signature: &ReceivedSignature, document: &SignerDocument) -> Option<bool> {
    let references = signature.references().ok()?;
    let id = signature.tree.attribute("Id")?;
    let files = signed_files(document).ok()?;
    let uris = data_references(&references).filter_map(|each| each.attribute("URI"));
    if !uris.eq(config.expected_uris(&files, id)) {
        return Some(false);
    }
    let is_inside = |(index, file): (usize, &SignedFile<'_>)| {
        let object = signature.tree.with_id(&object_id(id, index)).and_then(|object| binary(&object.text));
        matches!((file.content, object), (DocumentContent::Memory(sent), Some(object)) if *sent.as_ref() == *object)
    };
    Some(config.is_beside() || (0..).zip(&files).all(is_inside))
}

/// Whether taking the signature out again gives the input.
fn is_all_that_was_added(
    signature: &ReceivedSignature,
    Output { octets, xml }: Output<'_>,
    input: &[u8],
) -> Option<bool> {
    let before = |offset: usize| octets.get(..xml.octet_offset(offset)).unwrap_or_default();
    let after = |offset: usize| octets.get(xml.octet_offset(offset)..).unwrap_or_default();
    let (start, end) = (signature.tree.offset, signature.end);
    // An empty-element tag has become a start tag and an end tag.
    let empty_tag = xml.width().encode_ascii("/>");
    let end_tag = xml.text().get(end..)?.find('>')? + end + ">".len();
    Some(
        are(&[before(start), after(end)], input)
            || are(&[before(start.saturating_sub(">".len())), &empty_tag, after(end_tag)], input),
    )
}

/// Whether the output is the input with a signature around its root.
fn is_embedded(signature: &ReceivedSignature, Output { octets, xml }: Output<'_>, input: &[u8]) -> Option<bool> {
    let at = |offset: usize| xml.octet_offset(offset);
    let id = object_id(signature.tree.attribute("Id")?, 0);
    let object = signature.tree.with_id(&id)?;
    let start = object.offset + xml_object_start(&id).len();
    let end = object.content_end?;
    let closing = xml.text().get(end..signature.end)?;
    let pieces =
        [octets.get(..at(signature.tree.offset))?, octets.get(at(start)..at(end))?, octets.get(at(signature.end)..)?];
    Some(closing.starts_with(OBJECT_END) && are(&pieces, input))
}

/// Whether the output is the input with an element around its root, and the signature in that.
fn is_surrounded(Output { octets, xml }: Output<'_>, input: &[u8], id: &str) -> bool {
    let opening = format!("<container>{}", sibling_start(id));
    let Some(start) = xml.text().find(&opening) else { return false };
    let signature = format!("{SIBLING_END}{}", start_tag(id));
    let closing = "</ds:Signature></container>";
    let (Some(end), Some(rest)) = (xml.text().find(&signature), xml.text().rfind(closing)) else { return false };
    let range = |from: usize, to: usize| octets.get(xml.octet_offset(from)..xml.octet_offset(to)).unwrap_or_default();
    let mark = octets.get(..xml.octet_offset(0)).unwrap_or_default();
    let pieces =
        [mark, range(0, start), range(start + opening.len(), end), range(rest + closing.len(), xml.text().len())];
    are(&pieces, input)
}

/// Whether the pieces, one after the other, are these octets.
fn are(pieces: &[&[u8]], octets: &[u8]) -> bool {
    pieces.iter().try_fold(octets, |rest, piece| rest.strip_prefix(*piece)).is_some_and(<[u8]>::is_empty)
}

#[cfg(test)]
mod tests;
