//! The only doors for key management, used by the command line and by an administration API alike.
//!
//! The order that every device can follow: generate, attributes read back, (authorise,) self-test, certification request, certificate
//! import. Nothing here records or stores: whoever calls does both.

mod certification_request;
mod destroy_key;
mod generate_key;
mod import_certificate;
mod self_test;
mod subject;

pub use certification_request::{CertificationRequest, RequestError, certification_request};
pub use destroy_key::destroy;
pub use generate_key::{AttributeProblem, check_attributes, generate};
pub use import_certificate::{CheckedCertificate, ImportRefusal, check_certificate};
pub use self_test::{SelfTestFailure, Specimen, self_test, specimen};
pub use subject::{InvalidSubject, Subject};
