//! The certificate of a time-stamping unit is for time-stamping, critically and only (RFC 3161, section 2.3).

use tests::TestService;
use tests::pki::Profile;
use tests::programs::fixture;
use tests::service::TOKEN;

use crate::authority::Authority;
use crate::refusals::SYSTEM_FAILURE;

#[test]
fn a_certificate_for_anything_else_is_not_imported_and_the_refusal_says_what_is_wrong() {
    let service = TestService::builder().create();
    let cases = [
        ("", "no extended key usage"),
        ("critical, emailProtection", "does not allow timeStamping"),
        ("critical, timeStamping, emailProtection", "more than timeStamping"),
        ("timeStamping", "not critical"),
    ];
    for (number, (extended_key_usage, reason)) in cases.into_iter().enumerate() {
        let alias = format!("tsu-{number}");
        service.key_only(&alias, "ec-p256", "timestamp");
        let request = service.folder().join(format!("{alias}.csr"));
        let path = request.display().to_string();
        let create = ["csr", "create", "--token", TOKEN, "--key", &alias, "--subject", "C=EE, O=Acme AS, CN=Unit"];
        service.sigillo(&[&create[..], &["--out", &path]].concat());
        let profile = Profile { extended_key_usage, ..Profile::timestamping() };
        let chain = service.pki().certify(&request, &profile).display().to_string();
        let refused =
            service.try_sigillo(&["certificate", "import", "--token", TOKEN, "--key", &alias, "--chain", &chain]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(3), "{extended_key_usage}: {said}");
        assert!(said.contains(reason), "{extended_key_usage}: {said}");
    }
}

/// No token, and no use of the key.
fn refused(authority: &Authority, reason: &str) {
    let query = std::fs::read(authority.query(&fixture("binary/crlf.txt"), &["-sha256"])).unwrap();
    let reply = authority.reply("tsa", &query);
    assert_eq!(reply.failure(), SYSTEM_FAILURE);
    assert!(reply.text.contains(reason), "{}", reply.text);
    let events = authority.service.audit_events();
    assert!(!events.iter().any(|event| event["event"] == "signing-intended" && event["worker"] == "tsa"));
}

#[test]
fn a_certificate_that_got_into_the_database_by_other_ways_stamps_nothing() {
    let authority = Authority::simple();
    authority.service.key("seal", "ec-p256", "document");
    authority.service.sql(&[
        "UPDATE credential SET purpose = 'timestamp' WHERE name = 'seal'",
        "UPDATE worker_version SET definition = json_set(definition, '$.credential', 'seal') WHERE worker = 'tsa'",
    ]);
    refused(&authority, "does not allow timeStamping");
}

#[test]
fn a_key_is_not_used_beyond_the_period_that_its_certificate_gives_it() {
    let authority = Authority::simple();
    let period = |end: &str| Profile {
        extensions: vec![
            "2.5.29.16 = ASN1:SEQUENCE:period".into(),
            "[period]".into(),
            format!("end = IMP:1, GENTIME:{end}"),
        ],
        ..Profile::timestamping()
    };
    authority.service.certify("tsu-ec-p256", &period("20200101000000Z"));
    refused(&authority, "privateKeyUsagePeriod");
    authority.service.certify("tsu-ec-p256", &period("20990101000000Z"));
    let query = std::fs::read(authority.query(&fixture("binary/crlf.txt"), &["-sha256"])).unwrap();
    assert!(authority.reply("tsa", &query).is_granted());
}
