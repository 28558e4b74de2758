//! A credential in software and the sources of timestamps and revocation information, over the live authorities of the harness.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cryptotoken_api::certificate::read_bundle;
use cryptotoken_api::{
    Certificate, CertificateChain, Credential, CredentialState, DtbsRepresentation, Purpose, SignatureAlgorithm,
    SignatureScheme, SignatureValue, Signer, SignerError, ToBeSigned,
};
use openssl::pkey::{PKey, Private};
use openssl::rsa::Padding;
use openssl::sign::RsaPssSaltlen;
use serde_json::Value;
use tempfile::TempDir;
use tests::Question;
use tests::live_pki::LivePki;
use tests::programs::run;
use time::OffsetDateTime;
use workers::revocation::crl;
use workers::revocation::ocsp::{IdentifierDigest, OcspRequest};
use workers::{
    AugmentationEnvironment, AugmentationRequest, DocumentContent, RevocationError, RevocationInfo, RevocationSource,
    SignatureLevel, SignedDocument, SignerDocument, SigningEnvironment, SigningParameters, SigningRequest, SystemClock,
    TimestampError, TimestampRequest, TimestampSource, TimestampToken, WorkerConfig, WorkerError,
};

/// What is signed.
pub(crate) const DOCUMENT: &[u8] = b"Invoice 4711, 1.250,00 EUR\n";

/// Authorities, keys and a folder for what is made.
pub(crate) struct Bench {
    pub(crate) pki: LivePki,
    folder: TempDir,
}

/// How a key is made and what signs with it: name, arguments of `openssl genpkey`, scheme.
pub(crate) const ALGORITHMS: [(&str, &[&str], &str); 5] = [
    ("rsa", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"], "rsa-pkcs1"),
    ("pss", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"], "rsa-pss"),
    ("p256", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "ecdsa"),
    ("p384", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "ecdsa"),
    ("p521", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"], "ecdsa"),
];

impl Bench {
    pub(crate) fn start() -> Self {
        Self::start_on("P-256")
    }

    /// The same with authorities whose keys are on this curve.
    pub(crate) fn start_on(curve: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("sigillo-test-").tempdir().expect("a temporary folder");
        let pki = LivePki::start_on(folder.path(), curve);
        std::fs::write(folder.path().join("document"), DOCUMENT).expect("the document");
        Self { pki, folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Keeps octets as a file.
    pub(crate) fn keep(&self, name: &str, octets: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), octets).expect("a file");
        self.path(name)
    }

    /// A key with a certificate of the authority.
    pub(crate) fn seal(&self, algorithm: &str) -> Seal {
        let (_, arguments, scheme) = ALGORITHMS.iter().find(|(name, ..)| *name == algorithm).expect("an algorithm");
        let (key, request) = (self.path(&format!("{algorithm}.key")), self.path(&format!("seal-{algorithm}.csr")));
        run(Command::new("openssl").arg("genpkey").args(*arguments).arg("-out").arg(&key));
        let mut csr = Command::new("openssl");
        csr.args(["req", "-new", "-subj", &format!("/C=EE/O=Acme AS/CN=Seal {algorithm}"), "-key"]).arg(&key);
        run(csr.arg("-out").arg(&request));
        let chain = self.pki.certify(&request);
        let ders: Vec<_> = bundle(&chain).iter().map(|certificate| certificate.der().to_vec()).collect();
        let credential = Credential {
            name: "seal".into(),
            purpose: Purpose::Document,
            state: CredentialState::Active,
            chain: CertificateChain::from_ders(&ders).expect("a chain"),
        };
        let private = PKey::private_key_from_pem(&std::fs::read(&key).expect("a key")).expect("a key");
        Seal { credential, private, key, chain, scheme }
    }

    /// The CRLs of the authority, as files.
    pub(crate) fn crls(&self) -> [PathBuf; 2] {
        ["root", "issuing"].map(|name| {
            let crl = get(&format!("{}/{name}.crl", self.pki.url())).expect("a CRL");
            self.keep(&format!("{name}.crl"), &crl)
        })
    }

    /// The definition of a worker of this level.
    pub(crate) fn config(&self, kind: &str, level: &str, more: &str) -> WorkerConfig {
        let augmentation = match level {
            "B-B" => String::new(),
            "B-T" => format!("timestamp = {{ url = \"{}\" }}", self.pki.timestamp_url()),
            _ => format!("timestamp = {{ url = \"{}\" }}\n{}", self.pki.timestamp_url(), self.pki.trust_anchors()),
        };
        let text = format!(
            "name = \"w\"\nkind = \"{kind}\"\ncredential = \"seal\"\nlevel = \"{level}\"\n{more}\n{augmentation}\n"
        );
        WorkerConfig::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Signs as the service does.
    pub(crate) fn sign(&self, seal: &Seal, level: &str, more: &str) -> Result<SignedDocument, WorkerError> {
        self.sign_content(seal, level, more, DocumentContent::Memory(DOCUMENT.into()), Value::Null)
    }

    /// Signs some content with parameters.
    pub(crate) fn sign_content(
        &self,
        seal: &Seal,
        level: &str,
        more: &str,
        content: DocumentContent,
        parameters: Value,
    ) -> Result<SignedDocument, WorkerError> {
        self.sign_kind("cades", seal, level, more, content, parameters)
    }

    /// Seals a PDF as the service does.
    pub(crate) fn sign_pdf(
        &self,
        seal: &Seal,
        level: &str,
        more: &str,
        pdf: &[u8],
    ) -> Result<SignedDocument, WorkerError> {
        let content = DocumentContent::Memory(Bytes::copy_from_slice(pdf).into());
        self.sign_kind("pades", seal, level, more, content, Value::Null)
    }

    /// The same with a worker of this kind.
    pub(crate) fn sign_kind(
        &self,
        kind: &str,
        seal: &Seal,
        level: &str,
        more: &str,
        content: DocumentContent,
        parameters: Value,
    ) -> Result<SignedDocument, WorkerError> {
        let document = SignerDocument { content, media_type: None, signature: None };
        self.sign_document(kind, seal, level, more, document, parameters)
    }

    /// The same with everything that a document can come with.
    pub(crate) fn sign_document(
        &self,
        kind: &str,
        seal: &Seal,
        level: &str,
        more: &str,
        document: SignerDocument,
        parameters: Value,
    ) -> Result<SignedDocument, WorkerError> {
        let config = self.config(kind, level, &seal.scheme(more));
        let algorithm = config.algorithm(seal.credential.chain.leaf_key().spec()).expect("an algorithm");
        let parameters = SigningParameters::new(parameters.as_object().cloned().unwrap_or_default());
        let sources = self.sources();
        let environment = SigningEnvironment {
            credential: &seal.credential,
            signer: &SoftwareSigner { key: seal.private.clone(), algorithm },
            clock: &SystemClock,
            timestamps: Some(&sources),
            revocation: Some(&sources),
            deadline: Instant::now() + Duration::from_secs(30),
            level: config.level(),
        };
        workers::kind::build(config).process(&SigningRequest { document, parameters }, &environment)
    }

    /// Augments as the service does.
    pub(crate) fn augment(
        &self,
        level: &str,
        signature: &[u8],
        document: Option<&[u8]>,
    ) -> Result<SignedDocument, WorkerError> {
        self.augment_kind("cades", level, signature, document)
    }

    /// Augments a PDF as the service does.
    pub(crate) fn augment_pdf(&self, level: &str, pdf: &[u8]) -> Result<SignedDocument, WorkerError> {
        self.augment_kind("pades", level, pdf, None)
    }

    /// The same with a worker of this kind.
    pub(crate) fn augment_kind(
        &self,
        kind: &str,
        level: &str,
        signature: &[u8],
        document: Option<&[u8]>,
    ) -> Result<SignedDocument, WorkerError> {
        self.augment_with(kind, level, "", Bytes::copy_from_slice(signature), document)
    }

    /// The same with more lines in the definition, and without a copy of the signature.
    pub(crate) fn augment_with(
        &self,
        kind: &str,
        level: &str,
        more: &str,
        signature: Bytes,
        document: Option<&[u8]>,
    ) -> Result<SignedDocument, WorkerError> {
        self.augment_by(self.config(kind, level, more), signature, document)
    }

    /// The same with a worker of this definition.
    pub(crate) fn augment_by(
        &self,
        config: WorkerConfig,
        signature: Bytes,
        document: Option<&[u8]>,
    ) -> Result<SignedDocument, WorkerError> {
        let document = document.map(|octets| DocumentContent::Memory(Bytes::copy_from_slice(octets).into()));
        let request = AugmentationRequest { signature, document, parameters: SigningParameters::default() };
        self.augment_request(config, &request)
    }

    /// A PDF, with a password.
    pub(crate) fn augment_pdf_with(
        &self,
        level: &str,
        pdf: &[u8],
        parameters: &Value,
    ) -> Result<SignedDocument, WorkerError> {
        let parameters = SigningParameters::new(parameters.as_object().cloned().unwrap_or_default());
        let request = AugmentationRequest { signature: Bytes::copy_from_slice(pdf), document: None, parameters };
        self.augment_request(self.config("pades", level, ""), &request)
    }

    /// One signature of XML, with this parameter.
    pub(crate) fn augment_chosen(&self, level: &str, xml: &[u8], id: &Value) -> Result<SignedDocument, WorkerError> {
        let parameters = SigningParameters::new([("signature_id".to_owned(), id.clone())].into_iter().collect());
        let request = AugmentationRequest { signature: Bytes::copy_from_slice(xml), document: None, parameters };
        self.augment_request(self.config("xades", level, ""), &request)
    }

    /// The same with whatever the signature is over.
    pub(crate) fn augment_content(
        &self,
        kind: &str,
        level: &str,
        more: &str,
        signature: Bytes,
        document: Option<DocumentContent>,
    ) -> Result<SignedDocument, WorkerError> {
        let request = AugmentationRequest { signature, document, parameters: SigningParameters::default() };
        self.augment_request(self.config(kind, level, more), &request)
    }

    fn augment_request(
        &self,
        config: WorkerConfig,
        request: &AugmentationRequest,
    ) -> Result<SignedDocument, WorkerError> {
        let sources = self.sources();
        let environment = AugmentationEnvironment {
            clock: &SystemClock,
            timestamps: Some(&sources),
            revocation: Some(&sources),
            deadline: Instant::now() + Duration::from_secs(30),
            level: config.level(),
        };
        workers::kind::build(config).augment(request, &environment)
    }

    fn sources(&self) -> Sources {
        let authorities = [self.pki.issuing(), self.pki.root()].iter().flat_map(|file| bundle(file)).collect();
        Sources { url: self.pki.url().to_owned(), authorities }
    }

    /// A question about a file, trusting the root alone.
    pub(crate) fn question(&self, file: &Path) -> Question {
        Question::new("cades", file).with("--root", self.pki.root())
    }

    /// The same with the document that was signed: beside a detached signature, inside an encapsulated one.
    pub(crate) fn about(&self, file: &Path, detached: bool) -> Question {
        self.question(file).with(if detached { "--detached" } else { "--content" }, self.path("document"))
    }
}

/// A key with its certificate.
pub(crate) struct Seal {
    pub(crate) credential: Credential,
    private: PKey<Private>,
    /// The key, PEM.
    pub(crate) key: PathBuf,
    /// The chain, PEM.
    pub(crate) chain: PathBuf,
    scheme: &'static str,
}

impl Seal {
    fn scheme(&self, more: &str) -> String {
        match self.scheme {
            "rsa-pss" => format!("{more}\nsignature_scheme = \"rsa-pss\""),
            _ => more.to_owned(),
        }
    }
}

pub(crate) fn bundle(file: &Path) -> Vec<Certificate> {
    read_bundle(&std::fs::read(file).expect("certificates")).expect("certificates")
}

/// The octets of what was made.
pub(crate) fn octets(signed: &SignedDocument) -> Vec<u8> {
    signed.contiguous().into_owned()
}

/// The level as EU DSS spells it.
pub(crate) fn dss_level(level: SignatureLevel) -> String {
    level.name().replace("B-", "CAdES-BASELINE-")
}

struct SoftwareSigner {
    key: PKey<Private>,
    algorithm: SignatureAlgorithm,
}

impl Signer for SoftwareSigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn sign(&self, to_be_signed: ToBeSigned<'_>, _deadline: Instant) -> Result<SignatureValue, SignerError> {
        let ToBeSigned::Data(data) = to_be_signed else { return Err(SignerError::DataRequired) };
        let digest = self.algorithm.digest().message_digest();
        let mut signer = openssl::sign::Signer::new(digest, &self.key).unwrap();
        if self.algorithm.scheme() == SignatureScheme::RsaPss {
            signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
            signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).unwrap();
        }
        let value = signer.sign_oneshot_to_vec(data.as_bytes()).unwrap();
        Ok(match self.algorithm.scheme() {
            SignatureScheme::Ecdsa => {
                let length = self.key.bits().div_ceil(8) as usize;
                SignatureValue::from_ecdsa_der(&value, length).unwrap()
            }
            _ => SignatureValue::new(value),
        })
    }
}

/// The authorities of the harness, asked without the service's own client.
struct Sources {
    url: String,
    authorities: Vec<Certificate>,
}

impl TimestampSource for Sources {
    fn timestamp(&self, imprint: &DtbsRepresentation, _: Instant) -> Result<TimestampToken, TimestampError> {
        let request = TimestampRequest::new(imprint.clone(), None).unwrap();
        let answer = post(&format!("{}/tsa", self.url), "application/timestamp-query", &request.to_der().unwrap());
        match answer {
            Ok(answer) => request.accept(&answer, "live"),
            Err(reason) => Err(TimestampError::Unavailable { authority: "live".into(), reason }),
        }
    }
}

impl RevocationSource for Sources {
    fn issuer(&self, certificate: &Certificate, _: Instant) -> Result<Certificate, RevocationError> {
        let found = self.authorities.iter().find(|each| certificate.is_issued_by(each)).cloned();
        found.ok_or_else(|| RevocationError::Unknown { subject: certificate.subject(), reason: "a stranger".into() })
    }

    fn revocation(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        _: Option<OffsetDateTime>,
        _: Instant,
    ) -> Result<RevocationInfo, RevocationError> {
        let now = OffsetDateTime::now_utc();
        let unavailable = |reason| RevocationError::Unavailable { subject: certificate.subject(), reason };
        if certificate.is_ca() {
            let crl: Bytes = get(&format!("{}/root.crl", self.url)).map_err(unavailable)?.into();
            return crl::verify(&crl, certificate, issuer, now);
        }
        let request = OcspRequest::new(certificate, issuer, IdentifierDigest::Sha1, None).unwrap();
        let answer = post(&format!("{}/ocsp", self.url), "application/ocsp-request", request.der());
        request.verify(answer.map_err(unavailable)?.into(), certificate, issuer, now)
    }
}

fn post(url: &str, media_type: &str, body: &[u8]) -> Result<Vec<u8>, String> {
    let answer = ureq::post(url).header("Content-Type", media_type).send(body);
    answer.and_then(|mut answer| answer.body_mut().read_to_vec()).map_err(|error| error.to_string())
}

fn get(url: &str) -> Result<Vec<u8>, String> {
    ureq::get(url).call().and_then(|mut answer| answer.body_mut().read_to_vec()).map_err(|error| error.to_string())
}
