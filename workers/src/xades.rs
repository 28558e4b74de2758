//! XAdES signatures (EN 319 132-1): in an XML document as last child of its root element, around any file, or beside it.
//!
//! Reading XML strictly and writing its canonical forms is here too (`document`, `reader`, `canonicalization`): what is
//! signed is octets that every verifier must compute alike, so nothing ambiguous gets past the reader.
//!
//! Decided 2026-11-20: exclusive canonicalization everywhere, stated as a transform of every reference, so that nothing around
//! an element changes its digest; and the document less all signatures (XPath Filter 2.0), not only less this one
//! (enveloped-signature alone), so that signatures stand side by side and none breaks another.

mod algorithm;
mod assemble;
mod attributes;
mod augment;
mod canonicalization;
mod check;
mod counter_signature;
mod document;
mod earlier;
mod element;
mod files;
pub mod form;
mod in_document;
pub mod place;
mod prepare;
mod reader;
mod received;
mod references;
mod sent;
mod signature;
mod statements;
mod unsigned;
mod xml_error;

pub use xml_error::{Position, XmlError, XmlFault};

use serde::{Deserialize, Serialize};

use crate::cades::properties::SignedProperties;
use crate::config::{ConfigError, Fields};
use crate::error::WorkerError;
use crate::level::SignaturePackaging;
use crate::worker::SigningParameters;
use document::InternalSubset;
use form::{Canonicalization, SignatureForm};
use place::SignaturePlace;
use reader::is_ncname;

/// What a `xades` worker signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum XadesMode {
    /// The document that is sent.
    #[default]
    Sign,
    /// The value of a signature in it.
    CounterSign,
}

impl XadesMode {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    fn is_default(&self) -> bool {
        *self == Self::Sign
    }
}

/// How an enveloping signature holds the document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectForm {
    /// In base64, whatever it is.
    #[default]
    Base64,
    /// As XML: its root element.
    Xml,
}

impl ObjectForm {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    fn is_default(&self) -> bool {
        *self == Self::Base64
    }
}

/// What is stamped before it is signed (EN 319 132-1, clause 5.2.8). Spelt `false`, `true` and `"each"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "serde_json::Value", into = "serde_json::Value")]
pub enum ContentTimestamp {
    /// Nothing.
    #[default]
    None,
    /// All that is signed, together: `AllDataObjectsTimeStamp`.
    All,
    /// Each document by itself: an `IndividualDataObjectsTimeStamp` for each.
    Each,
}

impl ContentTimestamp {
    pub(crate) fn is_wanted(self) -> bool {
        self != Self::None
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

impl TryFrom<serde_json::Value> for ContentTimestamp {
    type Error = &'static str;

    fn try_from(value: serde_json::Value) -> Result<Self, Self::Error> {
        match (value.as_bool(), value.as_str()) {
            (Some(false), _) => Ok(Self::None),
            (Some(true), _) => Ok(Self::All),
            (_, Some("each")) => Ok(Self::Each),
            _ => Err("write true, for all that is signed together, \"each\", for each document by itself, or false"),
        }
    }
}

impl From<ContentTimestamp> for serde_json::Value {
    fn from(stamp: ContentTimestamp) -> Self {
        match stamp {
            ContentTimestamp::None => false.into(),
            ContentTimestamp::All => true.into(),
            ContentTimestamp::Each => "each".into(),
        }
    }
}

/// Identifiers of the elements that are signed, one to a hundred, none twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Elements(Vec<String>);

impl Elements {
    fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl TryFrom<Vec<String>> for Elements {
    type Error = String;

    fn try_from(ids: Vec<String>) -> Result<Self, String> {
        if !(1..=100).contains(&ids.len()) {
            return Err("write one to a hundred identifiers".into());
        }
        // They stand in references as they are.
        if let Some(id) = ids.iter().find(|id| !(id.is_ascii() && is_ncname(id))) {
            return Err(format!(
                "\"{id}\" is no identifier: letters, digits, \"_\", \".\" and \"-\", a letter or \"_\" first"
            ));
        }
        if let Some(twice) =
            ids.iter().enumerate().find(|(index, id)| ids.iter().skip(index + 1).any(|each| each == *id))
        {
            return Err(format!("\"{}\" is there twice", twice.1));
        }
        Ok(Self(ids))
    }
}

impl From<Elements> for Vec<String> {
    fn from(elements: Elements) -> Self {
        elements.0
    }
}

/// Options of `xades`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct XadesConfig {
    /// `enveloped` (default), `enveloping`, `detached` or `internally-detached`.
    pub packaging: SignaturePackaging,
    /// What is signed: a document (default), or a signature that is there.
    #[serde(skip_serializing_if = "XadesMode::is_default")]
    pub mode: XadesMode,
    /// Which signature is counter-signed, by its `Id`, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_id: Option<String>,
    /// What a detached signature calls the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_uri: Option<String>,
    /// Where a signature goes that is in the document. Default: last in the root element.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<SignaturePlace>,
    /// Which elements of the document are signed, of an internally detached signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elements: Option<Elements>,
    /// How an enveloping signature holds the document.
    #[serde(skip_serializing_if = "ObjectForm::is_default")]
    pub object: ObjectForm,
    /// Whether timestamps over the content are asked for before it is signed, and signed with it. They need level B-T or above.
    #[serde(skip_serializing_if = "ContentTimestamp::is_none")]
    pub content_timestamp: ContentTimestamp,
    /// Whether documents may have a document type declaration, with an internal subset alone and without entities.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_internal_subset: bool,
    /// What the signer says beside the signature.
    #[serde(flatten)]
    pub properties: SignedProperties,
    /// How it is written.
    #[serde(flatten)]
    pub form: SignatureForm,
}

impl XadesConfig {
    pub(crate) const KEYS: &'static [&'static str] = &[
        "packaging",
        "mode",
        "signature_id",
        "document_uri",
        "place",
        "elements",
        "object",
        "content_timestamp",
        "allow_internal_subset",
        "commitment_type",
        "signer_location",
        "claimed_roles",
        "signature_policy",
        "mime_type",
        "signing_certificate",
        "issuer_name",
        "key_info",
        "sign_key_info",
        "id_prefix",
        "canonicalization",
        "reference_digest",
    ];

    /// What `caller_may_set` may name.
    pub(crate) const SETTABLE: &'static [&'static str] = &[
        "commitment_type",
        "signer_location",
        "claimed_roles",
        "signature_policy",
        "mime_type",
        "elements",
        "signature_id",
    ];

    pub(crate) fn parse(fields: &mut Fields) -> Result<Self, ConfigError> {
        let config = Self {
            packaging: fields.take("packaging")?.unwrap_or(SignaturePackaging::Enveloped),
            mode: fields.take("mode")?.unwrap_or_default(),
            signature_id: fields.take("signature_id")?,
            document_uri: fields.take("document_uri")?,
            place: fields.take("place")?,
            elements: fields.take("elements")?,
            object: fields.take("object")?.unwrap_or_default(),
            content_timestamp: fields.take("content_timestamp")?.unwrap_or_default(),
            allow_internal_subset: fields.take("allow_internal_subset")?.unwrap_or_default(),
            properties: SignedProperties::parse(fields)?,
            form: SignatureForm::parse(fields)?,
        };
        config.check()?;
        Ok(config)
    }

    // What has no sense there would be ignored, and nobody may believe to have it.
    fn check(&self) -> Result<(), ConfigError> {
        use SignaturePackaging::{Detached, Encapsulated, Enveloped, Enveloping, InternallyDetached};
        let refuse = |key, reason: &str| Err(ConfigError::Value { key, reason: reason.to_owned() });
        if self.packaging == Encapsulated {
            return refuse(
                "packaging",
                "a xades worker packages \"enveloped\", \"enveloping\", \"detached\" or \"internally-detached\"",
            );
        }
        if self.document_uri.is_some() && self.packaging != Detached {
            return refuse("document_uri", "only a detached signature names its document; remove the key");
        }
        // RFC 3986, section 2: what is in no URI could not be written as it is.
        let fits = |each: char| each.is_ascii_alphanumeric() || "-._~:/?[]@!$()*+,;=%".contains(each);
        if self.document_uri.as_ref().is_some_and(|uri| uri.is_empty() || !uri.chars().all(fits)) {
            return refuse("document_uri", "it is no URI without fragment, such as \"invoice.xml\"");
        }
        if self.place.is_some() && !matches!(self.packaging, Enveloped | InternallyDetached) {
            return refuse("place", "only a signature inside the document has a place in it; remove the key");
        }
        if self.elements.is_some() && self.packaging != InternallyDetached {
            return refuse("elements", "only an internally detached signature is over elements of the document");
        }
        if self.object != ObjectForm::Base64 && self.packaging != Enveloping {
            return refuse("object", "only an enveloping signature holds the document; remove the key");
        }
        match self.mode {
            XadesMode::Sign if self.signature_id.is_some() => {
                refuse("signature_id", "only mode \"counter-sign\" is about a signature; remove the key")
            }
            XadesMode::CounterSign if self.packaging != Enveloped || self.place.is_some() => {
                refuse("packaging", "a signature that is counter-signed stays as it is; remove packaging and place")
            }
            XadesMode::CounterSign if self.content_timestamp.is_wanted() => {
                refuse("content_timestamp", "only mode \"sign\" stamps the content")
            }
            XadesMode::CounterSign if self.properties.mime_type.is_some() => {
                refuse("mode", "a counter-signature signs no document; remove mime_type")
            }
            XadesMode::CounterSign if self.form.canonicalization != Canonicalization::Exclusive => {
                refuse("canonicalization", "a counter-signature is canonicalised exclusively; remove the key")
            }
            _ => Ok(()),
        }
    }

    /// The elements that are signed; `None`: the document.
    fn chosen_elements(&self, parameters: &SigningParameters) -> Result<Option<Elements>, WorkerError> {
        let refused = |reason: String| WorkerError::Parameter { name: "elements".into(), reason };
        let Some(value) = parameters.value("elements") else { return Ok(self.elements.clone()) };
        if self.packaging != SignaturePackaging::InternallyDetached {
            return Err(refused("only an internally detached signature is over elements; send none".into()));
        }
        serde_json::from_value(value.clone()).map(Some).map_err(|error| refused(error.to_string()))
    }

    fn internal_subset(&self) -> InternalSubset {
        if self.allow_internal_subset { InternalSubset::Allowed } else { InternalSubset::Refused }
    }

    /// What a detached signature calls the document; default `document`.
    fn uri(&self) -> &str {
        self.document_uri.as_deref().unwrap_or("document")
    }
}

/// The canonical form of a document, or of its element of this number, counted from 0 in document order; `None` when there is none of
/// that number or the algorithm is not known. For the fuzz target that compares it with another library's.
///
/// # Errors
/// When the document is not XML that can be signed.
#[cfg(fuzzing)]
pub fn canonical_form(
    document: &[u8],
    element: Option<usize>,
    algorithm: &str,
    prefixes: Option<&str>,
) -> Result<Option<Vec<u8>>, XmlError> {
    use canonicalization::{Method, Omission, Part, canonicalize};
    use reader::{Event, XmlReader};

    let Some(method) = Method::named(algorithm, prefixes) else { return Ok(None) };
    let document = document::XmlDocument::decode_with(document, InternalSubset::Allowed)?;
    let mut starts = Vec::new();
    let mut reader = XmlReader::new(&document);
    while let Some(event) = reader.next()? {
        if let Event::Start(element) = event {
            starts.push(element.offset);
        }
    }
    let part = match element.map(|number| starts.get(number)) {
        None => Part::Document,
        Some(Some(offset)) => Part::ElementAt(*offset),
        Some(None) => return Ok(None),
    };
    canonicalize(&document, part, Omission::Nothing, &method, Vec::new())
}
