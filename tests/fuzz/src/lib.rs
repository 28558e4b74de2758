//! What the fuzz targets share: workers with keys in software, a time-stamping authority, and no network.
//!
//! Keys, certificates and dates are always the same, so that what one run has found means the same to the next. The keys are worth
//! nothing: everybody can compute them.

pub mod authority;
pub mod der;
pub mod libxml2;
pub mod pdf;
pub mod visible;

use std::time::{Duration, Instant};

use bytes::Bytes;
use cryptotoken_api::{
    Certificate, Credential, CredentialState, DtbsRepresentation, KeySpec, SignatureAlgorithm, SignatureValue, Signer,
    SignerError, ToBeSigned,
};
use time::OffsetDateTime;
use workers::{
    AugmentationEnvironment, AugmentationRequest, Clock, ClockError, DocumentContent, NamedFile, NamedFiles,
    RevocationError, RevocationInfo, RevocationSource, SignatureLevel, SignedDocument, SignerDocument,
    SigningEnvironment, SigningParameters, SigningRequest, TimestampError, TimestampRequest, TimestampSource,
    TimestampToken, Worker, WorkerConfig, WorkerError,
};

use authority::{Holder, SEAL, TSA};

/// A worker that signs and augments as in the service.
pub struct Bench {
    worker: Box<dyn Worker>,
    credential: Credential,
    holder: &'static Holder,
    algorithm: SignatureAlgorithm,
}

impl Bench {
    /// The worker of this definition, which needs neither name nor credential, nor trust anchors.
    ///
    /// # Panics
    /// When the definition is not right.
    #[must_use]
    pub fn new(definition: &str) -> Self {
        let level = if definition.contains("level = ") {
            format!("timestamp = {{ worker = \"tsa\" }}\ntrust_anchors = [\"\"\"\n{}\"\"\"]\n", authority::root_pem())
        } else {
            String::new()
        };
        let config = WorkerConfig::parse(&format!("name = \"fuzz\"\ncredential = \"fuzz\"\n{level}{definition}"));
        let config = config.expect("a definition");
        let holder: &Holder = if config.kind() == workers::WorkerKind::Timestamp { &TSA } else { &SEAL };
        let credential = Credential {
            name: "fuzz".into(),
            purpose: config.kind().purpose(),
            state: CredentialState::Active,
            chain: holder.chain.clone(),
        };
        let algorithm = config.algorithm(KeySpec::EcP256).expect("an algorithm");
        Self { worker: workers::kind::build(config), credential, holder, algorithm }
    }

    /// Signs a document.
    ///
    /// # Errors
    /// What is refused.
    ///
    /// # Panics
    /// When a signature was made and is withheld: that should have been refused before.
    pub fn sign(&self, document: &[u8]) -> Result<SignedDocument, WorkerError> {
        self.sign_with(document, SigningParameters::default())
    }

    /// Signs a document with what a caller chooses.
    ///
    /// # Errors
    /// What is refused.
    ///
    /// # Panics
    /// As [`Self::sign`].
    pub fn sign_with(&self, document: &[u8], parameters: SigningParameters) -> Result<SignedDocument, WorkerError> {
        self.sign_content(DocumentContent::Memory(Bytes::copy_from_slice(document).into()), parameters)
    }

    /// Signs whatever there is to sign.
    ///
    /// # Errors
    /// What is refused.
    ///
    /// # Panics
    /// As [`Self::sign`].
    pub fn sign_content(
        &self,
        content: DocumentContent,
        parameters: SigningParameters,
    ) -> Result<SignedDocument, WorkerError> {
        self.worker.config().check_parameters(&parameters)?;
        let document = SignerDocument { content, media_type: None, signature: None };
        let request = SigningRequest { document, parameters };
        let environment = SigningEnvironment {
            credential: &self.credential,
            signer: self,
            clock: &FixedClock,
            timestamps: Some(&InProcess),
            revocation: Some(&InProcess),
            deadline: deadline(),
            level: self.worker.config().level(),
        };
        let result = self.worker.process(&request, &environment);
        if let Err(error @ (WorkerError::Withheld(_) | WorkerError::Encoding(_))) = &result {
            panic!("{error}: {error:?}");
        }
        result
    }

    /// Brings a signature to the worker's level.
    ///
    /// # Errors
    /// What is refused.
    ///
    /// # Panics
    /// When something was made that cannot be read back.
    pub fn augment(&self, signature: &[u8], document: Option<&[u8]>) -> Result<SignedDocument, WorkerError> {
        self.augment_with(signature, document, SigningParameters::default())
    }

    /// Brings a signature to the worker's level, with what a caller sends for it.
    ///
    /// # Errors
    /// What is refused.
    ///
    /// # Panics
    /// As [`Self::augment`].
    pub fn augment_with(
        &self,
        signature: &[u8],
        document: Option<&[u8]>,
        parameters: SigningParameters,
    ) -> Result<SignedDocument, WorkerError> {
        let document = document.map(|octets| DocumentContent::Memory(Bytes::copy_from_slice(octets).into()));
        self.augment_content(signature, document, parameters)
    }

    /// Brings a signature over whatever there is to the worker's level.
    ///
    /// # Errors
    /// What is refused.
    ///
    /// # Panics
    /// As [`Self::augment`].
    pub fn augment_content(
        &self,
        signature: &[u8],
        document: Option<DocumentContent>,
        parameters: SigningParameters,
    ) -> Result<SignedDocument, WorkerError> {
        let request = AugmentationRequest { signature: Bytes::copy_from_slice(signature), document, parameters };
        let environment = AugmentationEnvironment {
            clock: &FixedClock,
            timestamps: Some(&InProcess),
            revocation: Some(&InProcess),
            deadline: deadline(),
            level: self.worker.config().level(),
        };
        let result = self.worker.augment(&request, &environment);
        if let Err(error @ (WorkerError::Withheld(_) | WorkerError::Encoding(_))) = &result {
            panic!("{error}: {error:?}");
        }
        result
    }
}

impl Signer for Bench {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn sign(&self, to_be_signed: ToBeSigned<'_>, _deadline: Instant) -> Result<SignatureValue, SignerError> {
        let digest = to_be_signed.representation(self.algorithm.digest());
        Ok(SignatureValue::from_ecdsa_der(&self.holder.sign(digest.digest()), 32).expect("a signature"))
    }
}

/// The moment at which everything happens.
pub const NOW: i64 = 1_800_000_000;

/// It is always [`NOW`].
pub struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(NOW).expect("a time")
    }

    fn largest_error(&self) -> Result<Duration, ClockError> {
        Ok(Duration::from_millis(1))
    }
}

/// Timestamps of our own authority; revocation information of nobody, as no certificate here needs any.
pub struct InProcess;

impl TimestampSource for InProcess {
    fn timestamp(&self, imprint: &DtbsRepresentation, _: Instant) -> Result<TimestampToken, TimestampError> {
        let tsa = authority::tsa();
        let request = TimestampRequest::new(imprint.clone(), None).expect("random numbers");
        let reply = tsa.sign(&request.to_der().expect("a request")).expect("a reply");
        request.accept(&reply.contiguous(), "fuzz")
    }
}

impl RevocationSource for InProcess {
    fn issuer(&self, certificate: &Certificate, _: Instant) -> Result<Certificate, RevocationError> {
        Err(RevocationError::Unavailable { subject: certificate.subject(), reason: "there is no network".into() })
    }

    fn revocation(
        &self,
        certificate: &Certificate,
        _: &Certificate,
        _: Option<OffsetDateTime>,
        _: Instant,
    ) -> Result<RevocationInfo, RevocationError> {
        Err(RevocationError::Unavailable { subject: certificate.subject(), reason: "there is no network".into() })
    }
}

/// Several files that are signed together.
///
/// # Panics
/// Never: their names are good.
#[must_use]
pub fn files() -> DocumentContent {
    let file = |name: &str, octets: &'static [u8]| NamedFile {
        name: name.to_owned(),
        media_type: None,
        content: DocumentContent::Memory(Bytes::from_static(octets).into()),
    };
    let files = vec![file("a.xml", b"<a b='c'> &amp; </a>"), file("b c.txt", b"document"), file("d", b"")];
    DocumentContent::Files(NamedFiles::new(files).expect("good names"))
}

/// The levels above B-B, as a definition says them.
#[must_use]
pub fn level(level: SignatureLevel) -> String {
    format!("level = \"{level}\"\n")
}

/// A minute from now.
#[must_use]
pub fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(60)
}
