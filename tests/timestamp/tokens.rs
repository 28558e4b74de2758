//! What others say of our tokens, and what is in them.

use std::path::PathBuf;
use std::process::Command;

use tests::programs::{fixture, run};
use tests::verifiers::ask;
use tests::{Question, Verdict};

use crate::authority::{Authority, POLICY, Reply, trusted};

/// Worker, kind of key, scheme.
const SIGNERS: [(&str, &str, &str); 4] = [
    ("rsa-pkcs1", "rsa-3072", ""),
    ("rsa-pss", "rsa-3072", "signature_scheme = \"rsa-pss\""),
    ("p256", "ec-p256", ""),
    ("p384", "ec-p384", ""),
];

#[test]
fn tokens_for_requests_made_by_openssl_are_valid_for_openssl_eu_dss_and_pyhanko() {
    let second = format!("{POLICY}.2");
    let more = |scheme: &str| trusted(&format!("accepted_policies = [\"{second}\"]\n{scheme}"));
    let workers: Vec<_> = SIGNERS.iter().map(|(name, spec, scheme)| (*name, *spec, more(scheme))).collect();
    let authority = Authority::new(&workers);
    let (root, list) = (authority.service.pki().root(), authority.revocation_list("tsu-rsa-3072"));
    let (data, other) = (fixture("binary/64k.bin"), fixture("binary/crlf.txt"));
    let (mut genuine, mut crossed) = (Vec::new(), Vec::new());
    for (worker, spec, _) in SIGNERS {
        let certificate = authority.service.leaf(&format!("tsu-{spec}"));
        for digest in ["-sha256", "-sha384", "-sha512"] {
            for arguments in [&["-cert"][..], &["-cert", "-no_nonce", "-tspolicy", &second], &[], &["-no_nonce"]] {
                let asked = [&[digest], arguments].concat();
                let query = authority.query(&data, &asked);
                let reply = authority.reply(worker, &std::fs::read(&query).unwrap());
                assert!(reply.is_granted(), "{worker} {asked:?}: {}", reply.text);
                let carries = arguments.contains(&"-cert");
                let untrusted = (!carries).then_some(certificate.as_path());
                // `openssl ts` verifies as PKCS #7, which has no RSA-PSS. The others judge these below.
                if worker != "rsa-pss" {
                    if let Err(said) = authority.verifies(&query, &reply, untrusted) {
                        panic!("{worker} {asked:?}: {said}");
                    }
                    // Without it there is no chain: no certificate is sent to who did not ask.
                    assert_eq!(authority.verifies(&query, &reply, None).is_ok(), carries, "{worker} {asked:?}");
                }
                let policy = if arguments.contains(&"-tspolicy") { second.as_str() } else { POLICY };
                assert_eq!(reply.value("Policy OID"), policy);

                let token = reply.token();
                let question = |data: &std::path::Path| {
                    let question = Question::new("timestamp", &token).with("--root", &root).with("--detached", data);
                    question.with("--crl", &list)
                };
                let helped =
                    |question: Question| if carries { question } else { question.with("--cert", &certificate) };
                genuine.push(helped(question(&data)));
                crossed.push(helped(question(&other)));
            }
        }
    }
    assert_eq!(genuine.len(), 48);
    // All, those without RSA-PSS, those with the certificate inside.
    for (tool, judges) in [("dss", 48), ("openssl", 36), ("pyhanko", 24)] {
        let judged = |questions: &[Question]| -> Vec<(String, Verdict)> {
            let named = questions.iter().map(|question| format!("{tool}: {question:?}"));
            named
                .zip(ask(tool, questions))
                .filter(|(_, verdict)| !matches!(verdict, Verdict::NotApplicable(_)))
                .collect()
        };
        let (genuine, crossed) = (judged(&genuine), judged(&crossed));
        assert_eq!((genuine.len(), crossed.len()), (judges, judges), "{tool}");
        for (question, verdict) in genuine {
            assert_eq!(verdict, Verdict::Valid, "{question}");
        }
        for (question, verdict) in crossed {
            assert!(matches!(verdict, Verdict::Invalid(_)), "a token over another file is accepted: {question}");
        }
    }
}

/// The fields of a token's CMS, as openssl prints them.
fn printed(reply: &Reply) -> String {
    let mut openssl = Command::new("openssl");
    let output = run(openssl.args(["cms", "-cmsout", "-print", "-inform", "DER", "-in"]).arg(reply.token()));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A token by a worker of one definition, over some file.
fn token(definition: &str) -> (Authority, PathBuf, Reply) {
    let authority = Authority::new(&[("tsa", "ec-p256", trusted(definition))]);
    let query = authority.query(&fixture("binary/crlf.txt"), &["-sha256", "-cert"]);
    let reply = authority.reply("tsa", &std::fs::read(&query).unwrap());
    authority.verifies(&query, &reply, None).unwrap();
    (authority, query, reply)
}

#[test]
fn a_token_is_laid_out_as_its_standards_say() {
    let (_authority, query, reply) = token("");
    assert_eq!(reply.value("Accuracy"), "0x01 seconds, unspecified millis, unspecified micros");
    assert_eq!(reply.value("Ordering"), "no");
    assert_eq!(reply.value("TSA"), "unspecified");
    let asked = run(Command::new("openssl").args(["ts", "-query", "-text", "-in"]).arg(&query));
    let asked = String::from_utf8_lossy(&asked.stdout).into_owned();
    let nonce = asked.lines().find_map(|line| line.strip_prefix("Nonce: ")).unwrap();
    assert_eq!(reply.value("Nonce"), nonce);
    assert_eq!(reply.value("Serial number").len(), "0x".len() + 40, "twenty octets: {}", reply.text);

    // RFC 5652, section 5.1: the version for content that is no id-data. RFC 5816: the reference to the certificate.
    let cms = printed(&reply);
    assert!(cms.contains("d.signedData: \n    version: 3\n"), "{cms}");
    assert!(cms.contains("eContentType: id-smime-ct-TSTInfo (1.2.840.113549.1.9.16.1.4)"), "{cms}");
    assert_eq!(cms.matches("issuerAndSerialNumber").count(), 1, "one signer: {cms}");
    for attribute in ["contentType (1.2.840.113549.1.9.3)", "messageDigest", "(1.2.840.113549.1.9.16.2.47)"] {
        assert!(cms.contains(attribute), "{attribute}: {cms}");
    }
    assert!(!cms.contains("signingTime"), "{cms}");
}

#[test]
fn accuracy_name_and_the_statement_of_qualified_timestamps_are_as_defined() {
    let (_authority, _, reply) = token("accuracy = \"250ms\"\ntsa_name = true\nqualified_timestamp = true");
    assert_eq!(reply.value("Accuracy"), "unspecified seconds, 0xFA millis, unspecified micros");
    assert_eq!(reply.value("TSA"), "DirName:/C=EE/O=Acme AS/organizationIdentifier=NTREE-12345678/CN=Seal tsu-ec-p256");
    // [1] { SEQUENCE { OBJECT id-pe-qcStatements, OCTET STRING { SEQUENCE { SEQUENCE { OBJECT 0.4.0.19422.1.1 } } } } }, not critical.
    let extensions = hex::decode("a11b301906082b06010505070103040d300b30090607040081975e0101").unwrap();
    let token = std::fs::read(reply.token()).unwrap();
    assert!(token.windows(extensions.len()).any(|window| window == extensions), "{}", hex::encode(&token));
}

#[test]
fn gen_time_is_the_time_of_the_machine_to_the_millisecond() {
    let authority = Authority::simple();
    let query = std::fs::read(authority.query(&fixture("binary/crlf.txt"), &["-sha256"])).unwrap();
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let mut fractions = 0;
    for _ in 0..5 {
        let before = now();
        let reply = authority.reply("tsa", &query);
        let after = now();
        let stamp = reply.value("Time stamp").to_owned();
        let seconds = run(Command::new("date").args(["-u", "-d", &stamp, "+%s%3N"]));
        let stamped: u128 = String::from_utf8_lossy(&seconds.stdout).trim().parse().unwrap();
        assert!((before..=after).contains(&stamped), "{before} {stamp} {after}");
        if let Some((_, fraction)) = stamp.split_once('.') {
            fractions += 1;
            assert!(!fraction.split(' ').next().unwrap().ends_with('0'), "a fraction does not end in zero: {stamp}");
        }
    }
    assert!(fractions > 2, "times have fractions");
}
