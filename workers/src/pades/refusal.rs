//! Why a PDF is not sealed: what a caller is told before the key is used.

use lopdf::ObjectId;

use super::syntax::SyntaxError;

/// A property of the caller's PDF that would make a seal on it unacceptable to readers, or that forbids one.
/// Sending the same document again cannot help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PdfRefusal {
    /// No PDF header anywhere near the start.
    #[error("the document is no PDF: it does not begin with \"%PDF-\"")]
    NotPdf,
    /// Something was put in front of the PDF; its offsets no longer count from the first byte.
    #[error("{bytes} bytes precede \"%PDF-\"; remove them, offsets in a PDF count from its first byte")]
    BytesBeforeHeader {
        /// How many.
        bytes: usize,
    },
    /// The file cannot be read at all.
    #[error("the PDF is damaged ({0}); open and save it with a PDF program to repair it")]
    Damaged(String),
    /// The cross-reference data does not describe the file.
    #[error("the PDF's cross-reference data is damaged ({0}); open and save it with a PDF program to repair it")]
    CrossReference(String),
    /// The cross-reference data does not describe the file, and readers may find different documents in it, or none.
    #[error(
        "the PDF's cross-reference data is damaged ({defect}) and cannot be made anew: {reason}; open and save it with a PDF program \
         to repair it"
    )]
    Irreparable {
        /// What is wrong with it.
        defect: String,
        /// What stands in the way.
        reason: String,
    },
    /// The cross-reference data does not describe the file, and it is signed: what an earlier signature covers can only be guessed.
    #[error("the PDF is signed, and its cross-reference data is damaged ({0}); send it as it was signed")]
    SignedAndDamaged(String),
    /// The end of the file is missing.
    #[error("the PDF is cut off: it ends within object {object}; send all of it")]
    CutOff {
        /// The number of the object that it ends in.
        object: u32,
    },
    /// An object that the seal must extend is not what ISO 32000 says it is.
    #[error("the PDF is malformed: {0}")]
    Malformed(String),
    /// The seal must extend an object that cannot be found where the cross-reference data says.
    #[error("the PDF is damaged: object {} {} is not where the cross-reference data says", .0.0, .0.1)]
    MissingObject(ObjectId),
    /// A password is needed to open it.
    #[error("the PDF is encrypted and opens only with a password; send it with its \"password\" among the parameters")]
    PasswordNeeded,
    /// Neither the user password nor the owner password.
    #[error("the PDF is encrypted, and the password that was sent does not open it; send its user or owner password")]
    PasswordWrong,
    /// Encrypted for certificates, or with a handler that is not of ISO 32000.
    #[error("the PDF is encrypted in a way that is not supported ({0}); send it without encryption")]
    UnsupportedEncryption(String),
    /// The author's access permissions do not allow what a seal adds (ISO 32000-2, table 22).
    #[error("the encrypted PDF's access permissions do not allow {0}")]
    AccessPermissions(&'static str),
    /// A new field is forbidden, and an empty one of the document is not.
    #[error(
        "the PDF takes a further signature only in a field that it has ({forbids} forbid new ones); name one, such as \"{field}\""
    )]
    OnlyInField {
        /// What forbids it.
        forbids: &'static str,
        /// The full name of a field that can be named.
        field: String,
    },
    /// There is no page that a signature field could belong to.
    #[error("the PDF has no pages; a seal needs one to be on")]
    NoPages,
    /// An earlier signature forbids every change, by certification or by the lock of its field.
    #[error("the PDF is certified or locked and forbids any change, further signatures too (DocMDP level 1)")]
    ChangesForbidden,
    /// The document is certified, or locked to some degree, and has no field for a seal to be seen.
    #[error(
        "the PDF is certified or locked and takes a visible seal only in a signature field of its own; name one, or seal invisibly"
    )]
    NewVisibleField,
    /// An earlier signature locks the field that the seal would fill.
    #[error("an earlier signature locks the form field \"{field}\" (FieldMDP)")]
    FieldLocked {
        /// The full name of the field.
        field: String,
    },
    /// The field that the worker names exists and cannot take this signature.
    #[error("the form field \"{field}\" cannot be signed: {reason}")]
    FieldUnusable {
        /// The full name of the field.
        field: String,
        /// What stands in the way.
        reason: &'static str,
    },
    /// The author of the form demands of the signature in this field what the worker does not give.
    #[error("the form field \"{field}\" demands {demand} (seed values); name another field, or a worker that meets it")]
    SeedValue {
        /// The full name of the field.
        field: String,
        /// What is demanded.
        demand: String,
    },
    /// A certification must be the first signature in a document (ISO 32000-2, 12.8.2.2).
    #[error("the PDF is signed already; a certification must be its first signature")]
    AlreadySigned,
    /// The document has no place for a visible seal where it is to be.
    #[error("the seal cannot be shown: {0}")]
    Seal(String),
    /// Numbers of the format are used up.
    #[error("the PDF is too large: {0}")]
    TooLarge(&'static str),
}

impl From<SyntaxError> for PdfRefusal {
    fn from(error: SyntaxError) -> Self {
        Self::Malformed(error.to_string())
    }
}
