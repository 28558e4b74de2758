//! What signers say beside the signature, as EU DSS reads it.

use serde_json::{Value, json};
use tests::Verdict;
use tests::verifiers::ask;
use workers::{DocumentContent, Fault, WorkerConfig};

use crate::bench::{Bench, DOCUMENT, octets};

const FIXED: &str = r#"
commitment_type = "proof-of-origin"
signer_location = { country = "EE", locality = "Tallinn", postal_address = ["Pärnu mnt 1", "10141 Tallinn"] }
claimed_roles = ["Board member", "Keeper of the seal"]
signature_policy = { oid = "1.3.6.1.4.1.99999.7", digest = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", uri = "https://example.com/policy" }
content_hints = { description = "Invoice 4711" }
mime_type = "text/plain"
"#;

#[test]
fn eu_dss_reads_what_the_worker_and_the_caller_say() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let stamped = format!("{FIXED}content_timestamp = true");
    let settable = format!("{FIXED}caller_may_set = [\"commitment_type\", \"claimed_roles\", \"signer_location\"]");
    let chosen = json!({
        "commitment_type": "proof-of-approval", "claimed_roles": ["Treasurer"], "signer_location": {"locality": "Tartu"}
    });
    let place = ["country=EE", "locality=Tallinn", "address=Pärnu mnt 1, 10141 Tallinn"];
    let common = [
        "policy=1.3.6.1.4.1.99999.7",
        "policy-url=https://example.com/policy",
        "mime=text/plain",
        "hints=1.2.840.113549.1.7.1 [Invoice 4711]",
    ];
    let roles = ["role=Board member", "role=Keeper of the seal", "commitment=1.2.840.113549.1.9.16.6.1"];
    let approval = ["role=Treasurer", "commitment=1.2.840.113549.1.9.16.6.5", "locality=Tartu", "country=null"];
    let cases: [(&str, &str, &str, Value, Vec<&str>); 3] = [
        ("fixed", "B-B", FIXED, Value::Null, [&place[..], &roles].concat()),
        ("stamped", "B-LTA", &stamped, Value::Null, [&place[..], &roles, &["content-timestamp=intact"]].concat()),
        ("chosen", "B-T", &settable, chosen, approval.to_vec()),
    ];
    let crls = bench.crls();
    let (mut dss, mut openssl) = (Vec::new(), Vec::new());
    for (name, level, definition, parameters, says) in cases {
        let content = DocumentContent::Memory(DOCUMENT.into());
        let signed = bench.sign_content(&seal, level, definition, content, parameters);
        let signed = signed.unwrap_or_else(|error| panic!("{name}: {error}"));
        let file = bench.keep(name, &octets(&signed));
        openssl.push(bench.about(&file, false));
        let question = bench.about(&file, false).with("--expect", format!("CAdES-BASELINE-{}", &level[2..]));
        let question = says.iter().chain(&common).fold(question, |question, says| question.with("--says", says));
        dss.push(crls.iter().fold(question, |question, crl| question.with("--crl", crl)));
    }
    // The tool must be able to say no.
    let nobody = ask("dss", &[dss[0].clone().with("--says", "role=Nobody")]);
    assert!(matches!(&nobody[0], Verdict::Invalid(why) if why.contains("role=Board member")), "{nobody:?}");
    for (tool, questions) in [("dss", dss), ("openssl", openssl)] {
        for verdict in ask(tool, &questions) {
            assert_eq!(verdict, Verdict::Valid, "{tool}");
        }
    }
}

#[test]
fn what_cannot_be_said_is_refused_with_its_key() {
    let bench = Bench::start();
    for (key, wrong) in [
        ("commitment_type", "\"proof-of-love\""),
        ("signer_location", "{}"),
        ("signer_location", "{ planet = \"Earth\" }"),
        ("claimed_roles", "[]"),
        ("claimed_roles", "[\"a\\u0000b\"]"),
        ("signature_policy", "{ oid = \"1.2.3\", digest = \"AAAA\" }"),
        ("signature_policy", "{ oid = \"best\", digest = \"\" }"),
        ("content_hints", "{ description = \"\" }"),
        ("content_timestamp", "true"),
    ] {
        let text = format!("name = \"w\"\nkind = \"cades\"\ncredential = \"seal\"\n{key} = {wrong}");
        let error = WorkerConfig::parse(&text).unwrap_err().to_string();
        assert!(error.contains(&format!("\"{key}\"")), "{text}: {error}");
    }
    let text = format!("name = \"w\"\nkind = \"cades\"\ncredential = \"seal\"\n{FIXED}");
    let config = WorkerConfig::parse(&text).unwrap();
    let stored = serde_json::to_string(&config.to_json().unwrap()).unwrap();
    assert_eq!(WorkerConfig::parse(&stored).unwrap(), config, "{stored}");

    let seal = bench.seal("p256");
    for parameters in
        [json!({"mime_type": "text/html"}), json!({"claimed_roles": "one"}), json!({"claimed_roles": [7]})]
    {
        let content = DocumentContent::Memory(DOCUMENT.into());
        let error = bench.sign_content(&seal, "B-B", "caller_may_set = [\"claimed_roles\"]", content, parameters);
        assert_eq!(error.unwrap_err().fault(), Fault::Parameters);
    }
}
