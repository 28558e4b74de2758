//! A store in a folder of its own, and the events and things that tests put into it.

use std::path::PathBuf;
use std::time::Instant;

use cryptotoken_api::{
    CredentialState, KeyAttributes, KeyId, KeyLocation, KeySpec, Purpose, SignatureAlgorithm, SignatureValue, Signer,
    SignerError, ToBeSigned,
};
use sqlx::{Connection as _, SqliteConnection};
use store::audit::{ChainVerification, ChainVerified, Fault, SigningIntended};
use store::{AdministrativeAct, AuditEvent, DEFAULT_OWNER, KeyUse, NewCredential, SigningContext, Store};
use tempfile::TempDir;
use uuid::Uuid;

/// A store and its folder, which goes with it.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) folder: TempDir,
}

impl Fixture {
    /// An empty store.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        Self { store, folder }
    }

    /// A store with the active credential "seal".
    pub(crate) async fn with_credential(use_limit: Option<u64>) -> Self {
        let fixture = Self::new().await;
        fixture.store.insert_credential(&credential("seal", use_limit), act("key generate", "seal")).await.unwrap();
        fixture
    }

    /// Another process's view of the same database.
    pub(crate) async fn open_again(&self) -> Store {
        open(self.folder.path()).await
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("sigillo.db")
    }

    /// The chain, which must be whole.
    pub(crate) async fn verified(&self) -> ChainVerified {
        match self.store.verify_audit().await.unwrap() {
            ChainVerification::Verified(chain) => chain,
            ChainVerification::Faulty(fault) => panic!("{fault}"),
        }
    }

    /// The fault of the chain, which must have one.
    pub(crate) async fn fault(&self) -> (i64, Fault) {
        match self.store.verify_audit().await.unwrap() {
            ChainVerification::Verified(chain) => panic!("no fault found: {chain:?}"),
            ChainVerification::Faulty(fault) => (fault.seq, fault.fault),
        }
    }

    /// All events, oldest first.
    pub(crate) async fn events(&self) -> Vec<AuditEvent> {
        let records = self.store.audit_page(0, u32::MAX).await.unwrap();
        records.iter().map(|record| record.event().unwrap()).collect()
    }

    /// A connection past the store, without the triggers: what a forger has.
    pub(crate) async fn forger(&self) -> SqliteConnection {
        let mut forger = self.raw().await;
        let triggers: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
            .fetch_all(&mut forger)
            .await
            .unwrap();
        for trigger in triggers {
            let sql = sqlx::AssertSqlSafe(format!("DROP TRIGGER {trigger}"));
            sqlx::query(sql).execute(&mut forger).await.unwrap();
        }
        forger
    }

    /// A connection past the store.
    pub(crate) async fn raw(&self) -> SqliteConnection {
        SqliteConnection::connect(&format!("sqlite://{}", self.path().display())).await.unwrap()
    }
}

pub(crate) async fn open(folder: &std::path::Path) -> Store {
    Store::open("sqlite://sigillo.db", folder).await.unwrap()
}

pub(crate) fn act(action: &str, subject: &str) -> AdministrativeAct {
    AdministrativeAct::new("alice", action, subject)
}

pub(crate) fn credential(name: &str, use_limit: Option<u64>) -> NewCredential {
    NewCredential {
        name: name.to_owned(),
        owner: DEFAULT_OWNER.to_owned(),
        purpose: Purpose::Document,
        state: CredentialState::Active,
        locations: vec![KeyLocation {
            token: "seal-hsm".to_owned(),
            alias: name.parse().unwrap(),
            id: KeyId::new([1, 2, 3]),
        }],
        spec: KeySpec::EcP256,
        public_key: [b"key of ", name.as_bytes()].concat(),
        attributes: KeyAttributes { sensitive: Some(true), extractable: Some(false), ..KeyAttributes::default() },
        evidence: None,
        use_limit,
    }
}

pub(crate) fn intent(attempt: Uuid) -> AuditEvent {
    AuditEvent::SigningIntended(SigningIntended {
        attempt,
        request_id: attempt,
        key_use: KeyUse::Request,
        client: "erp".to_owned(),
        worker: "invoices".to_owned(),
        worker_version: 3,
        credential: "seal".to_owned(),
        certificate_sha256: Some("aa".repeat(32)),
        algorithm: "ecdsa SHA-256".to_owned(),
        document_sha256: Some("bb".repeat(32)),
        dtbsr_digest_algorithm: "SHA-256".to_owned(),
        dtbsr: "cc".repeat(32),
        location: None,
    })
}

pub(crate) fn created(attempt: Uuid) -> AuditEvent {
    AuditEvent::SignatureCreated { attempt, request_id: attempt, signature_sha256: "dd".repeat(32) }
}

pub(crate) fn failed(attempt: Uuid) -> AuditEvent {
    AuditEvent::SigningFailed { attempt, request_id: attempt, reason: "the device is away".to_owned() }
}

pub(crate) fn context() -> SigningContext {
    SigningContext {
        request_id: Uuid::now_v7(),
        key_use: KeyUse::Request,
        client: "erp".to_owned(),
        worker: "invoices".to_owned(),
        worker_version: 3,
        credential: "seal".to_owned(),
        certificate_sha256: Some("aa".repeat(32)),
        document_sha256: None,
        location: None,
    }
}

/// A signer that does what the closure says; it need not make a real signature for the records of it.
pub(crate) struct FakeSigner<F>(pub(crate) F);

impl<F: Fn() -> Result<SignatureValue, SignerError> + Send + Sync> Signer for FakeSigner<F> {
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::for_key(KeySpec::EcP256, None, None).unwrap()
    }

    fn sign(&self, _: ToBeSigned<'_>, _: Instant) -> Result<SignatureValue, SignerError> {
        (self.0)()
    }
}

/// What a list of attempts without any is compared with.
pub(crate) const NO_ATTEMPTS: [Uuid; 0] = [];
