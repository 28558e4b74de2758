//! Answers of an authority run by the openssl program, good ones and changed ones.

use std::path::Path;
use std::process::Command;

use cryptotoken_api::DigestAlgorithm;
use tempfile::TempDir;
use time::OffsetDateTime;

use super::*;
use crate::cades::received::ReceivedSignedData;

struct Authority(TempDir);

impl Authority {
    fn new(usage: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "[req]\ndistinguished_name = dn\n[dn]\n[unit]\nkeyUsage = critical, digitalSignature\n{usage}\n\
             [tsa]\ndefault_tsa = t\n[t]\nserial = serial\nsigner_cert = unit.pem\nsigner_key = unit.key\nsigner_digest = sha256\n\
             default_policy = 1.3.6.1.4.1.99999.1\nother_policies = 1.3.6.1.4.1.99999.2\ndigests = sha256, sha384\naccuracy = secs:1\n\
             clock_precision_digits = 3\ness_cert_id_alg = sha256\ness_cert_id_chain = no\n"
        );
        std::fs::write(folder.path().join("settings"), settings).unwrap();
        std::fs::write(folder.path().join("serial"), "01").unwrap();
        let this = Self(folder);
        this.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /C=EE/O=Test/CN=Unit -config settings \
             -extensions unit -keyout unit.key -out unit.pem",
        );
        this
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.args(arguments.split(' ').filter(|word| !word.is_empty()));
        let output = command.current_dir(self.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn answer(&self, request: &[u8]) -> Vec<u8> {
        std::fs::write(self.path().join("request"), request).unwrap();
        self.openssl("ts -reply -config settings -queryfile request -out answer");
        std::fs::read(self.path().join("answer")).unwrap()
    }
}

const CRITICAL: &str = "extendedKeyUsage = critical, timeStamping";

fn request(data: &[u8]) -> TimestampRequest {
    let digest = DtbsRepresentation::new(DigestAlgorithm::Sha256, DigestAlgorithm::Sha256.digest(data)).unwrap();
    TimestampRequest::new(digest, None).unwrap()
}

fn reason(result: Result<TimestampToken, TimestampError>) -> String {
    match result.unwrap_err() {
        TimestampError::Refused { authority, reason } if authority == "tsa" => format!("refused: {reason}"),
        TimestampError::Invalid { authority, reason } if authority == "tsa" => format!("invalid: {reason}"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_token_of_openssl_is_accepted_and_keeps_its_octets_and_fractions_of_a_second() {
    let authority = Authority::new(CRITICAL);
    let request = request(b"data");
    let answer = authority.answer(&request.to_der().unwrap());
    let token = request.accept(&answer, "tsa").unwrap();
    assert!(answer.ends_with(&token.der));
    assert!((token.time - OffsetDateTime::now_utc()).abs() < time::Duration::seconds(60), "{}", token.time);
    assert_eq!(token.signer.subject(), "CN=Unit,O=Test,C=EE");
    assert_eq!(token.certificates, std::slice::from_ref(&token.signer));
}

#[test]
fn a_policy_that_was_asked_for_is_the_one_of_the_token() {
    let authority = Authority::new(CRITICAL);
    let asked = |policy: &str| TimestampRequest { policy: Some(policy.parse().unwrap()), ..request(b"data") };
    let second = asked("1.3.6.1.4.1.99999.2");
    let answer = authority.answer(&second.to_der().unwrap());
    assert_eq!(second.accept(&answer, "tsa").unwrap().policy.to_string(), "1.3.6.1.4.1.99999.2");
    let other = TimestampRequest { policy: Some("1.3.6.1.4.1.99999.1".parse().unwrap()), ..second };
    assert!(reason(other.accept(&answer, "tsa")).contains("of policy"));
}

#[test]
fn an_answer_to_another_request_is_refused() {
    let authority = Authority::new(CRITICAL);
    let asked = request(b"data");
    let answer = authority.answer(&asked.to_der().unwrap());
    let other_nonce = TimestampRequest { nonce: vec![0x41; 8], ..asked.clone() };
    assert!(reason(other_nonce.accept(&answer, "tsa")).contains("nonce"));
    let other_data = TimestampRequest { imprint: request(b"Data").imprint, ..asked };
    assert!(reason(other_data.accept(&answer, "tsa")).contains("something else"));
}

#[test]
fn a_rejection_says_what_the_authority_said() {
    let authority = Authority::new(CRITICAL);
    let digest = DtbsRepresentation::new(DigestAlgorithm::Sha512, vec![1; 64]).unwrap();
    let request = TimestampRequest::new(digest, None).unwrap();
    let answer = authority.answer(&request.to_der().unwrap());
    let said = reason(request.accept(&answer, "tsa"));
    assert!(said.starts_with("refused: rejection, badAlg, \""), "{said}");
}

#[test]
fn a_rejection_cannot_fill_or_forge_the_log() {
    let text = format!("no\n2026-11-21 INFO granted\u{1b}[2J{}", "a".repeat(1 << 16));
    let texts = tlv(SEQUENCE, &[tlv(UTF8_STRING, &[text]).repeat(8)]);
    let answer = tlv(SEQUENCE, &[tlv(SEQUENCE, &[[INTEGER, 1, 2].to_vec(), texts])]);
    let said = reason(request(b"data").accept(&answer, "tsa"));
    assert!(said.starts_with("refused: rejection, \"no\\n2026-11-21 INFO granted\\u{1b}[2J"), "{said}");
    assert!(said.len() < 2000 && !said.contains(char::is_control), "{}", said.len());
}

#[test]
fn changed_and_foreign_octets_are_refused_and_never_more() {
    let authority = Authority::new(CRITICAL);
    let request = request(b"data");
    let answer = authority.answer(&request.to_der().unwrap());
    assert!(reason(request.accept(b"<html>", "tsa")).starts_with("invalid: "));
    assert!(reason(request.accept(b"", "tsa")).starts_with("invalid: "));
    let certificate = request.accept(&answer, "tsa").unwrap().signer;
    let inside = answer.windows(certificate.der().len()).position(|window| window == certificate.der()).unwrap();
    let inside = inside..inside + certificate.der().len();
    for position in 0..answer.len() {
        let mut changed = answer.clone();
        changed[position] ^= 0x10;
        // Versions and unused fields may change without harm; what was stamped, when, and by whom may not.
        if let Ok(token) = request.accept(&changed, "tsa") {
            assert_eq!(token.imprint, request.imprint);
            assert!(!inside.contains(&position), "octet {position} of the certificate");
        }
        assert!(request.accept(&answer[..position], "tsa").is_err());
    }
}

#[test]
fn a_unit_must_be_certified_for_time_stamping_critically_and_only() {
    for usage in [
        "extendedKeyUsage = timeStamping",
        "extendedKeyUsage = critical, timeStamping, emailProtection",
        "extendedKeyUsage = critical, emailProtection",
        "subjectKeyIdentifier = hash",
    ] {
        let authority = Authority::new(CRITICAL);
        let request = request(b"data");
        let good = authority.answer(&request.to_der().unwrap());
        let good = request.accept(&good, "tsa").unwrap();
        let bad = Authority::new(usage);
        // The same TSTInfo, signed by a unit that may not.
        let cms = ReceivedSignedData::read(&good.der).unwrap();
        std::fs::write(bad.path().join("info"), cms.content_octets().unwrap().unwrap()).unwrap();
        bad.openssl(
            "cms -sign -binary -nodetach -cades -md sha256 -nosmimecap -econtent_type 1.2.840.113549.1.9.16.1.4 -in info \
             -signer unit.pem -inkey unit.key -outform DER -out token",
        );
        let token = std::fs::read(bad.path().join("token")).unwrap();
        let answer = tlv(SEQUENCE, &[tlv(SEQUENCE, &[[INTEGER, 1, 0]]), token]);
        assert!(reason(request.accept(&answer, "tsa")).contains("is not for time-stamping"), "{usage}");
    }
}
