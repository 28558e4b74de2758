//! What the authority answers, properly or not.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::authority::{Authority, openssl};
use super::server::{Request, Response};
use super::{Behaviour, Crl, Issuer, Ocsp, Timestamp};
use crate::programs::{repository, run};

pub(super) fn answer(authority: &Authority, now: &Behaviour, request: &Request) -> Response {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/ocsp") if now.ocsp == Ocsp::ByGet => Response::Answer(405, "text/plain", Vec::new()),
        ("POST", "/ocsp") => ocsp(authority, &now.ocsp, &request.body),
        ("GET", path) if path.starts_with("/ocsp/") => {
            let base64 = path.trim_start_matches("/ocsp/").replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
            ocsp(authority, &now.ocsp, &STANDARD.decode(base64).expect("base64 in the URL"))
        }
        ("POST", "/tsa") => timestamp(authority, &now.timestamp, request),
        ("GET", "/root.crl") => crl(authority, now.crl, "root"),
        ("GET", "/issuing.crl") => crl(authority, now.crl, "issuing"),
        ("GET", "/root.crt") => issuer(authority, now.issuer, "root"),
        ("GET", "/issuing.crt") => issuer(authority, now.issuer, "issuing"),
        ("GET", "/large") => Response::Answer(200, "application/octet-stream", vec![0; 64 << 20]),
        ("GET", "/elsewhere") => Response::Redirect("http://localhost:1/".into()),
        ("GET", "/round") => Response::Redirect("/round".into()),
        ("GET", "/headers") => {
            let headers = request.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
            Response::Answer(200, "text/plain", headers.collect::<String>().into_bytes())
        }
        ("POST" | "GET", "/here") => Response::Redirect("/root.crt".into()),
        _ => Response::Answer(404, "text/plain", b"there is nothing here".to_vec()),
    }
}

const GARBAGE: &[u8] = b"<html><body>Service under maintenance</body></html>";

fn ocsp(authority: &Authority, ocsp: &Ocsp, body: &[u8]) -> Response {
    let proper = |signer: &str| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (request, response) = (folder.path().join("request"), folder.path().join("response"));
        std::fs::write(&request, body).expect("the request");
        let mut answer = openssl(&["ocsp", "-index", "issuing.index", "-CA", "issuing.pem", "-ndays", "1"]);
        answer.args(["-rsigner", &format!("{signer}.pem"), "-rkey", &format!("{signer}.key")]);
        answer.arg("-reqin").arg(&request).arg("-respout").arg(&response);
        let _turn = authority.turn();
        run(answer.current_dir(authority.folder()));
        std::fs::read(response).expect("the response")
    };
    let odd = |how: &str, seconds: u64| odd_ocsp(authority, body, how, seconds);
    let response = match ocsp {
        Ocsp::Down => return Response::HangUp,
        Ocsp::Status(status) => return Response::Answer(*status, "text/plain", Vec::new()),
        Ocsp::Garbage => return Response::Answer(200, "text/html", GARBAGE.to_vec()),
        Ocsp::Proper | Ocsp::ByGet => proper("responder"),
        Ocsp::Archive => odd("archive", 0),
        Ocsp::ByIssuer => proper("issuing"),
        Ocsp::ByChecked => proper("checked-responder"),
        Ocsp::Slow(time) => {
            std::thread::sleep(*time);
            proper("responder")
        }
        Ocsp::TryLater => vec![0x30, 0x03, 0x0a, 0x01, 0x03],
        Ocsp::Stale => odd("stale", 0),
        Ocsp::Old(age) => odd("old", age.as_secs()),
        Ocsp::Future => odd("future", 0),
        Ocsp::WrongResponder => odd("stranger", 0),
        Ocsp::WithoutUsage => odd("no-responder", 0),
        Ocsp::OtherCertificate => odd("other-certificate", 0),
        Ocsp::WrongNonce => odd("wrong-nonce", 0),
        Ocsp::Forged => {
            // `good` of the first answer is empty; one second of its time is another second.
            let mut response = proper("responder");
            let at = response.windows(2).position(|pair| pair == b"\x18\x0f").expect("a time") + 15;
            response[at] ^= 1;
            response
        }
    };
    Response::Answer(200, "application/ocsp-response", response)
}

fn odd_ocsp(authority: &Authority, body: &[u8], how: &str, seconds: u64) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("request"), body).expect("the request");
    let mut python = Command::new(python());
    python.arg(repository().join("tests/src/live_pki/odd_ocsp_response.py")).arg(authority.folder());
    run(python.arg(folder.path()).args([how, &seconds.to_string()]));
    std::fs::read(folder.path().join("response")).expect("the response")
}

fn odd_crl(authority: &Authority, name: &str, how: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut python = Command::new(python());
    python.arg(repository().join("tests/src/live_pki/odd_crl.py")).arg(authority.folder()).arg(name);
    run(python.arg(folder.path()).arg(how));
    std::fs::read(folder.path().join("crl")).expect("the CRL")
}

// Where `scripts/tools-env` says.
fn python() -> std::path::PathBuf {
    let folder = std::env::var_os("SIGILLO_TOOLS_DIR")
        .map(std::path::PathBuf::from)
        .unwrap_or_else(|| Path::new(&std::env::var_os("HOME").expect("HOME")).join(".cache/sigillo/tools"));
    let python = folder.join("venv/bin/python");
    assert!(python.exists(), "{} is missing; install it with: scripts/install-tools", python.display());
    python
}

fn crl(authority: &Authority, crl: Crl, name: &str) -> Response {
    const DER: &str = "application/pkix-crl";
    let make = |name: &str, section: &str, dates: &[&str]| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let pem = folder.path().join("crl");
        let mut make = openssl(&["ca", "-gencrl", "-config", &format!("{name}.ca"), "-crlexts", section]);
        make.args(["-cert", &format!("{name}.pem"), "-keyfile", &format!("{name}.key"), "-out"]).arg(&pem).args(dates);
        let _turn = authority.turn();
        run(make.current_dir(authority.folder()));
        let der = run(openssl(&["crl", "-outform", "DER", "-in"]).arg(&pem)).stdout;
        (std::fs::read(pem).expect("the CRL"), der)
    };
    const DAY: &[&str] = &["-crlhours", "24"];
    match crl {
        Crl::Down => Response::HangUp,
        Crl::Garbage => Response::Answer(200, DER, GARBAGE.to_vec()),
        Crl::Proper => Response::Answer(200, DER, make(name, "crl", DAY).1),
        Crl::Pem => Response::Answer(200, "text/plain", make(name, "crl", DAY).0),
        Crl::Stale => {
            let dates = ["-crl_lastupdate", "20240101000000Z", "-crl_nextupdate", "20240102000000Z"];
            Response::Answer(200, DER, make(name, "crl", &dates).1)
        }
        Crl::OtherIssuer => Response::Answer(200, DER, make("root", "crl", DAY).1),
        Crl::OtherScope => Response::Answer(200, DER, make(name, "other-scope", DAY).1),
        Crl::Indirect => Response::Answer(200, DER, make(name, "indirect", DAY).1),
        Crl::Delta => Response::Answer(200, DER, make(name, "delta", DAY).1),
        Crl::ForeignEntry => Response::Answer(200, DER, odd_crl(authority, name, "foreign-entry")),
        Crl::Archive => Response::Answer(200, DER, odd_crl(authority, name, "archive")),
        Crl::Forged => {
            let mut der = make(name, "crl", DAY).1;
            let at = der.windows(2).position(|pair| pair == b"\x17\x0d").expect("a time") + 13;
            der[at] ^= 1;
            Response::Answer(200, DER, der)
        }
    }
}

fn issuer(authority: &Authority, issuer: Issuer, name: &str) -> Response {
    const DER: &str = "application/pkix-cert";
    let der = |name: &str| run(openssl(&["x509", "-outform", "DER", "-in"]).arg(authority.certificate(name))).stdout;
    match issuer {
        Issuer::Der => Response::Answer(200, DER, der(name)),
        Issuer::Pem => {
            let pem = std::fs::read(authority.certificate(name)).expect("the certificate");
            Response::Answer(200, "text/plain", pem)
        }
        Issuer::Pkcs7 => {
            let mut bundle = openssl(&["crl2pkcs7", "-nocrl", "-outform", "DER"]);
            for name in ["stranger", "issuing", "root"] {
                bundle.arg("-certfile").arg(authority.certificate(name));
            }
            Response::Answer(200, "application/pkcs7-mime", run(&mut bundle).stdout)
        }
        Issuer::Down => Response::HangUp,
        Issuer::Other => Response::Answer(200, DER, der("stranger")),
    }
}

fn timestamp(authority: &Authority, timestamp: &Timestamp, request: &Request) -> Response {
    let granted_with = |query: &[u8], more: &[&str]| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (file, response) = (folder.path().join("query"), folder.path().join("response"));
        std::fs::write(&file, query).expect("the query");
        let mut reply = openssl(&["ts", "-reply", "-config", "tsa.cnf", "-queryfile"]);
        let _turn = authority.turn();
        run(reply.arg(&file).arg("-out").arg(&response).args(more).current_dir(authority.folder()));
        std::fs::read(response).expect("the response")
    };
    let granted = |query: &[u8]| granted_with(query, &[]);
    // Another query of openssl's own over this digest.
    let query = |digest: &str, more: &[&str]| {
        run(openssl(&["ts", "-query", "-sha256", "-cert", "-digest", digest]).args(more)).stdout
    };
    let response = match timestamp {
        Timestamp::Down => return Response::HangUp,
        Timestamp::Status(status) => return Response::Answer(*status, "text/plain", Vec::new()),
        Timestamp::Garbage => return Response::Answer(200, "text/html", GARBAGE.to_vec()),
        Timestamp::Authorized(header) if request.header("Authorization") != Some(header) => {
            return Response::Answer(401, "text/plain", Vec::new());
        }
        Timestamp::Proper | Timestamp::Authorized(_) => granted(&request.body),
        Timestamp::Slow(time) => {
            std::thread::sleep(Duration::max(*time, Duration::from_millis(1)));
            granted(&request.body)
        }
        Timestamp::Large | Timestamp::Huge => {
            // Certificates that lead nowhere; nobody may mind them.
            let count = if matches!(timestamp, Timestamp::Large) { 4 } else { 8 };
            let name = format!("many-{count}.pem");
            let many = authority.folder().join(&name);
            if !many.exists() {
                let comment = format!("nsComment={}", "much ".repeat(2000));
                let mut make =
                    openssl(&["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
                make.args(["-subj", "/CN=Stranger", "-addext", &comment, "-keyout", "/dev/null"]);
                let certificates: Vec<Vec<u8>> = (0..count).map(|_| run(&mut make).stdout).collect();
                let issuing = std::fs::read(authority.folder().join("issuing.pem")).expect("the issuer");
                std::fs::write(&many, [issuing, certificates.concat()].concat()).expect("the certificates");
            }
            granted_with(&request.body, &["-chain", &name])
        }
        Timestamp::WrongNonce => granted(&query(&imprint(&request.body), &[])),
        Timestamp::NoNonce => granted(&query(&imprint(&request.body), &["-no_nonce"])),
        Timestamp::WrongImprint => {
            // The same query over another digest, which is as long.
            let digest = hex::decode(imprint(&request.body)).expect("hexadecimal");
            let mut body = request.body.clone();
            let at = body.windows(digest.len()).position(|part| part == digest).expect("the digest");
            body[at] ^= 1;
            granted(&body)
        }
        // SHA-1, which is not among its digests.
        Timestamp::Refusing => {
            granted(&run(openssl(&["ts", "-query", "-sha1", "-digest", &"00".repeat(20)]).args(["-cert"])).stdout)
        }
        Timestamp::Forged => {
            let mut response = granted(&request.body);
            let at = response.windows(2).position(|pair| pair == b"\x18\x0f").expect("genTime") + 15;
            response[at] ^= 1;
            response
        }
    };
    Response::Answer(200, "application/timestamp-reply", response)
}

/// The digest that is to be stamped, in hexadecimal, as openssl reads the query.
fn imprint(query: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("query");
    std::fs::write(&file, query).expect("the query");
    let text = run(openssl(&["asn1parse", "-inform", "DER", "-in"]).arg(&file)).stdout;
    let text = String::from_utf8_lossy(&text).into_owned();
    let dump = text.lines().find_map(|line| line.split_once("[HEX DUMP]:")).expect("an imprint");
    dump.1.trim().to_lowercase()
}
