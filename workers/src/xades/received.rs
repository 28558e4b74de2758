//! A signature that others may have made, read as a tree: its parts, its certificates, its timestamps.

use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cryptotoken_api::{Certificate, DigestAlgorithm};

use super::algorithm::{RunningDigest, digest_named};
use super::attributes::XADES_NAMESPACE;
use super::canonicalization::{Forms, Method, SIGNATURE_NAMESPACE, Selection, Sink};
use super::document::XmlDocument;
use super::element::{ElementTree, TreeBuilder};
use super::reader::{Element, Event, Scope, XmlReader};
use super::xml_error::XmlError;
use crate::augmentation::AugmentationFault;
use crate::timestamp::TimestampToken;

/// Namespace of what XAdES 1.4.1 added.
pub(super) const XADES141_NAMESPACE: &str = "http://uri.etsi.org/01903/v1.4.1#";

/// A `ds:Signature`.
#[derive(Debug)]
pub(super) struct ReceivedSignature {
    pub(super) tree: ElementTree,
    /// What is around it.
    pub(super) scope: Scope,
    /// Where it has ended in the text.
    pub(super) end: usize,
}

/// A container of a timestamp among the unsigned properties.
pub(super) struct Stamp<'a> {
    /// Its place among its siblings.
    pub(super) index: usize,
    /// How what it covers is written.
    pub(super) method: Method,
    /// The token.
    pub(super) token: TimestampToken,
    element: &'a ElementTree,
}

impl Stamp<'_> {
    /// Whether it is of that name.
    pub(super) fn is(&self, namespace: &str, local: &str) -> bool {
        self.element.namespace == namespace && self.element.local == local
    }

    /// The identifiers of the references whose data it covers; `None` where it covers something else.
    pub(super) fn included(&self) -> Option<Vec<&str>> {
        let ids = self.element.all(XADES_NAMESPACE, "Include").map(included);
        ids.collect::<Option<Vec<_>>>().filter(|ids| !ids.is_empty())
    }
}

impl ReceivedSignature {
    /// The signatures of a document, in its order; those inside others belong to them. Those with these values were there before, and
    /// are passed over.
    pub(super) fn all(document: &XmlDocument<'_>, earlier: &HashSet<String>) -> Result<Vec<Self>, AugmentationFault> {
        let mut no_forms = Forms::<Vec<u8>>::new(&[], []);
        Self::beginning(XmlReader::new(document), false, earlier, &mut no_forms, |_| true)
    }

    /// The same in one pass with the digest of a selection.
    pub(super) fn all_and_digest(
        document: &XmlDocument<'_>,
        earlier: &HashSet<String>,
        selection: Selection<'_>,
        algorithm: DigestAlgorithm,
    ) -> Result<(Vec<Self>, Option<Vec<u8>>), AugmentationFault> {
        let selections = [selection];
        let mut forms = Forms::new(&selections, [RunningDigest::new(algorithm)]);
        let found = Self::beginning(XmlReader::new(document), false, earlier, &mut forms, |_| true)?;
        let digest = forms.finish().pop().flatten();
        Ok((found, digest.map(RunningDigest::finish)))
    }

    /// The signature that begins at this octet of the text, in another one or not.
    pub(super) fn at(document: &XmlDocument<'_>, offset: usize) -> Result<Option<Self>, AugmentationFault> {
        let mut no_forms = Forms::<Vec<u8>>::new(&[], []);
        let reader = XmlReader::new(document);
        Ok(Self::beginning(reader, false, &HashSet::new(), &mut no_forms, |element| element.offset == offset)?.pop())
    }

    /// The counter-signatures among its unsigned properties, each with its place among these. Those of counter-signatures belong to them.
    /// One that has neither properties of XAdES nor a certificate says nothing about its signer, and is no more than an unsigned property.
    pub(super) fn counter_signatures(
        &self,
        document: &XmlDocument<'_>,
    ) -> Result<Vec<(usize, Self)>, AugmentationFault> {
        let places = self.unsigned().iter().enumerate();
        let places: HashMap<usize, usize> =
            places.filter_map(|(index, each)| Some((in_counter_signature(each)?.offset, index))).collect();
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let reader = XmlReader::within(document, self.tree.offset, &self.scope);
        let mut no_forms = Forms::<Vec<u8>>::new(&[], []);
        let found =
            Self::beginning(reader, true, &HashSet::new(), &mut no_forms, |each| places.contains_key(&each.offset))?;
        let placed = found.into_iter().filter(|each| each.qualifying().is_ok() || each.leaf().is_some());
        Ok(placed.filter_map(|each| Some((*places.get(&each.tree.offset)?, each))).collect())
    }

    /// Those that are wanted, of a document or of the one element that the reader stands before.
    fn beginning<'t, S: Sink>(
        mut reader: XmlReader<'t>,
        one_element: bool,
        earlier: &HashSet<String>,
        forms: &mut Forms<'t, '_, S>,
        is_wanted: impl Fn(&Element<'_>) -> bool,
    ) -> Result<Vec<Self>, AugmentationFault> {
        let mut open: Option<(TreeBuilder, Scope)> = None;
        // How many elements are open in a signature that is too big for a new one.
        let mut passed_over = 0_usize;
        let (mut found, mut elements) = (Vec::new(), 0);
        let mut began = false;
        while !(one_element && began && reader.depth() == 0)
            && let Some(event) = reader.next()?
        {
            began = true;
            forms.take(&event, &reader)?;
            if passed_over > 0 {
                match event {
                    Event::Start(_) => passed_over += 1,
                    Event::End(_) => passed_over -= 1,
                    _ => {}
                }
                continue;
            }
            let begins = |element: &Element<'_>| element.is(SIGNATURE_NAMESPACE, "Signature") && is_wanted(element);
            if open.is_none() && matches!(&event, Event::Start(element) if begins(element)) {
                open = Some((TreeBuilder::after(elements), reader.scope_around()));
            }
            let Some((builder, scope)) = &mut open else { continue };
            if let Some(tree) = builder.take(&event) {
                let signature = Self { tree, scope: std::mem::take(scope), end: reader.offset() };
                if !earlier.contains(&signature.fingerprint()) {
                    found.push(signature);
                    elements = builder.elements();
                }
                open = None;
            } else if builder.is_too_big() && earlier.is_empty() {
                return Err(AugmentationFault::Malformed("its signatures have more than 100000 elements"));
            } else if builder.is_too_big() {
                passed_over = builder.depth();
                open = None;
            }
            if found.len() > MAX_SIGNATURES {
                return Err(AugmentationFault::Malformed("there are more than 100 signatures in it"));
            }
        }
        Ok(found)
    }

    /// The values of the signatures of a document, without blanks; those inside others do not count.
    pub(super) fn values(document: &XmlDocument<'_>) -> Result<HashSet<String>, XmlError> {
        let mut reader = XmlReader::new(document);
        let mut values = HashSet::new();
        // At what depth a signature is open, what values it has, and whether one of them is open.
        let (mut signature, mut own, mut in_value) = (None, Vec::new(), false);
        while let Some(event) = reader.next()? {
            match (&event, signature) {
                (Event::Start(element), None) if element.is(SIGNATURE_NAMESPACE, "Signature") => {
                    signature = Some(reader.depth());
                }
                (Event::Start(element), Some(depth))
                    if reader.depth() == depth + 1 && element.is(SIGNATURE_NAMESPACE, "SignatureValue") =>
                {
                    own.push(String::new());
                    in_value = true;
                }
                (Event::Text(text), Some(_)) if in_value => {
                    if let Some(value) = own.last_mut() {
                        value.extend(text.split_whitespace());
                    }
                }
                (Event::End(_), Some(depth)) if reader.depth() == depth => in_value = false,
                (Event::End(_), Some(depth)) if reader.depth() < depth => {
                    // As `fingerprint` has it: none where there is not exactly one.
                    values.insert(match own.as_slice() {
                        [one] => one.clone(),
                        _ => String::new(),
                    });
                    own.clear();
                    signature = None;
                }
                _ => {}
            }
        }
        Ok(values)
    }

    fn part(&self, local: &str, missing: &'static str) -> Result<&ElementTree, AugmentationFault> {
        self.tree.only(SIGNATURE_NAMESPACE, local).ok_or(AugmentationFault::Malformed(missing))
    }

    pub(super) fn signed_info(&self) -> Result<&ElementTree, AugmentationFault> {
        self.part("SignedInfo", "a signature has no SignedInfo")
    }

    pub(super) fn value(&self) -> Result<&ElementTree, AugmentationFault> {
        self.part("SignatureValue", "a signature has no SignatureValue")
    }

    pub(super) fn key_info(&self) -> Option<&ElementTree> {
        self.tree.only(SIGNATURE_NAMESPACE, "KeyInfo")
    }

    pub(super) fn references(&self) -> Result<Vec<&ElementTree>, AugmentationFault> {
        Ok(self.signed_info()?.all(SIGNATURE_NAMESPACE, "Reference").collect())
    }

    /// `ds:Object`s but for the one with the qualifying properties.
    pub(super) fn other_objects(&self) -> impl Iterator<Item = &ElementTree> {
        let objects = self.tree.all(SIGNATURE_NAMESPACE, "Object");
        objects.filter(|object| object.only(XADES_NAMESPACE, "QualifyingProperties").is_none())
    }

    pub(super) fn qualifying(&self) -> Result<&ElementTree, AugmentationFault> {
        let mut objects = self.tree.all(SIGNATURE_NAMESPACE, "Object");
        let found = objects.find_map(|object| object.only(XADES_NAMESPACE, "QualifyingProperties"));
        found.ok_or(AugmentationFault::Malformed("a signature has no qualifying properties: it is no XAdES signature"))
    }

    fn signed_signature_properties(&self) -> Result<&ElementTree, AugmentationFault> {
        let properties = self.qualifying()?.only(XADES_NAMESPACE, "SignedProperties");
        let properties = properties.and_then(|each| each.only(XADES_NAMESPACE, "SignedSignatureProperties"));
        properties.ok_or(AugmentationFault::Malformed("a signature has no signed properties"))
    }

    /// The members of `UnsignedSignatureProperties`.
    pub(super) fn unsigned(&self) -> &[ElementTree] {
        let found =
            self.unsigned_container().and_then(|each| each.only(XADES_NAMESPACE, "UnsignedSignatureProperties"));
        found.map(|each| each.children.as_slice()).unwrap_or_default()
    }

    fn unsigned_container(&self) -> Option<&ElementTree> {
        self.qualifying().ok()?.only(XADES_NAMESPACE, "UnsignedProperties")
    }

    /// Where the next unsigned property goes, and whether the elements around it are there.
    pub(super) fn insertion(&self) -> Result<(usize, bool), AugmentationFault> {
        const EMPTY: AugmentationFault =
            AugmentationFault::Malformed("the unsigned properties of a signature are empty");
        let Some(container) = self.unsigned_container() else {
            return Ok((self.qualifying()?.content_end.ok_or(EMPTY)?, false));
        };
        let properties = container.only(XADES_NAMESPACE, "UnsignedSignatureProperties").ok_or(EMPTY)?;
        Ok((properties.content_end.ok_or(EMPTY)?, true))
    }

    /// Certificates in `ds:KeyInfo` and among the unsigned properties.
    pub(super) fn certificates(&self) -> Vec<Certificate> {
        let in_key_info =
            self.key_info().into_iter().flat_map(|each| named(each, SIGNATURE_NAMESPACE, "X509Certificate"));
        let below = self.encapsulated("EncapsulatedX509Certificate");
        let ders = in_key_info.filter_map(|each| binary(&each.text)).chain(below);
        ders.filter_map(|der| Certificate::from_der(&der).ok()).collect()
    }

    /// What unsigned properties encapsulate under this name.
    pub(super) fn encapsulated(&self, local: &str) -> Vec<Vec<u8>> {
        let found = self.unsigned().iter().flat_map(|each| named(each, XADES_NAMESPACE, local));
        found.filter_map(|each| binary(&each.text)).collect()
    }

    /// The certificate whose digest is signed; without properties of XAdES that in `ds:KeyInfo` which issued none of the others there.
    pub(super) fn signer(&self) -> Option<Certificate> {
        if self.qualifying().is_err() {
            return self.leaf();
        }
        let properties = self.signed_signature_properties().ok()?;
        let named = ["SigningCertificateV2", "SigningCertificate"];
        let reference = named.iter().find_map(|local| properties.only(XADES_NAMESPACE, local))?;
        let reference = reference.all(XADES_NAMESPACE, "Cert").next()?.only(XADES_NAMESPACE, "CertDigest")?;
        let digest = digest_named(reference.only(SIGNATURE_NAMESPACE, "DigestMethod")?.attribute("Algorithm")?)?;
        let expected = binary(&reference.only(SIGNATURE_NAMESPACE, "DigestValue")?.text)?;
        self.certificates().into_iter().find(|each| digest.digest(each.der()) == expected)
    }

    fn leaf(&self) -> Option<Certificate> {
        let all = self.certificates();
        let issued_any =
            |one: &Certificate| all.iter().any(|each| each.der() != one.der() && each.issuer() == one.subject());
        all.iter().find(|each| !issued_any(each)).cloned()
    }

    /// Timestamps over the content, among the signed properties.
    pub(super) fn content_stamps(&self, position: usize) -> Result<Vec<Stamp<'_>>, AugmentationFault> {
        let properties = self.qualifying().ok().and_then(|each| each.only(XADES_NAMESPACE, "SignedProperties"));
        let properties = properties.and_then(|each| each.only(XADES_NAMESPACE, "SignedDataObjectProperties"));
        let names = ["AllDataObjectsTimeStamp", "IndividualDataObjectsTimeStamp"];
        let members = properties.map(|each| each.children.as_slice()).unwrap_or_default();
        self.stamps_among(
            members,
            |each| each.namespace == XADES_NAMESPACE && names.contains(&each.local.as_str()),
            position,
        )
    }

    /// Signature timestamps and archive timestamps of XAdES 1.4.1, verified as tokens.
    pub(super) fn stamps(&self, position: usize) -> Result<Vec<Stamp<'_>>, AugmentationFault> {
        let is_stamp = |each: &ElementTree| {
            (each.namespace == XADES_NAMESPACE && each.local == "SignatureTimeStamp")
                || (each.namespace == XADES141_NAMESPACE && each.local == "ArchiveTimeStamp")
        };
        self.stamps_among(self.unsigned(), is_stamp, position)
    }

    fn stamps_among<'a>(
        &'a self,
        members: &'a [ElementTree],
        is_stamp: impl Fn(&ElementTree) -> bool,
        position: usize,
    ) -> Result<Vec<Stamp<'a>>, AugmentationFault> {
        let others = self.certificates();
        let mut stamps = Vec::new();
        for (index, element) in members.iter().enumerate().filter(|(_, each)| is_stamp(each)) {
            for value in element.all(XADES_NAMESPACE, "EncapsulatedTimeStamp") {
                if stamps.len() >= MAX_TIMESTAMPS {
                    return Err(AugmentationFault::Malformed("a signature has more than 100 timestamps"));
                }
                let der = binary(&value.text).ok_or(AugmentationFault::Malformed("a timestamp is not base64"))?;
                let token = TimestampToken::read(Bytes::from(der), &others)
                    .map_err(|fault| AugmentationFault::Timestamp { position, fault })?;
                stamps.push(Stamp { index, method: method_in(element)?, token, element });
            }
        }
        Ok(stamps)
    }

    /// The signature value without blanks: what tells signatures apart.
    pub(super) fn fingerprint(&self) -> String {
        self.value().map(|value| value.text.split_whitespace().collect()).unwrap_or_default()
    }
}

/// The identifier of the reference whose data is covered.
fn included(include: &ElementTree) -> Option<&str> {
    let uri = include.attribute("URI").filter(|_| include.attribute("referencedData") == Some("true"));
    uri?.strip_prefix('#')
}

/// The signature in a property that is a counter-signature.
pub(super) fn in_counter_signature(property: &ElementTree) -> Option<&ElementTree> {
    let is_one = property.namespace == XADES_NAMESPACE && property.local == "CounterSignature";
    property.only(SIGNATURE_NAMESPACE, "Signature").filter(|_| is_one)
}

/// The method that a container names; Canonical XML 1.0 where it names none (EN 319 132-1, clause 5.1.4.4.2).
fn method_in(container: &ElementTree) -> Result<Method, AugmentationFault> {
    match container.only(SIGNATURE_NAMESPACE, "CanonicalizationMethod") {
        None => Ok(Method::INCLUSIVE),
        Some(element) => method(element),
    }
}

/// The method that an element with `Algorithm` names.
pub(super) fn method(element: &ElementTree) -> Result<Method, AugmentationFault> {
    let prefixes = element.children.iter().find_map(|each| each.attribute("PrefixList"));
    let named = element.attribute("Algorithm").and_then(|uri| Method::named(uri, prefixes));
    named.ok_or(AugmentationFault::Malformed("a canonicalization is not known here"))
}

/// Each is read, verified and kept in memory.
const MAX_SIGNATURES: usize = 100;

/// Each covers all that was there before it.
const MAX_TIMESTAMPS: usize = 100;

/// The elements of that name, at any depth.
fn named<'a>(tree: &'a ElementTree, namespace: &str, local: &str) -> Vec<&'a ElementTree> {
    let mut found = Vec::new();
    let mut waiting = vec![tree];
    while let Some(element) = waiting.pop() {
        if element.namespace == namespace && element.local == local {
            found.push(element);
        }
        waiting.extend(element.children.iter().rev());
    }
    found
}

/// Base64 as XML has it: blanks mean nothing.
pub(super) fn binary(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_whitespace().collect();
    STANDARD.decode(text).ok()
}
