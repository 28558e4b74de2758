//! Writes the documents that fuzzing begins with: in the folder `SIGILLO_FUZZ_SEEDS` one for each target, from the fixtures and from what our
//! workers make of them. With `SIGILLO_CORPUS`, the smaller files of that folder's `pdf` and `xml` too.

#![no_main]

use std::path::{Path, PathBuf};

use cryptotoken_api::{DigestAlgorithm, DtbsRepresentation};
use fuzz::Bench;
use fuzz::authority::{RESPONDER, SEAL, TSA, crl, root_pem, tsa};
use libfuzzer_sys::fuzz_target;
use workers::TimestampRequest;

/// Bigger ones make the fuzzer slow, and say nothing that smaller ones do not.
const LARGEST: u64 = 16_000;

// What is built with the fuzzer's counters needs the fuzzer, also where nothing is fuzzed.
fuzz_target!(
    init: {
        write_seeds();
        std::process::exit(0)
    },
    |_octets: &[u8]| {}
);

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
        write("pdf_sign", name, &pdf);
        for level in LEVELS {
            let sealed = worker("pades", level).sign(&pdf).expect("a sealed document");
            write("pdf_augment", &format!("{level}-{name}"), &sealed.contiguous());
            // Several seals, which the next one must not break.
            let again = worker("pades", "B-B").sign(&sealed.contiguous()).expect("a document sealed twice");
            write("pdf_sign", &format!("{level}-{name}"), &sealed.contiguous());
            write("pdf_augment", &format!("{level}-twice-{name}"), &again.contiguous());
        }
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
    for serials in [&[][..], &[1, 3], &[2], &[7; 100]] {
        write("crl", &format!("{}-revoked", serials.len()), &crl(serials));
    }
    for algorithm in DigestAlgorithm::ALL {
        let imprint = DtbsRepresentation::new(algorithm, algorithm.digest(b"document")).expect("an imprint");
        let request = TimestampRequest::new(imprint, None).expect("random numbers").to_der().expect("a request");
        write("timestamp_request", algorithm.name(), &request);
        let reply = tsa().sign(&request).expect("a reply");
        write("timestamp_token", &format!("reply-{algorithm}"), &reply.contiguous());
        let token = fuzz::der::members(&reply.contiguous())[1].to_vec();
        write("timestamp_token", &format!("token-{algorithm}"), &token);
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
}

const LEVELS: [&str; 4] = ["B-B", "B-T", "B-LT", "B-LTA"];

fn with(level: &str) -> String {
    if level == "B-B" { String::new() } else { format!("\nlevel = \"{level}\"") }
}

fn worker(kind: &str, level: &str) -> Bench {
    Bench::new(&format!("kind = \"{kind}\"{}", with(level)))
}

fn documents(folder: &Path, kind: &str) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder.join(kind)).expect("a folder").map(|entry| entry.expect("an entry"));
    let small = entries.filter(|entry| entry.metadata().expect("a file").len() <= LARGEST);
    small
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).expect("a file")))
        .collect()
}

/// Documents of some hundred octets, in which a changed octet is more likely to matter.
fn small_pdfs() -> Vec<(&'static str, Vec<u8>)> {
    let page = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Annots[5 0 R]>>";
    let field = "<</Type/Annot/Subtype/Widget/FT/Sig/T(seal)/Rect[1 1 9 9]/F 4/P 3 0 R>>";
    let objects = [
        "<</Type/Catalog/Pages 2 0 R/AcroForm 4 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        page,
        "<</Fields[5 0 R]/SigFlags 1>>",
        field,
    ];
    let plain = ["<</Type/Catalog/Pages 2 0 R>>", objects[1], "<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>"];
    vec![
        ("table-form", with_table(&objects)),
        ("stream-form", with_stream(&objects)),
        ("compressed-form", compressed(&objects)),
        ("table", with_table(&plain)),
        ("stream", with_stream(&plain)),
        ("compressed", compressed(&plain)),
    ]
}

const ID: &str = "/ID[<00112233445566778899AABBCCDDEEFF><00112233445566778899AABBCCDDEEFF>]";

fn body(objects: &[&str]) -> (Vec<u8>, Vec<usize>) {
    let (mut file, mut offsets) = (b"%PDF-1.7\n".to_vec(), Vec::new());
    for (number, object) in (1..).zip(objects) {
        offsets.push(file.len());
        file.extend(format!("{number} 0 obj\n{object}\nendobj\n").as_bytes());
    }
    (file, offsets)
}

fn with_table(objects: &[&str]) -> Vec<u8> {
    let (mut file, offsets) = body(objects);
    let (start, size) = (file.len(), offsets.len() + 1);
    file.extend(format!("xref\n0 {size}\n0000000000 65535 f \n").as_bytes());
    for offset in offsets {
        file.extend(format!("{offset:010} 00000 n \n").as_bytes());
    }
    file.extend(format!("trailer\n<</Size {size}/Root 1 0 R{ID}>>\nstartxref\n{start}\n%%EOF\n").as_bytes());
    file
}

fn with_stream(objects: &[&str]) -> Vec<u8> {
    let (mut file, mut offsets) = body(objects);
    offsets.push(file.len());
    let entries: Vec<u8> = offsets.iter().flat_map(|offset| entry(1, *offset, 0)).collect();
    finish(&mut file, &offsets, [entry(0, 0, 255).to_vec(), entries].concat());
    file
}

/// All objects in one stream.
fn compressed(objects: &[&str]) -> Vec<u8> {
    let (mut index, mut content) = (String::new(), String::new());
    for (number, object) in (1..).zip(objects) {
        index.push_str(&format!("{number} {} ", content.len()));
        content.push_str(object);
        content.push(' ');
    }
    let container = objects.len() + 1;
    let mut file = b"%PDF-1.7\n".to_vec();
    let (first, length) = (index.len(), index.len() + content.len());
    let dictionary = format!("<</Type/ObjStm/N {}/First {first}/Length {length}>>", objects.len());
    file.extend(format!("{container} 0 obj\n{dictionary}\nstream\n{index}{content}\nendstream\nendobj\n").as_bytes());
    let mut entries = entry(0, 0, 255).to_vec();
    entries.extend((0..objects.len()).flat_map(|index| entry(2, container, index)));
    entries.extend(entry(1, 9, 0));
    let offsets = vec![0; container + 1];
    entries.extend(entry(1, file.len(), 0));
    finish(&mut file, &offsets, entries);
    file
}

fn entry(kind: u8, second: usize, third: usize) -> [u8; 4] {
    let [high, low] = u16::try_from(second).expect("a small file").to_be_bytes();
    [kind, high, low, u8::try_from(third).expect("few objects")]
}

fn finish(file: &mut Vec<u8>, offsets: &[usize], entries: Vec<u8>) {
    let (start, number) = (file.len(), offsets.len());
    let dictionary = format!("<</Type/XRef/W[1 2 1]/Size {}/Root 1 0 R/Length {}{ID}>>", number + 1, entries.len());
    file.extend(format!("{number} 0 obj\n{dictionary}\nstream\n").as_bytes());
    file.extend(entries);
    file.extend(format!("\nendstream\nendobj\nstartxref\n{start}\n%%EOF\n").as_bytes());
}

const DEFINITIONS: [&str; 6] = [
    "name = \"seal\"\nkind = \"pades\"\ncredential = \"seal\"\nlevel = \"B-LT\"\ntimestamp = { url = \"https://a.example/tsp\" }\ndegrade = \"on-outage\"\nminimum_level = \"B-B\"\ncaller_may_set = [\"reason\", \"location\"]\nfield = \"seal\"\ncertification = 2\n",
    "name = \"a\"\nkind = \"cades\"\ncredential = \"b\"\npackaging = \"detached\"\nqualified = \"eseal\"\nclaimed_roles = [\"x\"]\ncommitment_type = \"proof-of-origin\"\n",
    "name = \"a\"\nkind = \"xades\"\ncredential = \"b\"\npackaging = \"detached\"\ndocument_uri = \"a.xml\"\n[signer_location]\ncountry = \"EE\"\n",
    "name = \"a\"\nkind = \"timestamp\"\ncredential = \"b\"\npolicy = \"1.2.3\"\naccepted_digests = [\"SHA-256\"]\naccuracy = \"500ms\"\nclock = \"trusted\"\n",
    "{\"name\":\"a\",\"kind\":\"plain\",\"credential\":\"b\",\"ecdsa_encoding\":\"fixed\",\"allow_client_hash\":true,\"digest\":\"SHA-384\",\"signature_scheme\":\"ecdsa\"}",
    "name = \"a\"\nkind = \"cades\"\ncredential = \"b\"\nlevel = \"B-LTA\"\ntimestamp = { worker = \"tsa\" }\nrevocation_freshness = \"after-signature\"\nstatus_max_age = \"1d\"\n",
];
