//! Certificates that are not valid yet or not any more: nothing is signed, and no key used to find that out.

use std::time::{Duration, Instant};

use tests::TestService;
use tests::pki::Profile;

use crate::refused_without_intent;

fn state(service: &TestService) -> String {
    service.sigillo(&["credential", "show", "seal"])["state"].as_str().unwrap().to_owned()
}

fn becomes(service: &TestService, wanted: &str) {
    let until = Instant::now() + Duration::from_secs(20);
    while state(service) != wanted {
        assert!(Instant::now() < until, "the credential is {}, not {wanted}", state(service));
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_credential_signs_from_the_first_to_the_last_second_of_its_certificate_and_never_before_or_after() {
    let service = TestService::builder().start();
    let validity = ("6 seconds", "14 seconds");
    service.key_only("seal", "ec-p256", "document");
    service.worker("cms", "cades", "seal", "");
    let key = service.api_key("caller", &["cms"]);
    let client = service.client().key(&key);
    service.certify("seal", &Profile { validity, ..Profile::default() });

    assert_eq!(state(&service), "scheduled");
    let told = refused_without_intent(&service, &client.sign("cms", b"too early"));
    assert!(told.contains("scheduled"), "{told}");
    becomes(&service, "active");
    let _ = client.sign("cms", b"in time").success();
    becomes(&service, "expired");
    let told = refused_without_intent(&service, &client.sign("cms", b"too late"));
    assert!(told.contains("expired"), "{told}");
    // An operator cannot argue with a date.
    let refused = service.try_sigillo(&["credential", "activate", "seal"]);
    assert_eq!(refused.status.code(), Some(3));
    let refused = service.try_sigillo(&["worker", "test", "cms"]);
    assert_eq!(refused.status.code(), Some(3));
}

#[test]
fn dates_count_also_when_the_state_in_the_database_says_otherwise() {
    let mut service = TestService::builder().create();
    service.key_with("seal", "ec-p256", "document", &Profile { validity: ("1 day", "2 days"), ..Profile::default() });
    service.worker("cms", "cades", "seal", "");
    let key = service.api_key("caller", &["cms"]);
    service.start();
    let client = service.client().key(&key);
    // The service moves the state back within a second, but a signature asked for in between is refused by the dates.
    let told = (0..5).map(|_| {
        service.sql(&["UPDATE credential SET state = 'active'"]);
        refused_without_intent(&service, &client.sign("cms", b"too early"))
    });
    let told: Vec<String> = told.collect();
    let is_rfc3339 = |date: &str| date.len() == 20 && date.as_bytes()[10] == b'T' && date.ends_with('Z');
    let dated = |told: &String| told.split_once("not valid before ").is_some_and(|(_, date)| is_rfc3339(date));
    assert!(told.iter().any(dated), "{told:?}");
}

#[test]
fn a_certificate_that_has_expired_already_is_not_imported() {
    let service = TestService::builder().create();
    service.key_only("seal", "ec-p256", "document");
    let request = service.folder().join("seal.csr").display().to_string();
    service.sigillo(&["csr", "create", "--token", "hsm", "--key", "seal", "--subject", "CN=Seal", "--out", &request]);
    let profile = Profile { validity: ("-2 days", "-1 day"), ..Profile::default() };
    let chain = service.pki().certify(request.as_ref(), &profile).display().to_string();
    let refused = service.try_sigillo(&["certificate", "import", "--token", "hsm", "--key", "seal", "--chain", &chain]);
    assert_eq!(refused.status.code(), Some(3));
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    let (_, date) = told.split_once("the certificate expired on ").unwrap_or_else(|| panic!("{told}"));
    assert!(date.as_bytes()[10] == b'T' && date.as_bytes()[19] == b'Z', "as in RFC 3339: {told}");
    assert_eq!(state(&service), "awaiting-certificate");
}
