//! Keys, certificates and signatures made in software, so that formats can be tested without a token.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use cryptotoken_api::{
    CertificateChain, Credential, CredentialState, DtbsRepresentation, KeySpec, Purpose, SignatureAlgorithm,
    SignatureScheme, SignatureValue, Signer, SignerError, ToBeSigned,
};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, Rsa};
use openssl::sign::RsaPssSaltlen;
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509NameBuilder};
use workers::{
    AugmentationEnvironment, AugmentationRequest, DocumentContent, Preview, PreviewEnvironment, SignedDocument,
    SignerDocument, SigningEnvironment, SigningParameters, SigningRequest, SystemClock, TimestampError,
    TimestampSource, TimestampToken, WorkerConfig, WorkerError,
};

fn config(definition: &str) -> WorkerConfig {
    WorkerConfig::parse(&format!("name = \"test\"\ncredential = \"test\"\n{definition}")).unwrap()
}

/// Augments with the worker of this definition, as the service would while the timestamp authority is silent.
pub(crate) fn augment(definition: &str, signature: &[u8]) -> Result<SignedDocument, WorkerError> {
    let config = config(definition);
    let environment = AugmentationEnvironment {
        clock: &SystemClock,
        timestamps: Some(&Silence),
        revocation: None,
        deadline: Instant::now() + Duration::from_secs(30),
        level: config.level(),
    };
    let request = AugmentationRequest {
        signature: signature.to_vec().into(),
        document: None,
        parameters: SigningParameters::default(),
    };
    workers::kind::build(config).augment(&request, &environment)
}

struct Silence;

impl TimestampSource for Silence {
    fn timestamp(&self, _: &DtbsRepresentation, _: Instant) -> Result<TimestampToken, TimestampError> {
        Err(TimestampError::Unavailable { authority: "nobody".into(), reason: "it is silent".into() })
    }
}

/// A key with its certificate and the CA that issued it.
pub(crate) struct SoftwareKey {
    pub(crate) private: PKey<Private>,
    pub(crate) certificate: X509,
    pub(crate) root: X509,
    pub(crate) spec: KeySpec,
}

impl SoftwareKey {
    pub(crate) fn generate(spec: KeySpec) -> Self {
        let ec = |nid| PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(nid).unwrap()).unwrap()).unwrap();
        let private = match spec {
            KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => {
                PKey::from_rsa(Rsa::generate(spec.modulus_bits().unwrap()).unwrap()).unwrap()
            }
            KeySpec::EcP256 => ec(Nid::X9_62_PRIME256V1),
            KeySpec::EcP384 => ec(Nid::SECP384R1),
            KeySpec::EcP521 => ec(Nid::SECP521R1),
            KeySpec::Ed25519 => PKey::generate_ed25519().unwrap(),
            KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87 => panic!("OpenSSL before 3.5 has no {spec}"),
        };
        let ca_key = ec(Nid::X9_62_PRIME256V1);
        let root = certificate("Test Root", &ca_key, None);
        let certificate = certificate("Test Seal", &private, Some((&root, &ca_key)));
        Self { private, certificate, root, spec }
    }

    /// A credential around the key.
    pub(crate) fn credential(&self, purpose: Purpose) -> Credential {
        let ders = [self.certificate.to_der().unwrap(), self.root.to_der().unwrap()];
        Credential {
            name: "test".into(),
            purpose,
            state: CredentialState::Active,
            chain: CertificateChain::from_ders(&ders).unwrap(),
        }
    }

    /// Signs a document with the worker of this definition, as the service would.
    pub(crate) fn sign(&self, definition: &str, document: &[u8]) -> Result<SignedDocument, WorkerError> {
        self.sign_with(definition, DocumentContent::Memory(document.to_vec().into()), SigningParameters::default())
    }

    /// The same for a document that this password opens, if one is given.
    pub(crate) fn sign_opened(
        &self,
        definition: &str,
        document: &[u8],
        password: Option<&str>,
    ) -> Result<SignedDocument, WorkerError> {
        let parameters = password.map(|password| ("password".to_owned(), password.into())).into_iter().collect();
        let content = DocumentContent::Memory(document.to_vec().into());
        self.sign_with(definition, content, SigningParameters::new(parameters))
    }

    pub(crate) fn sign_with(
        &self,
        definition: &str,
        content: DocumentContent,
        parameters: SigningParameters,
    ) -> Result<SignedDocument, WorkerError> {
        let document = SignerDocument { content, media_type: None, signature: None };
        self.process(definition, SigningRequest { document, parameters })
    }

    pub(crate) fn sign_document(
        &self,
        definition: &str,
        document: SignerDocument,
    ) -> Result<SignedDocument, WorkerError> {
        self.process(definition, SigningRequest { document, parameters: SigningParameters::default() })
    }

    /// Shows a document with the seal of this worker, as the service would.
    pub(crate) fn preview(&self, definition: &str, document: &[u8]) -> Result<Preview, WorkerError> {
        let config = config(definition);
        let credential = self.credential(config.kind().purpose());
        let content = DocumentContent::Memory(document.to_vec().into());
        let document = SignerDocument { content, media_type: None, signature: None };
        let environment = PreviewEnvironment {
            credential: &credential,
            algorithm: config.algorithm(self.spec).unwrap(),
            clock: &SystemClock,
            level: config.level(),
        };
        let request = SigningRequest { document, parameters: SigningParameters::default() };
        workers::kind::build(config).preview(&request, &environment)
    }

    fn process(&self, definition: &str, request: SigningRequest) -> Result<SignedDocument, WorkerError> {
        let config = config(definition);
        // What `apply` refuses reaches the format all the same, which must refuse it too.
        let algorithm = config.algorithm(self.spec);
        let algorithm = algorithm.unwrap_or_else(|_| SignatureAlgorithm::for_key(self.spec, None, None).unwrap());
        let credential = self.credential(config.kind().purpose());
        let signer = SoftwareSigner { key: self.private.clone(), algorithm, spec: self.spec };
        let environment = SigningEnvironment {
            credential: &credential,
            signer: &signer,
            clock: &SystemClock,
            timestamps: None,
            revocation: None,
            level: config.level(),
            deadline: Instant::now() + Duration::from_secs(30),
        };
        workers::kind::build(config).process(&request, &environment)
    }

    /// Writes `root.pem` and `leaf.pem` for the tools.
    pub(crate) fn write_certificates(&self, folder: &Path) {
        std::fs::write(folder.join("root.pem"), self.root.to_pem().unwrap()).unwrap();
        std::fs::write(folder.join("leaf.pem"), self.certificate.to_pem().unwrap()).unwrap();
        std::fs::write(folder.join("key.pub"), self.private.public_key_to_pem().unwrap()).unwrap();
    }
}

struct SoftwareSigner {
    key: PKey<Private>,
    algorithm: SignatureAlgorithm,
    spec: KeySpec,
}

impl Signer for SoftwareSigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn sign(&self, to_be_signed: ToBeSigned<'_>, _deadline: Instant) -> Result<SignatureValue, SignerError> {
        if let (SignatureScheme::Eddsa, ToBeSigned::Data(data)) = (self.algorithm.scheme(), to_be_signed) {
            let mut signer = openssl::sign::Signer::new_without_digest(&self.key).unwrap();
            return Ok(SignatureValue::new(signer.sign_oneshot_to_vec(data.as_bytes()).unwrap()));
        }
        let representation = to_be_signed.representation(self.algorithm.digest());
        let mut context = PkeyCtx::new(&self.key).unwrap();
        context.sign_init().unwrap();
        match self.algorithm.scheme() {
            SignatureScheme::RsaPkcs1 => context.set_rsa_padding(Padding::PKCS1).unwrap(),
            SignatureScheme::RsaPss => {
                context.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
                context.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).unwrap();
            }
            SignatureScheme::Ecdsa => {}
            SignatureScheme::Eddsa | SignatureScheme::MlDsa => return Err(SignerError::DataRequired),
        }
        let md = openssl::md::Md::from_nid(self.algorithm.digest().message_digest().type_()).unwrap();
        context.set_signature_md(md).unwrap();
        let mut value = Vec::new();
        context.sign_to_vec(representation.digest(), &mut value).unwrap();
        Ok(match self.spec.field_length() {
            Some(length) => SignatureValue::from_ecdsa_der(&value, length).unwrap(),
            None => SignatureValue::new(value),
        })
    }
}

fn certificate(name: &str, key: &PKey<Private>, issuer: Option<(&X509, &PKey<Private>)>) -> X509 {
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_nid(Nid::COUNTRYNAME, "EE").unwrap();
    subject.append_entry_by_nid(Nid::ORGANIZATIONNAME, "Acme AS").unwrap();
    subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(120, openssl::bn::MsbOption::ONE, false).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(issuer.map_or(subject.as_ref(), |(issuer, _)| issuer.subject_name())).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(30).unwrap()).unwrap();
    builder.set_pubkey(key).unwrap();
    let ski =
        SubjectKeyIdentifier::new().build(&builder.x509v3_context(issuer.map(|(i, _)| i.as_ref()), None)).unwrap();
    builder.append_extension(ski).unwrap();
    if let Some((issuer, _)) = issuer {
        let context = builder.x509v3_context(Some(issuer), None);
        let aki = AuthorityKeyIdentifier::new().keyid(true).build(&context).unwrap();
        builder.append_extension(aki).unwrap();
        let usage = KeyUsage::new().critical().digital_signature().non_repudiation().build().unwrap();
        builder.append_extension(usage).unwrap();
        builder.append_extension(ExtendedKeyUsage::new().email_protection().build().unwrap()).unwrap();
        // noRevAvail (RFC 9608): there is no revocation information for it, so verifiers do not look for any.
        let oid = openssl::asn1::Asn1Object::from_str("2.5.29.56").unwrap();
        let null = openssl::asn1::Asn1OctetString::new_from_bytes(&[0x05, 0x00]).unwrap();
        builder.append_extension(openssl::x509::X509Extension::new_from_der(&oid, false, &null).unwrap()).unwrap();
    } else {
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build().unwrap()).unwrap();
    }
    builder.sign(issuer.map_or(key, |(_, key)| key), MessageDigest::sha256()).unwrap();
    builder.build()
}

/// Runs a tool; `Ok` with its output when it accepts, `Err` when it rejects.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{program} cannot be run ({error}); install it with scripts/install-tools"));
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(text) } else { Err(text) }
}

/// Shows a result whether the test passes or not. What a test prints otherwise is shown of failing tests only.
pub(crate) fn report(result: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(format!("{result}\n").as_bytes());
}

/// Processor time of this thread so far: what others do on the machine does not count.
pub(crate) fn processor_time() -> Duration {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(spent.split_whitespace().next().unwrap().parse().unwrap())
}
