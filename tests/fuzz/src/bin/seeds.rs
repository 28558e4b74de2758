//! Writes the documents that fuzzing begins with: in the folder `SIGILLO_FUZZ_SEEDS` one for each target, from the fixtures and from what our
//! workers make of them. With `SIGILLO_CORPUS`, the smaller files of that folder's `pdf` and `xml` too.

#![no_main]

use std::path::{Path, PathBuf};
use std::process::Command;

use cryptotoken_api::{DigestAlgorithm, DtbsRepresentation};
use fuzz::Bench;
use fuzz::authority::{RESPONDER, SEAL, TSA, crl, extension, root_pem, tsa};
use fuzz::der;
use libfuzzer_sys::fuzz_target;
use openssl::base64::encode_block;
use workers::TimestampRequest;

/// Bigger ones make the fuzzer slow, and say nothing that smaller ones do not.
const LARGEST: u64 = 16_000;

// What is built with the fuzzer's counters needs the fuzzer, also where nothing is fuzzed.
fuzz_target!(
    init: {
        write_seeds();
    },
    |_octets: &[u8]| {}
);

/// And ends.
fn write_seeds() {
    let folder = PathBuf::from(std::env::var_os("SIGILLO_FUZZ_SEEDS").expect("SIGILLO_FUZZ_SEEDS"));
    let write = |target: &str, name: &str, octets: &[u8]| {
        let folder = folder.join(target);
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(name), octets).expect("a seed");
    };
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let (pdfs, xmls) = (documents(&fixtures, "pdf"), documents(&fixtures, "xml"));

    for (name, pdf) in &pdfs {
        write("pdf_sign", name, pdf);
        write("pdf_augment", name, pdf);
        for level in LEVELS {
            if let Ok(sealed) = worker("pades", level).sign(pdf) {
                write("pdf_augment", &format!("{level}-{name}"), &sealed.contiguous());
            }
        }
    }
    for (name, pdf) in small_pdfs() {
        write("pdf_sign", &name, &pdf);
        write("pdf_augment", &name, &pdf);
        for level in LEVELS {
            // Damaged ones and those with a password are only signed, or refused.
            let Ok(sealed) = worker("pades", level).sign(&pdf) else { continue };
            write("pdf_augment", &format!("{level}-{name}"), &sealed.contiguous());
            write("pdf_sign", &format!("{level}-{name}"), &sealed.contiguous());
            // Several seals, which the next one must not break.
            if let Ok(again) = worker("pades", "B-B").sign(&sealed.contiguous()) {
                write("pdf_augment", &format!("{level}-twice-{name}"), &again.contiguous());
            }
        }
    }
    for target in ["xml_sign", "canonicalization"] {
        write(target, "internal-subset", INTERNAL_SUBSET);
    }
    for (name, xml) in &xmls {
        write("xml_sign", name, xml);
        write("canonicalization", name, xml);
        for level in LEVELS {
            for packaging in ["enveloped", "enveloping", "internally-detached", "detached"] {
                let definition = format!("kind = \"xades\"\npackaging = \"{packaging}\"{}", with(level));
                let document: &[u8] = if packaging == "detached" { b"document" } else { xml };
                let Ok(signed) = Bench::new(&definition).sign(document) else { continue };
                let name = format!("{level}-{packaging}-{name}");
                write("xml_augment", &name, &signed.contiguous());
                write("canonicalization", &name, &signed.contiguous());
                if level == "B-B" {
                    write("xml_sign", &name, &signed.contiguous());
                }
            }
        }
    }
    for level in LEVELS {
        for packaging in ["encapsulated", "detached"] {
            let worker = Bench::new(&format!("kind = \"cades\"\npackaging = \"{packaging}\"{}", with(level)));
            let signed = worker.sign(b"document").expect("a signature");
            write("cms", &format!("{level}-{packaging}"), &signed.contiguous());
            let joined = Bench::new("kind = \"cades\"\nmode = \"co-sign\"").sign(&signed.contiguous());
            if let Ok(joined) = joined {
                write("cms", &format!("{level}-{packaging}-joined"), &joined.contiguous());
            }
        }
    }

    let [leaf, root] = SEAL.chain.certificates() else { unreachable!("two certificates") };
    write("certificates", "leaf", leaf.der());
    write("certificates", "root", root.der());
    write("certificates", "tsa", TSA.chain.leaf().der());
    write("certificates", "responder", RESPONDER.chain.leaf().der());
    write("certificates", "key", leaf.key().spki_der());
    write("certificates", "root.pem", root_pem().as_bytes());
    write("certificates", "twice.pem", [root_pem(), root_pem()].concat().as_bytes());
    write("certificates", "cms", &worker("cades", "B-B").sign(b"").expect("a signature").contiguous());
    write("ocsp", "good", &SEAL.ocsp_response());
    write("ocsp", "try-later", &[0x30, 0x03, 0x0a, 0x01, 0x03]);
    // OCSPResponse, responseBytes, ResponseBytes, its octets, BasicOCSPResponse.
    write("ocsp", "data", inner(&SEAL.ocsp_response(), &[1, 0, 1, 0, 0]));
    let reason = der::sequence(&[&extension(&[0x55, 0x1d, 0x15], &[0x0a, 0x01, 0x06])]);
    // What covers its scope, how long it keeps what expired, and that it is a delta.
    let extensions = [
        extension(&[0x55, 0x1d, 0x1c], &der::sequence(&[&[0x81, 0x01, 0xff]])),
        extension(&[0x55, 0x1d, 0x3c], &der::tlv(0x18, &[b"20250115080000Z"])),
        extension(&[0x55, 0x1d, 0x1b], &[0x02, 0x01, 0x04]),
    ];
    for (serials, entry, list) in [
        (&[][..], &[][..], &[][..]),
        (&[1, 3], &[], &extensions[0]),
        (&[2], &reason, &extensions[1]),
        (&[2], &[], &[]),
        (&[7; 100], &reason, &extensions[2]),
    ] {
        let (name, list) = (format!("{}-{}-{}", serials.len(), entry.len(), list.len()), crl(serials, entry, list));
        write("crl", &name, &list);
        write("crl", &format!("{name}-signed"), inner(&list, &[0]));
        let pem = format!("-----BEGIN X509 CRL-----\n{}\n-----END X509 CRL-----\n", encode_block(&list));
        write("crl", &format!("{name}.pem"), pem.as_bytes());
    }
    for algorithm in DigestAlgorithm::ALL {
        let imprint = DtbsRepresentation::new(algorithm, algorithm.digest(b"document")).expect("an imprint");
        let request = TimestampRequest::new(imprint, None).expect("random numbers").to_der().expect("a request");
        write("timestamp_request", algorithm.name(), &request);
        let reply = tsa().sign(&request).expect("a reply");
        write("timestamp_token", &format!("reply-{algorithm}"), &reply.contiguous());
        let token = inner(&reply.contiguous(), &[1]).to_vec();
        write("timestamp_token", &format!("token-{algorithm}"), &token);
        // ContentInfo, SignedData, EncapsulatedContentInfo, its octets.
        write("timestamp_token", &format!("info-{algorithm}"), inner(&token, &[1, 0, 2, 1, 0, 0]));
    }
    for (name, request) in timestamp_requests() {
        write("timestamp_request", name, &request);
    }
    for kind in ["pictures", "fonts"] {
        for (name, octets) in documents(&fixtures, kind) {
            write(kind.trim_end_matches('s'), &name, &octets);
        }
    }
    for (target, tables) in [("appearance", APPEARANCES.as_slice()), ("parameters", &PARAMETERS)] {
        for (number, json) in tables.iter().enumerate() {
            write(target, &number.to_string(), json.as_bytes());
        }
    }
    for (number, definition) in DEFINITIONS.iter().enumerate() {
        write("definition", &format!("{number}"), definition.as_bytes());
    }

    if let Some(corpus) = std::env::var_os("SIGILLO_CORPUS").map(PathBuf::from) {
        for (folder, targets) in
            [("pdf", &["pdf_sign", "pdf_augment"][..]), ("xml", &["xml_sign", "xml_augment", "canonicalization"])]
        {
            for (name, document) in documents(&corpus, folder) {
                targets.iter().for_each(|target| write(target, &format!("corpus-{name}"), &document));
            }
        }
    }
    std::process::exit(0);
}

const LEVELS: [&str; 4] = ["B-B", "B-T", "B-LT", "B-LTA"];

fn with(level: &str) -> String {
    if level == "B-B" { String::new() } else { format!("\nlevel = \"{level}\"") }
}

fn worker(kind: &str, level: &str) -> Bench {
    Bench::new(&format!("kind = \"{kind}\"{}", with(level)))
}

/// Small ones by hand, whole and damaged, and by qpdf what else there is.
fn small_pdfs() -> Vec<(String, Vec<u8>)> {
    let by_hand = fuzz::pdf::small();
    let mut all: Vec<_> = by_hand.iter().map(|(name, pdf)| ((*name).to_owned(), pdf.clone())).collect();
    let folder = std::env::temp_dir().join(format!("sigillo-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (before, after) = (folder.join("before.pdf"), folder.join("after.pdf"));
    for (name, pdf) in &by_hand[..2] {
        std::fs::write(&before, pdf).expect("a file");
        for way in QPDF {
            let words = way.split(' ').map(|word| if word == "PASSWORD" { fuzz::pdf::PASSWORD } else { word });
            let words = words.map(|word| if word == "NONE" { "" } else { word });
            let options = ["--static-id", "--static-aes-iv", "--allow-weak-crypto", "--warning-exit-0"];
            let ran = Command::new("qpdf").args(options).args(words).args([&before, &after]).status();
            assert!(ran.expect("qpdf").success(), "qpdf {way}");
            all.push((format!("{name} {way}"), std::fs::read(&after).expect("a file")));
        }
    }
    std::fs::remove_dir_all(folder).expect("no folder");
    all
}

/// Compression with predictors, linearisation, and every encryption, without and with a password to open.
const QPDF: [&str; 9] = [
    "--object-streams=generate",
    "--linearize",
    "--linearize --object-streams=generate",
    "--encrypt NONE owner 40 --",
    "--encrypt NONE owner 128 --use-aes=n --",
    "--object-streams=generate --encrypt PASSWORD owner 128 --use-aes=y --cleartext-metadata --",
    "--encrypt NONE owner 256 --force-R5 --",
    "--encrypt PASSWORD owner 256 --",
    "--object-streams=generate --encrypt NONE owner 256 --cleartext-metadata --",
];

/// A member of a member of … of this value.
fn inner<'a>(der: &'a [u8], path: &[usize]) -> &'a [u8] {
    path.iter().fold(der, |der, number| der::members(der)[*number])
}

/// What requests may have, and may not: each part, and none.
fn timestamp_requests() -> Vec<(&'static str, Vec<u8>)> {
    let (version, sha256) = ([0x02, 0x01, 0x01], [0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01]);
    let imprint = |parameters: &[u8]| {
        der::sequence(&[
            &der::sequence(&[&sha256, parameters]),
            &der::tlv(0x04, &[&DigestAlgorithm::Sha256.digest(b"")]),
        ])
    };
    let (policy, nonce, certificates) = ([0x06, 0x03, 0x2a, 0x03, 0x04], [0x02, 0x01, 0x07], [0x01, 0x01, 0xff]);
    let extensions = der::tlv(0xa0, &[&extension(&[0x2a, 0x03], &[0x05, 0x00])]);
    vec![
        ("plain", der::sequence(&[&version, &imprint(&[])])),
        ("null", der::sequence(&[&version, &imprint(&[0x05, 0x00]), &certificates])),
        ("policy", der::sequence(&[&version, &imprint(&[]), &policy, &nonce])),
        ("long-nonce", der::sequence(&[&version, &imprint(&[]), &der::tlv(0x02, &[&[0x40; 64]]), &certificates])),
        ("extensions", der::sequence(&[&version, &imprint(&[]), &policy, &nonce, &certificates, &extensions])),
    ]
}

fn documents(folder: &Path, kind: &str) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder.join(kind)).expect("a folder").map(|entry| entry.expect("an entry"));
    let small = entries.filter(|entry| entry.metadata().expect("a file").len() <= LARGEST);
    small
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).expect("a file")))
        .collect()
}

const DEFINITIONS: [&str; 9] = [
    "name = \"seal\"\nkind = \"pades\"\ncredential = \"seal\"\nlevel = \"B-LT\"\ntimestamp = { url = \"https://a.example/tsp\" }\ndegrade = \"on-outage\"\nminimum_level = \"B-B\"\ncaller_may_set = [\"reason\", \"location\"]\nfield = \"seal\"\ncertification = 2\n",
    "name = \"a\"\nkind = \"cades\"\ncredential = \"b\"\npackaging = \"detached\"\nqualified = \"eseal\"\nclaimed_roles = [\"x\"]\ncommitment_type = \"proof-of-origin\"\n",
    "name = \"a\"\nkind = \"xades\"\ncredential = \"b\"\npackaging = \"detached\"\ndocument_uri = \"a.xml\"\n[signer_location]\ncountry = \"EE\"\n",
    "name = \"a\"\nkind = \"timestamp\"\ncredential = \"b\"\npolicy = \"1.2.3\"\naccepted_digests = [\"SHA-256\"]\naccuracy = \"500ms\"\nclock = \"trusted\"\n",
    "{\"name\":\"a\",\"kind\":\"plain\",\"credential\":\"b\",\"ecdsa_encoding\":\"fixed\",\"allow_client_hash\":true,\"digest\":\"SHA-384\",\"signature_scheme\":\"ecdsa\"}",
    "name = \"a\"\nkind = \"pades\"\ncredential = \"b\"\nlock = { include = [\"a.b\"] }\n[appearance]\ntext = \"{signer}\\n{time}\"\nqr = \"https://a.example\"\nbackground = \"#ffffff\"\ntime_format = \"%Y\"\nborder_width = 1.5\n",
    "name = \"a\"\nkind = \"xades\"\ncredential = \"b\"\npackaging = \"internally-detached\"\nelements = [\"x\"]\ncanonicalization = \"inclusive-1.1\"\nsigning_certificate = \"v1\"\nkey_info = \"leaf\"\nid_prefix = \"x\"\n[signature_policy]\noid = \"1.2.3\"\ndigest = \"ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=\"\n",
    "name = \"a\"\nkind = \"xades\"\ncredential = \"b\"\nplace = { xpath = \"/n:a/b[2]\", namespaces = { n = \"urn:n\" }, position = \"first\" }\n",
    "name = \"a\"\nkind = \"cades\"\ncredential = \"b\"\nlevel = \"B-LTA\"\ntimestamp = { worker = \"tsa\" }\nrevocation_freshness = \"after-signature\"\nstatus_max_age = \"1d\"\n",
];

const APPEARANCES: [&str; 4] = [
    r##"{"page":-1,"anchor":"top-right","x":10,"y":-10,"width":120,"height":40,"text":"{signer} {time}\n{reason}","font_size":7}"##,
    r##"{"text":"\u05d0\u05d1 A {custom.a}","custom":{"a":"f i \u00e9"},"qr":"https://a.example/{custom.a}","qr_error_correction":"high"}"##,
    r##"{"page":"last","text_color":"#123456","background":"#ffffff","border_width":0.5,"border_color":"#ff0000","time_format":"%d.%m.%Y %H:%M:%S %z","time_zone":"+02:00"}"##,
    r##"{"text":"","image":"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==","image_position":"behind","width":14400}"##,
];

const PARAMETERS: [&str; 4] = [
    r##"{"commitment_type":"proof-of-origin","claimed_roles":["a & <b>","\u00f5"],"mime_type":"text/plain"}"##,
    r##"{"signer_location":{"country":"EE","locality":"Tartu <&\">","postal_address":["a","b"]},"commitment_type":"1.2.3.4"}"##,
    r##"{"signature_policy":{"oid":"1.2.3","digest":"ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=","digest_algorithm":"SHA-256","uri":"https://a.example/?a&b"}}"##,
    r##"{"elements":["one","two"],"content_hints":{"description":"a"},"mime_type":"a/b"}"##,
];

const INTERNAL_SUBSET: &[u8] = b"<!DOCTYPE a [<!ELEMENT a (b*|(c,d?)+)> <!ELEMENT b (#PCDATA|c)*> <!-- c --> <?p i?>\
    <!ATTLIST b i ID #IMPLIED w NMTOKENS #REQUIRED e (x|y) #IMPLIED t CDATA #IMPLIED>\
    <!NOTATION n PUBLIC 'p' \"s\">]><a><b i=' x ' w=' y  z ' e=' x' t=' t '/></a>";
