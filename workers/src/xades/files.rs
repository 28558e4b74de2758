//! Signatures that are a file of their own: over one file, or several, of any kind, which are inside or beside.
//!
//! A file beside is named by its reference: `URI` is its name, percent-encoded (RFC 3986, section 2.1), so that it is one segment of a
//! path whatever is in it. One inside is named by the description of its format.

use std::borrow::Cow;

use cryptotoken_api::DigestAlgorithm;

use super::assemble::Place;
use super::prepare::{DEFAULT_MEDIA_TYPE, Request, Subject, essence, is_media_type, stated};
use super::reader::Scope;
use super::signature::{Content, DataObject, object_id};
use super::{ObjectForm, XadesConfig, XadesMode};
use crate::augmentation::AugmentationFault;
use crate::error::WorkerError;
use crate::files::NamedFile;
use crate::level::SignaturePackaging;
use crate::worker::{DocumentContent, SignerDocument};

/// One of the files of a request.
pub(super) struct SignedFile<'a> {
    /// `None` of a document that came alone.
    name: Option<&'a str>,
    media_type: Option<&'a str>,
    pub(super) content: &'a DocumentContent,
}

/// The files of a request, in the order of their references.
pub(super) fn signed_files(document: &SignerDocument) -> Result<Vec<SignedFile<'_>>, WorkerError> {
    Ok(match &document.content {
        DocumentContent::Digest(_) => return Err(WorkerError::DigestOnly),
        DocumentContent::Files(files) => files
            .as_slice()
            .iter()
            .map(|NamedFile { name, media_type, content }| SignedFile {
                name: Some(name),
                media_type: media_type.as_deref(),
                content,
            })
            .collect(),
        content => vec![SignedFile { name: None, media_type: document.media_type.as_deref(), content }],
    })
}

impl XadesConfig {
    /// Whether the files are beside the signature.
    pub(crate) fn is_beside(&self) -> bool {
        self.mode == XadesMode::Sign && self.packaging == SignaturePackaging::Detached
    }

    /// Whether the signature is a file of its own, over files that need not be XML.
    pub(crate) fn takes_files(&self) -> bool {
        let around = self.packaging == SignaturePackaging::Enveloping && self.object == ObjectForm::Base64;
        self.is_beside() || (self.mode == XadesMode::Sign && around)
    }

    /// A signature over the files of a request, in this digest.
    pub(super) fn over_files(&self, request: &Request<'_>, digest: DigestAlgorithm) -> Result<Subject, WorkerError> {
        let id = self.form.id(request.context);
        let stated = stated(request.properties)?;
        let (mut objects, mut contents) = (Vec::new(), Vec::new());
        for (index, file) in (0..).zip(signed_files(request.document)?) {
            let declared = file.media_type.map(essence).filter(|each| is_media_type(each));
            let declared = declared.unwrap_or_else(|| "application/octet-stream".to_owned());
            let media_type = stated.clone().unwrap_or(declared);
            let written = file.content.digest(digest)?.ok_or(WorkerError::DigestOnly)?;
            objects.push(if self.is_beside() {
                DataObject::elsewhere(&self.uri_of(&file), media_type, written)
            } else {
                let DocumentContent::Memory(octets) = file.content else { return Err(WorkerError::NotInMemory) };
                contents.push(Content::Base64(bytes::Bytes::clone(octets)));
                DataObject::decoded(&object_id(&id, index), media_type, written).described(file.name)
            });
        }
        Ok(Subject {
            objects,
            contents,
            place: Place::alone(),
            scope: Scope::default(),
            media_type: DEFAULT_MEDIA_TYPE.to_owned(),
        })
    }

    /// What the reference to a file says, beside the signature or in the signature of this identifier.
    pub(super) fn expected_uris(&self, files: &[SignedFile<'_>], id: &str) -> Vec<String> {
        let uri = |(index, file): (usize, &SignedFile<'_>)| match self.is_beside() {
            true => self.uri_of(file).into_owned(),
            false => format!("#{}", object_id(id, index)),
        };
        (0..).zip(files).map(uri).collect()
    }

    fn uri_of<'a>(&'a self, file: &SignedFile<'_>) -> Cow<'a, str> {
        match file.name {
            Some(name) => Cow::Owned(encoded(name)),
            None => Cow::Borrowed(self.uri()),
        }
    }
}

/// A name with everything percent-encoded but the unreserved characters.
fn encoded(name: &str) -> String {
    let octet = |octet: u8| match octet {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(octet).to_string(),
        other => format!("%{other:02X}"),
    };
    name.bytes().map(octet).collect()
}

/// The name that a reference gives; as it is where it is not percent-encoded.
fn decoded(uri: &str) -> Cow<'_, str> {
    let mut octets = Vec::with_capacity(uri.len());
    let mut rest = uri.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(octet) => {
                octets.push(octet);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                octets.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(octets).map_or(Cow::Borrowed(uri), Cow::Owned)
}

/// What came beside a signature for the reference of this URI.
///
/// # Errors
/// When nothing did, or not the file of that name.
pub(super) fn beside<'a>(
    beside: Option<&'a DocumentContent>,
    uri: Option<&str>,
) -> Result<&'a DocumentContent, AugmentationFault> {
    match (beside, uri) {
        (None | Some(DocumentContent::Digest(_)), _) => Err(AugmentationFault::NoDocument),
        (Some(DocumentContent::Files(files)), Some(uri)) => {
            let name = decoded(uri.strip_prefix("./").unwrap_or(uri));
            let found = files.as_slice().iter().find(|file| file.name == name);
            let missing = || AugmentationFault::NoFile { name: name.chars().take(80).collect() };
            found.map(|file| &file.content).ok_or_else(missing)
        }
        // Which one is meant is known to the application only (XML Signature 1.1, section 4.4.3.1).
        (Some(DocumentContent::Files(files)), None) => match files.as_slice() {
            [one] => Ok(&one.content),
            _ => Err(AugmentationFault::Malformed("a reference names none of the files")),
        },
        (Some(content), _) => Ok(content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_as_one_segment_and_decoded_again() {
        for (name, uri) in [
            ("a.pdf", "a.pdf"),
            ("a b.pdf", "a%20b.pdf"),
            ("50%.txt", "50%25.txt"),
            ("a:b?c#d&e\"<", "a%3Ab%3Fc%23d%26e%22%3C"),
            ("\u{e4}\u{20ac}.xml", "%C3%A4%E2%82%AC.xml"),
        ] {
            assert_eq!(encoded(name), uri);
            assert_eq!(decoded(uri), name);
        }
        // As others write them.
        for (uri, name) in
            [("100%", "100%"), ("%zz", "%zz"), ("%+1", "%+1"), ("%FF", "%FF"), ("a b", "a b"), ("%", "%")]
        {
            assert_eq!(decoded(uri), name);
        }
    }
}
