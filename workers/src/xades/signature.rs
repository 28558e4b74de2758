//! The `ds:Signature` element, written once and in full but for the signature value (XML Signature 1.1, section 4).
//!
//! Everything is written without white space and in the form that canonicalization leaves as it is; still, what is signed
//! is taken from the canonicalizer, which reads this text like any other.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cryptotoken_api::SignatureValue;

use super::algorithm::{digest_uri, signature_uri};
use super::attributes::SIGNED_PROPERTIES_TYPE;
use super::canonicalization::{EXCLUSIVE, Omission, Part, SIGNATURE_NAMESPACE, canonicalize};
use super::document::XmlDocument;
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

/// A signature without value.
pub(super) struct UnsignedSignature {
    before_value: String,
    after_value: String,
    /// From the end of the qualifying properties on.
    closing: &'static str,
    /// The `ds:Object` of an enveloping signature.
    object: String,
    signed_info: Vec<u8>,
    value_id: String,
}

/// What the reference to the document says.
pub(super) enum Reference<'a> {
    /// The document around the signature, less all signatures.
    Enveloping,
    /// The object `…-object` inside, base64.
    Object(&'a [u8]),
    /// The element `…-object` beside the signature.
    Sibling,
    /// Something elsewhere, under this URI.
    Elsewhere(&'a str),
}

impl Reference<'_> {
    /// Attributes and transforms, up to `ds:DigestMethod`.
    fn text(&self, id: &str) -> String {
        let canonicalization = EXCLUSIVE.uri();
        match self {
            Self::Enveloping => format!(
                "URI=\"\"><ds:Transforms>\
                 <ds:Transform Algorithm=\"{ENVELOPED}\"></ds:Transform>\
                 <ds:Transform Algorithm=\"{FILTER2}\"><dsig-filter2:XPath xmlns:dsig-filter2=\"{FILTER2}\" \
                 Filter=\"subtract\">/descendant::ds:Signature</dsig-filter2:XPath></ds:Transform>\
                 <ds:Transform Algorithm=\"{canonicalization}\"></ds:Transform></ds:Transforms>"
            ),
            Self::Object(_) => format!(
                "Type=\"{OBJECT_TYPE}\" URI=\"#{id}-object\"><ds:Transforms>\
                 <ds:Transform Algorithm=\"{BASE64}\"></ds:Transform></ds:Transforms>"
            ),
            Self::Sibling => format!(
                "URI=\"#{id}-object\"><ds:Transforms>\
                 <ds:Transform Algorithm=\"{canonicalization}\"></ds:Transform></ds:Transforms>"
            ),
            Self::Elsewhere(uri) => format!("URI=\"{uri}\">"),
        }
    }
}

/// The `Type` of a reference to a `ds:Object` (XML Signature 1.1, section 4.5).
const OBJECT_TYPE: &str = "http://www.w3.org/2000/09/xmldsig#Object";

impl UnsignedSignature {
    /// Lays out the signature `id` over a document with this digest.
    ///
    /// # Errors
    /// When XML signatures have no name for the algorithm.
    pub(super) fn lay_out(
        id: &str,
        reference: &Reference<'_>,
        document_digest: &[u8],
        properties: &str,
        context: &SignatureContext<'_>,
    ) -> Result<Self, WorkerError> {
        let algorithm = context.algorithm;
        let unknown = || WorkerError::Algorithm { kind: WorkerKind::Xades, algorithm };
        let signature_method = signature_uri(algorithm).ok_or_else(unknown)?;
        let certificates: String = context
            .credential
            .chain
            .without_root()
            .map(|each| format!("<ds:X509Certificate>{}</ds:X509Certificate>", STANDARD.encode(each.der())))
            .collect();
        let after_value = format!(
            "</ds:SignatureValue><ds:KeyInfo><ds:X509Data>{certificates}</ds:X509Data></ds:KeyInfo>\
             <ds:Object>{properties}"
        );
        let closing = "</xades:QualifyingProperties></ds:Object>";
        let start = format!("<ds:Signature xmlns:ds=\"{SIGNATURE_NAMESPACE}\" Id=\"{id}\">");
        let value_start = format!("<ds:SignatureValue Id=\"{id}-value\">");

        // The digest of the properties is part of what is signed, so they are canonicalised first.
        let properties_id = format!("{id}-properties");
        let canonical_properties =
            canonical(&[&start, &value_start, &after_value, closing, END], Part::ElementWithId(&properties_id))?;
        let reference_text = reference.text(id);
        let signed_info =
            signed_info(id, signature_method, &reference_text, document_digest, &canonical_properties, context);
        let signed_info_part = Part::ElementAt(start.len());
        let canonical_signed_info =
            canonical(&[&start, &signed_info, &value_start, &after_value, closing, END], signed_info_part)?;
        let object = match reference {
            Reference::Object(octets) => {
                format!("<ds:Object Encoding=\"{BASE64}\" Id=\"{id}-object\">{}</ds:Object>", STANDARD.encode(octets))
            }
            _ => String::new(),
        };
        Ok(Self {
            before_value: [start, signed_info, value_start].concat(),
            after_value,
            closing,
            object,
            signed_info: canonical_signed_info,
            value_id: format!("{id}-value"),
        })
    }

    /// What is signed: the canonical form of `ds:SignedInfo`.
    pub(super) fn signed_info(&self) -> &[u8] {
        &self.signed_info
    }

    /// What a signature timestamp covers: the canonical form of `ds:SignatureValue`.
    pub(super) fn canonical_value(&self, value: &SignatureValue) -> Result<Vec<u8>, XmlError> {
        let value = STANDARD.encode(value.as_bytes());
        let pieces = [&self.before_value, &value, &self.after_value, self.closing, END];
        canonical(&pieces, Part::ElementWithId(&self.value_id))
    }

    /// The element with its value and unsigned properties. RSA values and, for ECDSA, `r || s` (XML Signature 1.1, section 6.4.3)
    /// go in as they are.
    pub(super) fn with_value(&self, value: &SignatureValue, unsigned: &str) -> String {
        let value = STANDARD.encode(value.as_bytes());
        [&self.before_value, &value, &self.after_value, unsigned, self.closing, &self.object, END].concat()
    }
}

fn signed_info(
    id: &str,
    signature_method: &str,
    reference: &str,
    document_digest: &[u8],
    canonical_properties: &[u8],
    context: &SignatureContext<'_>,
) -> String {
    let digest = context.algorithm.digest();
    let canonicalization = EXCLUSIVE.uri();
    let digest_method = digest_uri(digest);
    format!(
        "<ds:SignedInfo>\
         <ds:CanonicalizationMethod Algorithm=\"{canonicalization}\"></ds:CanonicalizationMethod>\
         <ds:SignatureMethod Algorithm=\"{signature_method}\"></ds:SignatureMethod>\
         <ds:Reference Id=\"{id}-document\" {reference}\
         <ds:DigestMethod Algorithm=\"{digest_method}\"></ds:DigestMethod>\
         <ds:DigestValue>{document_digest}</ds:DigestValue></ds:Reference>\
         <ds:Reference Type=\"{SIGNED_PROPERTIES_TYPE}\" URI=\"#{id}-properties\"><ds:Transforms>\
         <ds:Transform Algorithm=\"{canonicalization}\"></ds:Transform></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"{digest_method}\"></ds:DigestMethod>\
         <ds:DigestValue>{properties_digest}</ds:DigestValue></ds:Reference>\
         </ds:SignedInfo>",
        document_digest = STANDARD.encode(document_digest),
        properties_digest = STANDARD.encode(digest.digest(canonical_properties)),
    )
}

/// The end of every signature.
const END: &str = "</ds:Signature>";

/// The canonical form of a part of the signature. Exclusive canonicalization does not see what is around it, and all
/// prefixes are declared inside, so it is the same here as in the document.
fn canonical(pieces: &[&str], part: Part<'_>) -> Result<Vec<u8>, XmlError> {
    let text = pieces.concat();
    let document = XmlDocument::decode(text.as_bytes())?;
    let canonical = canonicalize(&document, part, Omission::Nothing, &EXCLUSIVE, Vec::new())?;
    canonical.ok_or_else(|| XmlError::at_start(XmlFault::NoRoot))
}
