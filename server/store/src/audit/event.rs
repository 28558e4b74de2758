//! What is recorded: the events, and the JSON they become.
//!
//! The JSON text is what the chain hashes, so fields are only ever added (optional) and never renamed. Digests and fingerprints
//! are lower-case hexadecimal. No documents, no secrets.

use cryptotoken_api::KeyLocation;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An event worth evidence. In JSON the member `event` names it (`signing-intended`, …).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum AuditEvent {
    /// A key is about to be used. Durable before it is; counted against the credential's limit.
    SigningIntended(SigningIntended),
    /// The key was used and the signature is in our hands.
    SignatureCreated {
        /// The attempt of the intent.
        attempt: Uuid,
        /// The request of the intent.
        request_id: Uuid,
        /// SHA-256 of the signature value as the token returned it (ECDSA in fixed width).
        signature_sha256: String,
    },
    /// No signature was made.
    SigningFailed {
        /// The attempt of the intent.
        attempt: Uuid,
        /// The request of the intent.
        request_id: Uuid,
        /// What the token or its library said.
        reason: String,
    },
    /// Whether a signature was made is not known: the token did not answer in time, or the process died.
    OutcomeUnknown {
        /// The attempt of the intent.
        attempt: Uuid,
        /// The request of the intent.
        request_id: Uuid,
        /// What stood in the way of knowing.
        reason: String,
    },
    /// A request that got as far as a worker has ended.
    RequestCompleted {
        /// The request.
        request_id: Uuid,
        /// Name of the client.
        client: String,
        /// Name of the worker.
        worker: String,
        /// How it ended.
        outcome: RequestOutcome,
        /// Level reached (`B-B` …), for released documents.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        level: Option<String>,
        /// Why nothing was released; of a release, what there is to say: why its level is lower, or that the key of the credential was not used.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// An authenticated caller was refused before any key was used.
    RequestRefused {
        /// The request.
        request_id: Uuid,
        /// Name of the client.
        client: String,
        /// The worker as the caller named it.
        worker: String,
        /// Problem type, such as `no-grant`.
        problem: String,
        /// The sentence that goes with it.
        detail: String,
    },
    /// A login to a token was tried.
    TokenLogin {
        /// Name in `sigillo.toml`.
        token: String,
        /// Serial number of the token.
        serial: String,
        /// How it ended.
        outcome: LoginOutcome,
    },
    /// Somebody changed something.
    Administration(AdministrativeAct),
    /// A service process has started.
    ServiceStarted {
        /// The process, as in the `instance` of its records.
        instance: Uuid,
        /// Version of the program.
        version: String,
    },
    /// A service process has stopped in good order.
    ServiceStopped {
        /// The process, as in the `instance` of its records.
        instance: Uuid,
        /// Version of the program.
        version: String,
    },
}

/// A key is about to be used for this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningIntended {
    /// New for every attempt at the device.
    pub attempt: Uuid,
    /// The request, or a new one for self-tests and certification requests.
    pub request_id: Uuid,
    /// Why the key is used.
    pub key_use: KeyUse,
    /// Name of the client, or the administrator for self-tests and certification requests.
    pub client: String,
    /// Name of the worker; `-` where there is none.
    pub worker: String,
    /// Version of the worker's definition; 0 where there is none.
    pub worker_version: i64,
    /// Name of the credential.
    pub credential: String,
    /// SHA-256 of the signing certificate, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_sha256: Option<String>,
    /// Signature algorithm.
    pub algorithm: String,
    /// SHA-256 of the document, where the document is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_sha256: Option<String>,
    /// Digest algorithm of `dtbsr`.
    pub dtbsr_digest_algorithm: String,
    /// The data to be signed, represented by its digest (EN 419 241, DTBS/R).
    pub dtbsr: String,
    /// Where the key is that is asked. Absent in records before credentials could have replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<KeyLocation>,
}

/// Why a key is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyUse {
    /// For a caller; the credential must be active.
    Request,
    /// To see that key and token work, before a certificate exists too.
    SelfTest,
    /// To prove possession in a certification request (PKCS#10).
    CertificationRequest,
    /// To authorise another key: the key used is a key authorisation key (EN 419 221-5).
    KeyAuthorization,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestOutcome {
    /// The answer with the signature goes to the caller.
    Released,
    /// A signature was or may have been made, and nobody gets it.
    Withheld,
    /// No signature was made.
    Failed,
}

/// How a login ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginOutcome {
    /// Logged in.
    Succeeded,
    /// The PIN was rejected; it is not tried again.
    PinRejected,
    /// Anything else.
    Failed,
}

/// What somebody changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdministrativeAct {
    /// Who: a client's name, or the operating system's user for the command line.
    pub actor: String,
    /// Noun and verb as on the command line: `key generate`, `worker apply`.
    pub action: String,
    /// Name of what was changed.
    pub subject: String,
    /// What else matters; never a secret.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub detail: serde_json::Value,
}

impl AdministrativeAct {
    /// An act without further detail.
    #[must_use]
    pub fn new(actor: impl Into<String>, action: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { actor: actor.into(), action: action.into(), subject: subject.into(), detail: serde_json::Value::Null }
    }

    /// The same act with its detail.
    #[must_use]
    pub fn with(mut self, detail: serde_json::Value) -> Self {
        self.detail = detail;
        self
    }
}

impl AuditEvent {
    /// The attempt at a key whose outcome this event tells.
    pub(crate) const fn outcome_of(&self) -> Option<Uuid> {
        match self {
            Self::SignatureCreated { attempt, .. }
            | Self::SigningFailed { attempt, .. }
            | Self::OutcomeUnknown { attempt, .. } => Some(*attempt),
            _ => None,
        }
    }

    /// Whether a key is used only if this is recorded.
    pub(crate) const fn is_intent(&self) -> bool {
        matches!(self, Self::SigningIntended(_))
    }
}
