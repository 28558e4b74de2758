//! Certification requests that `openssl req` accepts, and certificates of an `openssl` CA taken or refused.

use cryptotoken::lifecycle::{ImportRefusal, Subject, certification_request, check_certificate, generate};
use cryptotoken_api::certificate::CertificateError;
use cryptotoken_api::{
    Certificate, CredentialState, CryptoToken, KeySpec, PublicKey, Purpose, SignatureAlgorithm, SignatureScheme,
};
use time::{Duration, OffsetDateTime};

use crate::bench::{Bench, location, made_by_softhsm, openssl, run, softhsm_test, soon};

const SUBJECT: &str = "C=EE, O=Acme AS, organizationIdentifier=NTREE-12345678, CN=Acme e-Seal";

softhsm_test!(openssl_accepts_a_request_of_every_kind_of_key_and_scheme, |bench| {
    let token = bench.token("");
    let subject = Subject::parse(SUBJECT).unwrap();
    for spec in made_by_softhsm() {
        let key = generate(&token, &format!("key-{spec}").parse().unwrap(), spec).unwrap();
        let public = key.public_key.clone().unwrap();
        for (scheme, expected) in schemes(spec) {
            let algorithm = SignatureAlgorithm::for_key(spec, Some(scheme), None).unwrap();
            let signer = token.signer(&location(&key), spec, algorithm).unwrap();
            let request = certification_request(signer.as_ref(), &public, &subject, Purpose::Document, soon()).unwrap();
            let pem = bench.write("request.pem", request.pem().as_bytes());
            let text = openssl(&["req", "-verify", "-noout", "-text", "-in", &pem]);
            assert!(text.contains("verify OK"), "{text}");
            assert!(text.contains(&format!("Signature Algorithm: {expected}")), "{expected}: {text}");
            let order = "Subject: C = EE, O = Acme AS, organizationIdentifier = NTREE-12345678, CN = Acme e-Seal";
            assert!(text.contains(order), "{text}");
            let der = bench.write("request.der", request.der());
            openssl(&["req", "-verify", "-noout", "-inform", "DER", "-in", &der]);
        }
    }
});

fn schemes(spec: KeySpec) -> Vec<(SignatureScheme, &'static str)> {
    match spec {
        KeySpec::EcP256 => vec![(SignatureScheme::Ecdsa, "ecdsa-with-SHA256")],
        KeySpec::EcP384 => vec![(SignatureScheme::Ecdsa, "ecdsa-with-SHA384")],
        KeySpec::EcP521 => vec![(SignatureScheme::Ecdsa, "ecdsa-with-SHA512")],
        KeySpec::Ed25519 => vec![(SignatureScheme::Eddsa, "ED25519")],
        _ => vec![(SignatureScheme::RsaPkcs1, "sha256WithRSAEncryption"), (SignatureScheme::RsaPss, "rsassaPss")],
    }
}

softhsm_test!(a_request_asks_for_the_key_usage_of_its_purpose_and_encodes_names_as_certificates_do, |bench| {
    let token = bench.token("");
    let key = generate(&token, &"seal".parse().unwrap(), KeySpec::EcP256).unwrap();
    let public = key.public_key.clone().unwrap();
    let algorithm = SignatureAlgorithm::for_key(KeySpec::EcP256, None, None).unwrap();
    let signer = token.signer(&location(&key), KeySpec::EcP256, algorithm).unwrap();
    let subject = Subject::parse("C=EE, serialNumber=X-1, emailAddress=seal@acme.example, CN=Ääkköset\\, Oy").unwrap();
    let request = |purpose| {
        let request = certification_request(signer.as_ref(), &public, &subject, purpose, soon()).unwrap();
        bench.write("request.pem", request.pem().as_bytes())
    };
    let text = |purpose| openssl(&["req", "-noout", "-text", "-nameopt", "utf8", "-in", &request(purpose)]);
    let document = text(Purpose::Document);
    assert!(document.contains("Key Usage: critical\n                    Non Repudiation\n"), "{document}");
    assert!(document.contains("CN=Ääkköset, Oy"), "{document}");
    let blind = text(Purpose::Blind);
    assert!(blind.contains("Key Usage: critical\n                    Digital Signature\n"), "{blind}");
    let timestamp = text(Purpose::Timestamp);
    assert!(timestamp.contains("Extended Key Usage: critical\n                    Time Stamping\n"), "{timestamp}");
    let structure = openssl(&["asn1parse", "-in", &request(Purpose::Document)]);
    let coding = |name: &str| {
        structure.lines().skip_while(|line| !line.ends_with(&format!(":{name}"))).nth(1).unwrap().to_owned()
    };
    for (name, expected) in [
        ("countryName", "PRINTABLESTRING"),
        ("serialNumber", "PRINTABLESTRING"),
        ("emailAddress", "IA5STRING"),
        ("commonName", "UTF8STRING"),
    ] {
        assert!(coding(name).contains(expected), "{name}: {}", coding(name));
    }
});

softhsm_test!(a_request_that_the_public_key_does_not_verify_is_never_written, |bench| {
    let token = bench.token("");
    let ours = generate(&token, &"ours".parse().unwrap(), KeySpec::EcP256).unwrap();
    let other = generate(&token, &"other".parse().unwrap(), KeySpec::EcP256).unwrap();
    let algorithm = SignatureAlgorithm::for_key(KeySpec::EcP256, None, None).unwrap();
    let signer = token.signer(&location(&ours), KeySpec::EcP256, algorithm).unwrap();
    let subject = Subject::parse(SUBJECT).unwrap();
    let public = other.public_key.unwrap();
    assert!(certification_request(signer.as_ref(), &public, &subject, Purpose::Document, soon()).is_err());
});

softhsm_test!(a_certificate_is_stored_beside_its_key_and_replaced, |bench| {
    let token = bench.token("");
    let key = generate(&token, &"seal".parse().unwrap(), KeySpec::EcP256).unwrap();
    let ca = Ca::new(bench);
    let public = key.public_key.clone().unwrap();
    for name in ["first", "second"] {
        let chain = ca.issue_for(&public, name, "keyUsage=critical,nonRepudiation");
        let checked = check_certificate(&std::fs::read(chain).unwrap(), &public, Purpose::Document, now()).unwrap();
        assert!(token.store_certificate(&location(&key), checked.chain.leaf().der()).unwrap());
    }
    let objects = bench.pkcs11_tool(&["--list-objects", "--type", "cert"]);
    assert!(objects.contains("second") && !objects.contains("first"), "{objects}");
    // The certificate is enough to know the key by.
    bench.pkcs11_tool(&["--delete-object", "--type", "pubkey", "--id", &key.id.to_string()]);
    assert!(token.public_key(&location(&key)).unwrap().same_key(&public));
    let never = bench.open("override = { \"cert.store\" = \"never\" }").unwrap();
    let chain = std::fs::read(bench.path("first.pem")).unwrap();
    let leaf = cryptotoken_api::CertificateChain::for_key(&chain, &public).unwrap().leaf().der().to_vec();
    assert!(!never.store_certificate(&location(&key), &leaf).unwrap());
});

/// A root and an issuing CA made by `openssl`.
struct Ca<'a> {
    bench: &'a Bench,
}

impl<'a> Ca<'a> {
    fn new(bench: &'a Bench) -> Self {
        let ca = Self { bench };
        let extensions = "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign";
        for name in ["root", "issuing", "stranger"] {
            let key = bench.path(&format!("{name}.key"));
            openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", &key]);
        }
        for name in ["root", "stranger"] {
            let (key, out) = (bench.path(&format!("{name}.key")), bench.path(&format!("{name}.pem")));
            let subject = format!("/O=Test/CN={name}");
            let mut arguments =
                vec!["req", "-x509", "-new", "-key", &key, "-subj", &subject, "-days", "30", "-out", &out];
            arguments.extend(["-addext", "keyUsage=critical,keyCertSign"]);
            openssl(&arguments);
        }
        ca.sign("issuing", "root", extensions, "30");
        ca
    }

    fn path(&self, name: &str) -> String {
        self.bench.path(name)
    }

    /// A certificate for `name.key`, by `issuer`.
    fn sign(&self, name: &str, issuer: &str, extensions: &str, days: &str) {
        let (key, request) = (self.path(&format!("{name}.key")), self.path(&format!("{name}.csr")));
        openssl(&["req", "-new", "-key", &key, "-subj", &format!("/O=Test/CN={name}"), "-out", &request]);
        self.sign_request(name, issuer, extensions, days, &[]);
    }

    fn sign_request(&self, name: &str, issuer: &str, extensions: &str, days: &str, more: &[&str]) {
        let extfile = self.bench.write(&format!("{name}.ext"), extensions.as_bytes());
        let (ca, ca_key) = (self.path(&format!("{issuer}.pem")), self.path(&format!("{issuer}.key")));
        let (request, out) = (self.path(&format!("{name}.csr")), self.path(&format!("{name}.pem")));
        let mut arguments = vec!["x509", "-req", "-in", &request, "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial"];
        arguments.extend(["-days", days, "-out", &out]);
        if !extensions.is_empty() {
            arguments.extend(["-extfile", &extfile]);
        }
        arguments.extend(more);
        openssl(&arguments);
    }

    /// A certificate for a key that is only known by its public half.
    fn issue_for(&self, key: &PublicKey, name: &str, extensions: &str) -> String {
        // `-force_pubkey` puts the given key into a request of any other.
        let any = self.path("stranger.key");
        let public = self.bench.write("force.der", key.spki_der());
        let pem = self.path("force.pem");
        openssl(&["pkey", "-pubin", "-inform", "DER", "-in", &public, "-out", &pem]);
        let request = self.path(&format!("{name}.csr"));
        openssl(&["req", "-new", "-key", &any, "-subj", &format!("/CN={name}"), "-out", &request]);
        self.sign_request(name, "issuing", extensions, "30", &["-force_pubkey", &pem]);
        self.path(&format!("{name}.pem"))
    }

    fn pem(&self, names: &[&str]) -> Vec<u8> {
        names.iter().flat_map(|name| std::fs::read(self.path(&format!("{name}.pem"))).unwrap()).collect()
    }

    /// A new software key with a certificate of these extensions.
    fn leaf(&self, name: &str, extensions: &str) -> PublicKey {
        openssl(&[
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-out",
            &self.path(&format!("{name}.key")),
        ]);
        self.sign(name, "issuing", extensions, "10");
        let der = run(
            "openssl",
            &["x509", "-in", &self.path(&format!("{name}.pem")), "-outform", "DER", "-out", &self.path("x.der")],
        );
        der.unwrap();
        Certificate::from_der(&std::fs::read(self.path("x.der")).unwrap()).unwrap().key().known().unwrap().clone()
    }
}

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::seconds(1)
}

softhsm_test!(a_bundle_in_any_order_becomes_a_chain_from_leaf_to_root, |bench| {
    let ca = Ca::new(bench);
    let key = ca.leaf("seal", "keyUsage=critical,nonRepudiation");
    for order in [["seal", "issuing", "root"], ["root", "issuing", "seal"], ["issuing", "seal", "root"]] {
        let checked = check_certificate(&ca.pem(&order), &key, Purpose::Document, now()).unwrap();
        let names: Vec<_> = checked.chain.certificates().iter().map(Certificate::subject).collect();
        assert!(names[0].contains("seal") && names[1].contains("issuing") && names[2].contains("root"), "{names:?}");
        assert_eq!(checked.state, CredentialState::Active);
        assert!(checked.warnings.is_empty(), "{:?}", checked.warnings);
    }
    let short = check_certificate(&ca.pem(&["seal"]), &key, Purpose::Document, now()).unwrap();
    assert!(short.warnings[0].contains("issuing"), "{:?}", short.warnings);
});

softhsm_test!(a_certificate_that_cannot_serve_is_refused_with_the_reason, |bench| {
    let ca = Ca::new(bench);
    let good = ca.leaf("good", "keyUsage=critical,nonRepudiation");
    let other = ca.leaf("other", "keyUsage=critical,nonRepudiation");
    let check = |names: &[&str], key: &PublicKey, purpose, now| check_certificate(&ca.pem(names), key, purpose, now);

    let refusal = check(&["good"], &other, Purpose::Document, now()).unwrap_err();
    assert!(matches!(refusal, ImportRefusal::Chain(CertificateError::NoLeaf { .. })), "{refusal}");
    let refusal = check(&["good", "stranger"], &good, Purpose::Document, now()).unwrap_err();
    assert!(matches!(refusal, ImportRefusal::Chain(CertificateError::Unrelated { .. })), "{refusal}");
    let refusal = check_certificate(b"-----BEGIN nothing", &good, Purpose::Document, now()).unwrap_err();
    assert!(matches!(refusal, ImportRefusal::Chain(_)), "{refusal}");

    let bare = ca.leaf("bare", "");
    let refusal = check(&["bare"], &bare, Purpose::Document, now()).unwrap_err();
    assert!(matches!(refusal, ImportRefusal::NoKeyUsage { .. }), "{refusal}");
    let encrypts = ca.leaf("encrypts", "keyUsage=critical,keyEncipherment,dataEncipherment");
    for purpose in [Purpose::Document, Purpose::Blind] {
        let refusal = check(&["encrypts"], &encrypts, purpose, now()).unwrap_err();
        assert!(matches!(refusal, ImportRefusal::KeyUsage { .. }), "{refusal}");
    }
    let authority =
        ca.leaf("authority", "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,nonRepudiation");
    let refusal = check(&["authority"], &authority, Purpose::Document, now()).unwrap_err();
    assert!(matches!(refusal, ImportRefusal::IsCa { .. }), "{refusal}");

    let refusal = check(&["good"], &good, Purpose::Document, now() + Duration::days(11)).unwrap_err();
    assert!(matches!(refusal, ImportRefusal::Expired { .. }), "{refusal}");
    let early = check(&["good"], &good, Purpose::Document, now() - Duration::days(1)).unwrap();
    assert_eq!(early.state, CredentialState::Scheduled);
    let authenticates = ca.leaf("authenticates", "keyUsage=critical,digitalSignature");
    let taken = check(&["authenticates", "issuing", "root"], &authenticates, Purpose::Document, now()).unwrap();
    assert!(taken.warnings[0].contains("nonRepudiation"), "{:?}", taken.warnings);
});

softhsm_test!(a_timestamp_certificate_has_that_extended_usage_alone_and_critical, |bench| {
    let ca = Ca::new(bench);
    for (name, usage, accepted) in [
        ("stamps", "extendedKeyUsage=critical,timeStamping", true),
        ("uncritical", "extendedKeyUsage=timeStamping", false),
        ("also", "extendedKeyUsage=critical,timeStamping,emailProtection", false),
        ("without", "", false),
    ] {
        let key = ca.leaf(name, &format!("keyUsage=critical,digitalSignature\n{usage}"));
        let checked = check_certificate(&ca.pem(&[name]), &key, Purpose::Timestamp, now());
        assert_eq!(checked.is_ok(), accepted, "{name}: {checked:?}");
    }
});

softhsm_test!(the_statements_of_a_qualified_seal_certificate_are_read, |bench| {
    let ca = Ca::new(bench);
    let extensions = "keyUsage=critical,nonRepudiation\n1.3.6.1.5.5.7.1.3=ASN1:SEQUENCE:qc\n[qc]\ncompliance=SEQUENCE:one\n\
        sscd=SEQUENCE:four\ntype=SEQUENCE:six\n[one]\nid=OID:0.4.0.1862.1.1\n[four]\nid=OID:0.4.0.1862.1.4\n[six]\n\
        id=OID:0.4.0.1862.1.6\ninfo=SEQUENCE:types\n[types]\neseal=OID:0.4.0.1862.1.6.2\n";
    let key = ca.leaf("qualified", extensions);
    let checked = check_certificate(&ca.pem(&["qualified"]), &key, Purpose::Document, now()).unwrap();
    assert!(checked.qualified.missing_for_eseal().is_empty(), "{:?}", checked.qualified);
    let plain = ca.leaf("plain", "keyUsage=critical,nonRepudiation");
    let checked = check_certificate(&ca.pem(&["plain"]), &plain, Purpose::Document, now()).unwrap();
    assert_eq!(checked.qualified.missing_for_eseal(), ["QcCompliance", "QcSSCD", "QcType eseal"]);
    let broken = ca.leaf("broken", "keyUsage=critical,nonRepudiation\n1.3.6.1.5.5.7.1.3=ASN1:UTF8:nonsense");
    assert!(check_certificate(&ca.pem(&["broken"]), &broken, Purpose::Document, now()).is_err());
});
