//! Opens an encrypted PDF with a password (ISO 32000-2, 7.6).

use lopdf::encryption::{DecryptionError, PasswordAlgorithm};
use lopdf::{Dictionary, Document, EncryptionState, Object, Permissions};

use secrecy::{ExposeSecret, SecretBox, SecretString};

use super::super::refusal::PdfRefusal;
use super::PdfFile;

impl PdfFile<'_> {
    /// Opens an encrypted file with the password, else with the empty one, as every reader does. One in which attachments alone are
    /// encrypted is open without: nothing that a seal reads or adds is encrypted then.
    ///
    /// # Errors
    /// [`PdfRefusal::PasswordNeeded`], [`PdfRefusal::PasswordWrong`], [`PdfRefusal::UnsupportedEncryption`].
    pub(super) fn open_encryption(&mut self, password: Option<&SecretString>) -> Result<(), PdfRefusal> {
        let entry = match self.trailer.get(b"Encrypt") {
            // ISO 32000-2, 7.3.7: null is as good as no entry.
            Err(_) | Ok(Object::Null) => return Ok(()),
            Ok(entry) => entry,
        };
        let unreadable = || PdfRefusal::UnsupportedEncryption("its encryption dictionary cannot be read".into());
        let dictionary = self.resolve(entry).as_dict().map_err(|_| unreadable())?;
        match self.value(dictionary, b"Filter").as_name() {
            Ok(b"Standard") => {}
            Ok(handler) => {
                let handler = format!("handler {}", String::from_utf8_lossy(handler));
                return Err(PdfRefusal::UnsupportedEncryption(handler));
            }
            Err(_) => return Err(unreadable()),
        }
        // ISO/TS 32004: the code covers the whole file, so a reader would take the update for a forgery.
        if self.trailer.has(b"AuthCode") || dictionary.has(b"KDFSalt") {
            return Err(PdfRefusal::UnsupportedEncryption("it has a message authentication code".into()));
        }
        let dictionary = self.encryption_dictionary(dictionary);
        if !crypt_filters_are_known(&dictionary) {
            return Err(PdfRefusal::UnsupportedEncryption("it names a crypt filter that is not defined".into()));
        }
        let permissions = declared_permissions(&dictionary)?;
        let open_without = opens_without_password(&dictionary);
        // A document with nothing in it but what the key is derived from.
        let mut document = Document::new();
        let id = document.add_object(dictionary);
        document.trailer.set("Encrypt", Object::Reference(id));
        document.trailer.set("ID", Object::Array(vec![self.first_identifier()]));
        let algorithm = PasswordAlgorithm::try_from(&document).map_err(unsupported)?;
        let given = password.map(ExposeSecret::expose_secret).filter(|password| !password.is_empty());
        for (text, is_given) in [(given, true), (Some(""), false)] {
            let Some(octets) = text.and_then(|text| algorithm.sanitize_password(text).ok()) else { continue };
            let octets = SecretBox::new(Box::new(octets));
            match document.authenticate_raw_password(octets.expose_secret()) {
                Ok(()) => {
                    let state = EncryptionState::decode(&document, octets.expose_secret()).map_err(unsupported)?;
                    let is_owner = document.authenticate_raw_owner_password(octets.expose_secret()).is_ok();
                    self.access_permissions = (!(is_given && is_owner)).then_some(permissions);
                    self.encryption = Some(state);
                    return Ok(());
                }
                Err(lopdf::Error::InvalidPassword | lopdf::Error::Decryption(DecryptionError::IncorrectPassword)) => {}
                Err(error) => return Err(unsupported(error)),
            }
        }
        if open_without {
            self.access_permissions = Some(permissions);
            return Ok(());
        }
        Err(if given.is_some() { PdfRefusal::PasswordWrong } else { PdfRefusal::PasswordNeeded })
    }

    /// What `dictionary` says of the encryption, with nothing referred to: some programs write the crypt filters as objects of
    /// their own, and `lopdf` looks only into the dictionary.
    fn encryption_dictionary(&self, dictionary: &Dictionary) -> Dictionary {
        let mut whole = Dictionary::new();
        for key in ENCRYPTION_KEYS {
            match self.value(dictionary, key) {
                Object::Null => {}
                value => whole.set(key, value.clone()),
            }
        }
        let named: Vec<Vec<u8>> = [&b"StmF"[..], b"StrF", b"EFF"]
            .iter()
            .filter_map(|key| Some(whole.get(key).ok()?.as_name().ok()?.to_vec()))
            .collect();
        if let Ok(filters) = whole.get_mut(b"CF").and_then(Object::as_dict_mut) {
            for name in named {
                if let Ok(filter) = self.value(filters, &name).as_dict() {
                    let filter = filter.clone();
                    filters.set(name, Object::Dictionary(filter));
                }
            }
        }
        whole
    }

    /// The first of the file's identifiers, which the key is derived from; readers take none for an empty one.
    fn first_identifier(&self) -> Object {
        let identifiers = self.value(&self.trailer, b"ID").as_array();
        let first = identifiers.ok().and_then(|identifiers| identifiers.first()).map(|first| self.resolve(first));
        let first = first.filter(|first| first.as_str().is_ok()).cloned();
        first.unwrap_or_else(|| Object::string_literal(Vec::new()))
    }
}

/// Whether strings and streams are encrypted by filters that the file defines (7.6.6). `lopdf` takes RC4 for one that it
/// does not know.
fn crypt_filters_are_known(encryption: &Dictionary) -> bool {
    let version = encryption.get(b"V").and_then(Object::as_i64).unwrap_or(0);
    let method = |name| {
        let filter = encryption.get(b"CF").and_then(Object::as_dict)?.get(name).and_then(Object::as_dict)?;
        filter.get(b"CFM").and_then(Object::as_name)
    };
    let is_known = |key| match encryption.get(key).map(Object::as_name) {
        Err(_) | Ok(Ok(b"Identity")) => true,
        Ok(Ok(name)) => matches!(method(name), Ok(b"V2" | b"AESV2" | b"AESV3")),
        Ok(Err(_)) => false,
    };
    version < 4 || (is_known(b"StmF".as_slice()) && is_known(b"StrF"))
}

/// Whether only attachments are encrypted (ISO 32000-2, 7.6.6): strings and streams are under the filter `Identity`, and so will be
/// what is added, and no filter asks for the password when the document is opened.
///
/// `/AuthEvent /EFOpen` demands it for attachments alone. Without the entry, or with `/DocOpen`, the document shall not open without it
/// (table 25), whatever is encrypted: readers keep to that.
fn opens_without_password(encryption: &Dictionary) -> bool {
    let is_identity = |key| matches!(encryption.get(key).map(Object::as_name), Ok(Ok(b"Identity")));
    let Ok(filters) = encryption.get(b"CF").and_then(Object::as_dict) else { return false };
    let waits = |filter: &Object| {
        let event = filter.as_dict().and_then(|filter| filter.get(b"AuthEvent")).and_then(Object::as_name);
        matches!(event, Ok(b"EFOpen"))
    };
    let version = encryption.get(b"V").and_then(Object::as_i64).unwrap_or(0);
    version >= 4 && is_identity(b"StmF") && is_identity(b"StrF") && filters.iter().all(|(_, filter)| waits(filter))
}

/// The access permissions as they are written (7.6.4.2). Only who has the password can tell whether they are the author's, for the key and
/// `/Perms` depend on them. They bind whoever has it not, as they bind the user: who would change them could as well take the
/// encryption dictionary out, and only the owner is exempt.
fn declared_permissions(encryption: &Dictionary) -> Result<Permissions, PdfRefusal> {
    let no_number = |_| PdfRefusal::UnsupportedEncryption("its access permissions, /P, are no number".into());
    let permissions = encryption.get(b"P").and_then(Object::as_i64).map_err(no_number)?;
    Ok(Permissions::from_bits_retain(permissions.cast_unsigned()))
}

pub(super) fn unsupported(error: impl Into<lopdf::Error>) -> PdfRefusal {
    PdfRefusal::UnsupportedEncryption(match error.into() {
        lopdf::Error::Decryption(cause) => cause.to_string(),
        other => other.to_string(),
    })
}

/// ISO 32000-2, tables 20, 21 and 27 (`Filter` is checked before).
const ENCRYPTION_KEYS: [&[u8]; 15] = [
    b"Filter",
    b"V",
    b"Length",
    b"CF",
    b"StmF",
    b"StrF",
    b"EFF",
    b"R",
    b"O",
    b"U",
    b"OE",
    b"UE",
    b"P",
    b"Perms",
    b"EncryptMetadata",
];
