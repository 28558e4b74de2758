//! Workers: what is done with a document, from the request to the signed document (EN 319 102-1, clause 4).
//!
//! Every signature is made by the one procedure in [`create`]:
//!
//! 1. `policy`: may this credential sign now?
//! 2. `prepare`: the format reads the document, refuses what it must, and gives the data to be signed;
//! 3. `sign`: the [`cryptotoken_api::Signer`] lent for this request uses the key, the only step that does;
//! 4. the signature is verified in software with the certificate's key;
//! 5. `assemble`: the format puts the value where it belongs;
//! 6. `check`: the format recomputes digests and signature over the final bytes. Only then is the document released.
//!
//! A new format is one folder (`prepare.rs`, `assemble.rs`, `attributes.rs`, `check.rs`) and one arm in [`kind`].
//! Layer 1: no PKCS#11, no HTTP, no SQL, and no knowledge of who the caller is.

pub mod augmentation;
pub mod cades;
pub mod certificate_extensions;
pub mod certification_path;
pub mod clock;
pub mod config;
pub mod create;
pub mod error;
pub mod files;
pub mod kind;
pub mod level;
pub mod memory;
pub mod pades;
pub mod plain;
pub mod policy;
pub mod revocation;
#[cfg(test)]
mod software_key;
pub mod spooled;
pub mod timestamp;
mod tlv;
pub mod tsa;
pub mod validation_data;
pub mod worker;
pub mod xades;

pub use augmentation::AugmentationFault;
pub use clock::{Clock, ClockError, SystemClock};
pub use config::{ConfigError, FormatConfig, WorkerConfig};
pub use error::{Fault, WorkerError};
pub use files::{FilesFault, NamedFile, NamedFiles};
pub use kind::WorkerKind;
pub use level::{SignatureLevel, SignaturePackaging};
pub use memory::MemoryDocument;
pub use revocation::{RevocationError, RevocationEvidence, RevocationInfo, RevocationSource, RevocationStatus};
pub use spooled::SpooledDocument;
pub use timestamp::{TimestampError, TimestampRequest, TimestampSource, TimestampToken};
pub use validation_data::{Collection, Freshness, Subject, SubjectRole, ValidationData, ValidationDataError};
pub use worker::{
    AugmentationEnvironment, AugmentationRequest, DocumentContent, Preview, PreviewEnvironment, SignedDocument,
    SignerDocument, SigningEnvironment, SigningParameters, SigningRequest, Worker,
};
