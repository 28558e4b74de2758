//! TLS, and clients known by their certificates.

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::programs::run;
use tests::{Client, TestService};

/// Certificates of a server and of two clients, and the authority over them, in a folder.
fn certificates(folder: &Path) {
    let openssl = |arguments: &[&str]| run(Command::new("openssl").args(arguments).current_dir(folder));
    let p256 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let root = ["req", "-x509", "-subj", "/CN=Client Authority", "-days", "9", "-keyout", "ca.key", "-out", "ca.pem"];
    openssl(&[&root[..], &p256].concat());
    for (name, extension) in [("server", "subjectAltName=IP:127.0.0.1"), ("known", ""), ("unknown", "")] {
        let subject = format!("/CN={name}");
        let (key, request, certificate) = (format!("{name}.key"), format!("{name}.req"), format!("{name}.pem"));
        openssl(&[&["req", "-new", "-subj", &subject, "-keyout", &key, "-out", &request], &p256[..]].concat());
        std::fs::write(folder.join("extensions"), extension).unwrap();
        let sign = ["x509", "-req", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "9"];
        openssl(&[&sign[..], &["-extfile", "extensions", "-in", &request, "-out", &certificate]].concat());
    }
}

#[test]
fn a_client_certificate_that_was_registered_may_sign_and_another_one_may_not() {
    let tls =
        "[server.tls]\ncertificate = \"tls/server.pem\"\nprivate_key = \"tls/server.key\"\nclient_ca = \"tls/ca.pem\"";
    let mut service = TestService::builder().server(tls).create();
    let folder: PathBuf = service.folder().join("tls");
    std::fs::create_dir(&folder).unwrap();
    certificates(&folder);
    service.key("seal", "ec-p256", "document");
    service.worker("cms", "cades", "seal", "");
    let certificate = folder.join("known.pem").display().to_string();
    service.sigillo(&["client", "add", "machine", "--certificate", &certificate]);
    service.sigillo(&["grant", "add", "machine", "--worker", "cms"]);
    let key = service.api_key("person", &["cms"]);
    service.start();

    let url = service.server().url();
    assert!(url.starts_with("https://"));
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let with = |name: &str| {
        let (certificate, key) = (read(&format!("{name}.pem")), read(&format!("{name}.key")));
        Client::tls(url, &read("ca.pem"), Some((&certificate, &key)))
    };
    assert_eq!(with("known").sign("cms", b"by certificate").status, 200);
    assert_eq!(with("known").sign("cms", b"again, the session resumed").status, 200);
    assert_eq!(with("unknown").sign("cms", b"x").problem(), "unauthenticated");
    let without = Client::tls(url, &read("ca.pem"), None);
    assert_eq!(without.sign("cms", b"x").problem(), "unauthenticated");
    assert_eq!(without.key(&key).sign("cms", b"by key").status, 200);
    // A key that is sent decides, even a wrong one beside a good certificate.
    assert_eq!(with("known").key("sigillo_wrong").sign("cms", b"x").problem(), "unauthenticated");

    service.sigillo(&["client", "revoke", "machine"]);
    assert_eq!(with("known").sign("cms", b"x").problem(), "unauthenticated");
}
