//! The `ds:Signature` element, written once and in full but for the signature value (XML Signature 1.1, section 4).
//!
//! Everything is written without white space and in the form that canonicalization leaves as it is; still, what is signed
//! is taken from the canonicalizer, which reads this text like any other.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cryptotoken_api::SignatureValue;

use super::algorithm::{digest_uri, signature_uri};
use super::assemble::Piece;
use super::attributes::SIGNED_PROPERTIES_TYPE;
use super::canonicalization::{EXCLUSIVE, Forms, Method, Omission, Part, SIGNATURE_NAMESPACE, Selection};
use super::document::XmlDocument;
use super::form::{KeyInfo, SignatureForm};
use super::reader::{Scope, XmlReader};
use super::xml_error::{XmlError, XmlFault};
use crate::create::SignatureContext;
use crate::error::WorkerError;
use crate::kind::WorkerKind;

/// The enveloped-signature transform. What it takes out, the filter after it takes out too; it is there for verifiers that
/// want to see it, and for those that know no filter and pass over it (signxml).
pub(super) const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// The base64 transform (XML Signature 1.1, section 6.6.2), and the encoding of an object that it undoes.
pub(super) const BASE64: &str = "http://www.w3.org/2000/09/xmldsig#base64";

/// Namespace and identifier of XPath Filter 2.0.
pub(super) const FILTER2: &str = "http://www.w3.org/2002/06/xmldsig-filter2";

/// The `Type` of a reference to a `ds:Object` (XML Signature 1.1, section 4.5).
const OBJECT_TYPE: &str = "http://www.w3.org/2000/09/xmldsig#Object";

/// The `Type` of a reference to the value of another signature (EN 319 132-1, clause 5.2.7.1).
pub(super) const COUNTERSIGNED_TYPE: &str = "http://uri.etsi.org/01903#CountersignedSignature";

/// What a signature is over.
pub(super) struct DataObject {
    /// Attributes and transforms of the reference, up to `ds:DigestMethod`.
    reference: String,
    /// `None` of the value of another signature, which has no format (EN 319 132-1, clause 6.3).
    pub(super) media_type: Option<String>,
    /// What it is called.
    pub(super) description: Option<String>,
    /// Its digest; or itself, where that was asked for.
    pub(super) written: Vec<u8>,
}

impl DataObject {
    const fn new(reference: String, media_type: Option<String>, written: Vec<u8>) -> Self {
        Self { reference, media_type, description: None, written }
    }

    /// The document around the signature, or the element of that identifier, less all signatures.
    pub(super) fn less_signatures(id: Option<&str>, method: &Method, media_type: String, written: Vec<u8>) -> Self {
        let fragment = id.map(|id| format!("#{id}")).unwrap_or_default();
        let reference = format!(
            "URI=\"{fragment}\"><ds:Transforms>\
             <ds:Transform Algorithm=\"{ENVELOPED}\"></ds:Transform>\
             <ds:Transform Algorithm=\"{FILTER2}\"><dsig-filter2:XPath xmlns:dsig-filter2=\"{FILTER2}\" \
             Filter=\"subtract\">/descendant::ds:Signature</dsig-filter2:XPath></ds:Transform>\
             <ds:Transform Algorithm=\"{}\"></ds:Transform></ds:Transforms>",
            method.uri()
        );
        Self::new(reference, Some(media_type), written)
    }

    /// The element of that identifier, canonicalised.
    pub(super) fn element(id: &str, method: &Method, media_type: String, written: Vec<u8>) -> Self {
        Self::new(transformed(id, method.uri()), Some(media_type), written)
    }

    /// The `ds:Object` of that identifier, whose content is base64.
    pub(super) fn decoded(id: &str, media_type: String, written: Vec<u8>) -> Self {
        let reference = format!("Type=\"{OBJECT_TYPE}\" {}", transformed(id, BASE64));
        Self::new(reference, Some(media_type), written)
    }

    /// The `ds:Object` of that identifier, whose content is XML.
    pub(super) fn object(id: &str, method: &Method, media_type: String, written: Vec<u8>) -> Self {
        let reference = format!("Type=\"{OBJECT_TYPE}\" {}", transformed(id, method.uri()));
        Self::new(reference, Some(media_type), written)
    }

    /// Something elsewhere, under this URI.
    pub(super) fn elsewhere(uri: &str, media_type: String, written: Vec<u8>) -> Self {
        Self::new(format!("URI=\"{uri}\">"), Some(media_type), written)
    }

    /// The value of another signature, of that identifier.
    pub(super) fn value(id: &str, method: &Method, written: Vec<u8>) -> Self {
        let reference = format!("Type=\"{COUNTERSIGNED_TYPE}\" {}", transformed(id, method.uri()));
        Self::new(reference, None, written)
    }

    /// The same with a description.
    pub(super) fn described(self, description: Option<&str>) -> Self {
        Self { description: description.map(str::to_owned), ..self }
    }
}

fn transformed(id: &str, algorithm: &str) -> String {
    format!("URI=\"#{id}\"><ds:Transforms><ds:Transform Algorithm=\"{algorithm}\"></ds:Transform></ds:Transforms>")
}

/// The identifier of a reference: the first one of all that are to data objects has the number 0.
pub(super) fn reference_id(id: &str, index: usize) -> String {
    numbered(&format!("{id}-document"), index)
}

/// The identifier of what is signed beside or inside the signature.
pub(super) fn object_id(id: &str, index: usize) -> String {
    numbered(&format!("{id}-object"), index)
}

fn numbered(name: &str, index: usize) -> String {
    if index == 0 { name.to_owned() } else { format!("{name}-{}", index + 1) }
}

/// A `ds:Object` with what is signed, as it stands in the signature.
pub(super) enum Content {
    /// Any octets, in base64.
    Base64(Bytes),
    /// An element.
    Xml(Bytes),
}

impl Content {
    /// The start tag of the object.
    pub(super) fn start_tag(&self, id: &str) -> String {
        match self {
            Self::Base64(_) => format!("<ds:Object Encoding=\"{BASE64}\" Id=\"{id}\">"),
            Self::Xml(_) => xml_object_start(id),
        }
    }
}

/// The start tag of a `ds:Object` around XML.
pub(super) fn xml_object_start(id: &str) -> String {
    format!("<ds:Object Id=\"{id}\">")
}

/// The end tag of every object.
pub(super) const OBJECT_END: &str = "</ds:Object>";

/// What is known of a signature before it is written.
pub(super) struct Layout<'a> {
    pub(super) id: &'a str,
    pub(super) objects: &'a [DataObject],
    /// `xades:QualifyingProperties` without end tag.
    pub(super) properties: &'a str,
    pub(super) form: &'a SignatureForm,
    /// What the signature takes over from the elements around it.
    pub(super) scope: &'a Scope,
}

/// A signature without value.
pub(super) struct UnsignedSignature {
    id: String,
    before_value: String,
    after_value: String,
    contents: Vec<Content>,
    signed_info: Vec<u8>,
}

impl UnsignedSignature {
    /// Lays out a signature with these objects inside.
    ///
    /// # Errors
    /// When XML signatures have no name for the algorithm.
    pub(super) fn lay_out(
        layout: &Layout<'_>,
        contents: Vec<Content>,
        context: &SignatureContext<'_>,
    ) -> Result<Self, WorkerError> {
        let Layout { id, properties, form, scope, .. } = *layout;
        let algorithm = context.algorithm;
        let unknown = || WorkerError::Algorithm { kind: WorkerKind::Xades, algorithm };
        let signature_method = signature_uri(algorithm).ok_or_else(unknown)?;
        let key_info = key_info(id, form, context);
        let after_value = format!("</ds:SignatureValue>{key_info}<ds:Object>{properties}");
        let start = start_tag(id);
        let value_start = format!("<ds:SignatureValue Id=\"{id}-value\">");

        // What is referred to is part of what is signed, so it is canonicalised first.
        let method = form.method();
        let unsigned = [&start, &value_start, &after_value, CLOSING, END].concat();
        let digest = form.digest(context);
        let own = |suffix: &str| -> Result<String, XmlError> {
            let id = format!("{id}-{suffix}");
            let canonical = canonical(&unsigned, Part::ElementWithId(&id), &method, scope)?;
            let kind =
                if suffix == "properties" { format!("Type=\"{SIGNED_PROPERTIES_TYPE}\" ") } else { String::new() };
            Ok(reference(
                &format!("{kind}{}", transformed(&id, method.uri())),
                digest_uri(digest),
                &digest.digest(&canonical),
            ))
        };
        let data = (0..).zip(layout.objects).map(|(index, object)| {
            let text = format!("Id=\"{}\" {}", reference_id(id, index), object.reference);
            reference(&text, digest_uri(digest), &object.written)
        });
        let mut references: String = data.collect();
        if form.sign_key_info {
            references += &own("key")?;
        }
        references += &own("properties")?;
        let signed_info = format!(
            "<ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"{}\"></ds:CanonicalizationMethod>\
             <ds:SignatureMethod Algorithm=\"{signature_method}\"></ds:SignatureMethod>{references}</ds:SignedInfo>",
            method.uri()
        );
        let part = Part::ElementAt(start.len());
        let canonical_signed_info = canonical(
            &[&start, &signed_info, &value_start, &after_value, CLOSING, END].concat(),
            part,
            &method,
            scope,
        )?;
        Ok(Self {
            id: id.to_owned(),
            before_value: [start, signed_info, value_start].concat(),
            after_value,
            contents,
            signed_info: canonical_signed_info,
        })
    }

    /// What is signed: the canonical form of `ds:SignedInfo`.
    pub(super) fn signed_info(&self) -> &[u8] {
        &self.signed_info
    }

    /// What a signature timestamp covers: the canonical form of `ds:SignatureValue`, exclusive as its container says.
    pub(super) fn canonical_value(&self, value: &SignatureValue) -> Result<Vec<u8>, XmlError> {
        let value = STANDARD.encode(value.as_bytes());
        let text = [&self.before_value, &value, &self.after_value, CLOSING, END].concat();
        canonical(&text, Part::ElementWithId(&format!("{}-value", self.id)), &EXCLUSIVE, &Scope::default())
    }

    /// The element with its value and unsigned properties. RSA values and, for ECDSA, `r || s` (XML Signature 1.1, section 6.4.3)
    /// go in as they are.
    pub(super) fn with_value(self, value: &SignatureValue, unsigned: &str) -> Vec<Piece> {
        let value = STANDARD.encode(value.as_bytes());
        let mut pieces = vec![Piece::Text([&self.before_value, &value, &self.after_value, unsigned, CLOSING].concat())];
        for (index, content) in (0..).zip(self.contents) {
            pieces.push(Piece::Text(content.start_tag(&object_id(&self.id, index))));
            pieces.push(match content {
                Content::Base64(octets) => Piece::Text(STANDARD.encode(octets)),
                Content::Xml(octets) => Piece::Octets(octets),
            });
            pieces.push(Piece::Text(OBJECT_END.to_owned()));
        }
        pieces.push(Piece::Text(END.to_owned()));
        pieces
    }
}

/// `ds:KeyInfo` with the certificates that the form asks for.
fn key_info(id: &str, form: &SignatureForm, context: &SignatureContext<'_>) -> String {
    let certificates: String = context
        .credential
        .chain
        .without_root()
        .take(if form.key_info == KeyInfo::Leaf { 1 } else { usize::MAX })
        .map(|each| format!("<ds:X509Certificate>{}</ds:X509Certificate>", STANDARD.encode(each.der())))
        .collect();
    let id = if form.sign_key_info { format!(" Id=\"{id}-key\"") } else { String::new() };
    format!("<ds:KeyInfo{id}><ds:X509Data>{certificates}</ds:X509Data></ds:KeyInfo>")
}

/// What the reference to `ds:KeyInfo` covers, where that is signed.
pub(super) fn canonical_key_info(
    id: &str,
    form: &SignatureForm,
    scope: &Scope,
    context: &SignatureContext<'_>,
) -> Result<Vec<u8>, XmlError> {
    let start = start_tag(id);
    let part = Part::ElementAt(start.len());
    canonical(&[&start, key_info(id, form, context).as_str(), END].concat(), part, &form.method(), scope)
}

/// The start tag of a signature.
pub(super) fn start_tag(id: &str) -> String {
    format!("<ds:Signature xmlns:ds=\"{SIGNATURE_NAMESPACE}\" Id=\"{id}\">")
}

fn reference(attributes_and_transforms: &str, digest_method: &str, digest: &[u8]) -> String {
    format!(
        "<ds:Reference {attributes_and_transforms}<ds:DigestMethod Algorithm=\"{digest_method}\"></ds:DigestMethod>\
         <ds:DigestValue>{}</ds:DigestValue></ds:Reference>",
        STANDARD.encode(digest)
    )
}

/// From the end of the qualifying properties on.
const CLOSING: &str = "</xades:QualifyingProperties></ds:Object>";

/// The end of every signature.
pub(super) const END: &str = "</ds:Signature>";

/// The canonical form of a part of an element that stands in this scope.
pub(super) fn canonical(text: &str, part: Part<'_>, method: &Method, scope: &Scope) -> Result<Vec<u8>, XmlError> {
    let document = XmlDocument::decode(text.as_bytes())?;
    let selections = [Selection { part, omission: Omission::Nothing, method: method.clone() }];
    let mut reader = XmlReader::within(&document, 0, scope);
    let mut forms = Forms::new(&selections, [Vec::new()]);
    while let Some(event) = reader.next()? {
        forms.take(&event, &reader)?;
    }
    let found = forms.finish().into_iter().flatten().next();
    found.ok_or_else(|| XmlError::at_start(XmlFault::NoRoot))
}
