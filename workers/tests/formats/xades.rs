//! XAdES signatures, judged by xmlsec1, xmllint and OpenSSL.

use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cryptotoken_api::KeySpec;
use workers::{ConfigError, Fault, SigningParameters, WorkerConfig, WorkerError};

use crate::software_key::{SoftwareKey, run};

const INVOICE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<!-- before -->\r\n<Invoice xmlns=\"urn:invoice\" \
    xmlns:c='urn:c' Id=\"invoice\">\r\n  <c:Total currency='EUR' c:b=\"&lt;2&quot;&#10;\">1 000,00 \u{20AC}</c:Total>\
    <![CDATA[<&>]]>\r\n</Invoice>\r\n<?after me?>\n";

/// Whether xmlsec1 accepts the last signature of a document.
fn xmlsec1_accepts(key: &SoftwareKey, document: &[u8]) -> Result<String, String> {
    xmlsec1_accepts_references(key, document, "2/2")
}

/// The same of a signature with other references than one to the document and one to the properties.
fn xmlsec1_accepts_references(key: &SoftwareKey, document: &[u8], count: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    key.write_certificates(folder.path());
    std::fs::write(folder.path().join("signed.xml"), document).unwrap();
    let mut command = Command::new("xmlsec1");
    command.args(["--verify", "--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties"]);
    command.args(["--node-xpath", "(//*[local-name()='Signature'])[last()]"]);
    command.arg("--trusted-pem").arg(folder.path().join("root.pem")).arg(folder.path().join("signed.xml"));
    let output = run(&mut command)?;
    if output.contains(&format!("SignedInfo References (ok/all): {count}")) { Ok(output) } else { Err(output) }
}

fn sign(key: &SoftwareKey, document: &[u8]) -> Result<Vec<u8>, WorkerError> {
    key.sign("kind = \"xades\"", document).map(|signed| signed.contiguous().into_owned())
}

fn refusal(document: &str) -> String {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let error = sign(&key, document.as_bytes()).unwrap_err();
    assert_eq!(error.fault(), Fault::Document);
    error.to_string()
}

#[test]
fn xmlsec1_accepts_signatures_of_every_algorithm_it_knows() {
    for (spec, definition) in [
        (KeySpec::Rsa3072, ""),
        (KeySpec::Rsa3072, "digest = \"SHA-384\""),
        (KeySpec::Rsa3072, "digest = \"SHA-512\""),
        (KeySpec::EcP256, ""),
        (KeySpec::EcP384, ""),
        (KeySpec::EcP521, ""),
    ] {
        let key = SoftwareKey::generate(spec);
        let signed = key.sign(&format!("kind = \"xades\"\n{definition}"), INVOICE.as_bytes()).unwrap();
        xmlsec1_accepts(&key, &signed.contiguous()).unwrap_or_else(|error| panic!("{spec} {definition}: {error}"));
    }
}

#[test]
fn openssl_accepts_pss_signatures_over_what_xmllint_canonicalises() {
    for (digest, option) in [("SHA-256", "-sha256"), ("SHA-384", "-sha384"), ("SHA-512", "-sha512")] {
        let key = SoftwareKey::generate(KeySpec::Rsa3072);
        let definition = format!("kind = \"xades\"\nsignature_scheme = \"rsa-pss\"\ndigest = \"{digest}\"");
        let signed = key.sign(&definition, INVOICE.as_bytes()).unwrap().contiguous().into_owned();
        let text = String::from_utf8(signed).unwrap();
        let between = |start: &str, end: &str| {
            let rest = &text[text.find(start).unwrap()..];
            rest[..rest.find(end).unwrap() + end.len()].to_owned()
        };
        let signed_info = between("<ds:SignedInfo>", "</ds:SignedInfo>")
            .replace("<ds:SignedInfo>", "<ds:SignedInfo xmlns:ds='http://www.w3.org/2000/09/xmldsig#'>");
        let value = between("<ds:SignatureValue", "</ds:SignatureValue>");
        let value = value.split(['<', '>']).nth(2).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        key.write_certificates(folder.path());
        std::fs::write(path("signed-info.xml"), signed_info).unwrap();
        std::fs::write(path("value"), STANDARD.decode(value).unwrap()).unwrap();
        let canonical = run(Command::new("xmllint").arg("--exc-c14n").arg(path("signed-info.xml"))).unwrap();
        std::fs::write(path("canonical"), canonical).unwrap();
        let mut command = Command::new("openssl");
        command.args([
            "dgst",
            option,
            "-sigopt",
            "rsa_padding_mode:pss",
            "-sigopt",
            "rsa_pss_saltlen:digest",
            "-verify",
        ]);
        command.arg(path("key.pub")).arg("-signature").arg(path("value")).arg(path("canonical"));
        run(&mut command).unwrap();
    }
}

#[test]
fn the_document_stays_as_it_was_but_for_the_signature() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let signed = String::from_utf8(sign(&key, INVOICE.as_bytes()).unwrap()).unwrap();
    let start = signed.find("<ds:Signature ").unwrap();
    let end = signed.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    assert_eq!([&signed[..start], &signed[end..]].concat(), INVOICE);
    assert!(signed[end..].starts_with("</Invoice>"));
}

#[test]
fn documents_of_every_encoding_and_form_are_signed_in_place() {
    let utf16 = |text: &str, octets: fn(u16) -> [u8; 2]| -> Vec<u8> {
        std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(octets).collect()
    };
    let text = "<?xml version=\"1.0\" encoding=\"UTF-16\"?><\u{E9}>\u{1F600}\u{20AC}</\u{E9}>";
    let key = SoftwareKey::generate(KeySpec::EcP256);
    for document in [
        b"<a/>".to_vec(),
        b"<a b='1' />\n<!-- after -->".to_vec(),
        "<\u{E9}:a xmlns:\u{E9}='urn:e'/>".into(),
        b"\xEF\xBB\xBF<?xml version='1.0'?><a>text</a >".to_vec(),
        b"<?xml version='1.0' encoding='ISO-8859-1'?><\xE9>\xFC</\xE9>".to_vec(),
        b"<?xml version='1.0' encoding='ISO-8859-1'?><\xE9/>".to_vec(),
        b"<?xml version='1.0' encoding='windows-1252'?><a>\x80</a>".to_vec(),
        utf16(text, u16::to_le_bytes),
        utf16(text, u16::to_be_bytes),
        utf16("<\u{E9}\n/>", u16::to_le_bytes),
        b"<a xml:base='http://example.org/' xml:lang='de' xmlns='urn:d'><ds:b xmlns:ds='urn:not-signatures'/></a>"
            .to_vec(),
    ] {
        let signed = sign(&key, &document).unwrap();
        xmlsec1_accepts(&key, &signed).unwrap_or_else(|error| panic!("{document:?}: {error}"));
        let same = |(one, other): &(&u8, &u8)| one == other;
        let before = signed.iter().zip(&document).take_while(same).count();
        let after = signed.iter().rev().zip(document.iter().rev()).take_while(same).count();
        // Only the slash of an empty-element tag may have gone.
        assert!(before + after + 2 >= document.len(), "{document:?}");
    }
}

#[test]
fn signatures_stand_side_by_side_and_all_stay_valid() {
    let first = SoftwareKey::generate(KeySpec::EcP256);
    let second = SoftwareKey::generate(KeySpec::Rsa3072);
    let once = sign(&first, INVOICE.as_bytes()).unwrap();
    let twice = sign(&second, &once).unwrap();
    let thrice = sign(&first, &twice).unwrap();
    xmlsec1_accepts(&second, &twice).unwrap();
    xmlsec1_accepts(&first, &thrice).unwrap();
    // xmlsec1 looks at the last one: what comes before it must verify with the later ones cut out of its sight only.
    for (number, key) in [(1, &first), (2, &second), (3, &first)] {
        let folder = tempfile::tempdir().unwrap();
        key.write_certificates(folder.path());
        std::fs::write(folder.path().join("signed.xml"), &thrice).unwrap();
        let mut command = Command::new("xmlsec1");
        command.args(["--verify", "--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties"]);
        command.arg("--node-xpath").arg(format!("(//*[local-name()='Signature'])[{number}]"));
        command.arg("--trusted-pem").arg(folder.path().join("root.pem")).arg(folder.path().join("signed.xml"));
        run(&mut command).unwrap();
    }
}

#[test]
fn xmlsec1_rejects_a_document_in_which_any_signed_byte_is_changed() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let signed = String::from_utf8(sign(&key, INVOICE.as_bytes()).unwrap()).unwrap();
    let place = |part: &str| signed.find(part).unwrap_or_else(|| panic!("{part} is not there")) + part.len();
    let certificate_digest = "<xades:CertDigest><ds:DigestMethod \
        Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></ds:DigestMethod><ds:DigestValue>";
    let changes = [
        ("text of the document", place("1 000")),
        ("an attribute of the document", place("currency='E")),
        ("an instruction beside the root element", place("<?after m")),
        ("the signing time", place("<xades:SigningTime>20")),
        ("the digest of the certificate", place(certificate_digest)),
        ("the media type", place("<xades:MimeType>applicat")),
        ("the issuer and serial number", place("<xades:IssuerSerialV2>M")),
        ("the digest of the document", place("<ds:DigestValue>")),
        ("the signature value", place("-value\">")),
    ];
    for (what, place) in changes {
        let mut changed = signed.clone().into_bytes();
        changed[place] = match changed[place] {
            b'A' => b'B',
            b'0'..=b'8' | b'B'..=b'Y' | b'a'..=b'y' => changed[place] + 1,
            _ => b'A',
        };
        assert!(xmlsec1_accepts(&key, &changed).is_err(), "{what}: {}", &signed[place..place + 20]);
    }
    for part in ["ds:SignedInfo", "xades:SignedProperties"] {
        let start = signed.find(&format!("<{part}")).unwrap();
        let end = signed.find(&format!("</{part}>")).unwrap();
        for place in (start..end).step_by(29) {
            let mut changed = signed.clone().into_bytes();
            changed[place] ^= 1;
            let what = String::from_utf8_lossy(&changed[place - 10..place + 10]).into_owned();
            assert!(xmlsec1_accepts(&key, &changed).is_err(), "{what}");
        }
    }
    xmlsec1_accepts(&key, signed.as_bytes()).unwrap();
}

#[test]
fn the_chain_below_the_root_and_the_properties_of_a_baseline_signature_are_there() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let signed = String::from_utf8(sign(&key, INVOICE.as_bytes()).unwrap()).unwrap();
    let leaf = STANDARD.encode(key.certificate.to_der().unwrap());
    assert!(signed.contains(&format!("<ds:X509Data><ds:X509Certificate>{leaf}</ds:X509Certificate></ds:X509Data>")));
    for part in ["SigningTime", "SigningCertificateV2", "CertDigest", "IssuerSerialV2", "DataObjectFormat", "MimeType"]
    {
        assert_eq!(signed.matches(&format!("</xades:{part}>")).count(), 1, "{part}");
    }
}

#[test]
fn a_signed_document_is_still_of_its_media_type_and_reaches_the_level() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let signed = key.sign("kind = \"xades\"", INVOICE.as_bytes()).unwrap();
    assert_eq!(signed.media_type, "application/xml");
    assert_eq!(signed.level.unwrap().name(), "B-B");
}

#[test]
fn what_is_not_acceptable_xml_is_refused_with_its_place() {
    assert_eq!(
        refusal("<a>\n<b></a>"),
        "the XML document cannot be signed: line 2, column 4: the end tag \"a\" does not match"
    );
    assert!(refusal("%PDF-1.7").contains("text outside the root element"));
    assert!(refusal("<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>").contains("DOCTYPE"));
}

/// Declares two identifiers by other names than `Id`, and words.
const DECLARED: &str = "<?xml version='1.0'?>\n<!-- <!DOCTYPE a> -->\n<!DOCTYPE Invoice [\n  <!ELEMENT Invoice (Line)*>\n  \
    <!ATTLIST Invoice currency CDATA #IMPLIED number NMTOKEN #IMPLIED code ID #IMPLIED>\n  <!-- ]> --><?hint ]>?>\n  \
    <!ATTLIST Line key ID #REQUIRED kind (goods | service) #IMPLIED tags NMTOKENS #IMPLIED>\n]>\n\
    <Invoice code=' a1 ' number=' 1 '>\r\n<Line key='b1' tags='  x &#9;  y ' kind='goods '/><Line key='b2' kind='service'>c</Line></Invoice>\n";

#[test]
fn a_document_with_an_internal_subset_is_sealed_where_the_worker_allows_it_and_what_is_declared_is_sealed_too() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let allowed = "kind = \"xades\"\nallow_internal_subset = true\n";
    for more in [
        "",
        "canonicalization = \"inclusive\"",
        "canonicalization = \"inclusive-1.1\"",
        "packaging = \"internally-detached\"\nelements = [\"b1\", \"b2\"]",
        "packaging = \"internally-detached\"\nelements = [\"b2\", \"b1\"]\nplace = { xpath = \"/Invoice/Line[2]\" }",
    ] {
        let definition = format!("{allowed}{more}");
        let signed = key.sign(&definition, DECLARED.as_bytes()).unwrap_or_else(|error| panic!("{more}: {error}"));
        let signed = String::from_utf8(signed.contiguous().into_owned()).unwrap();
        let (start, end) = (signed.find("<ds:Signature ").unwrap(), signed.rfind("</ds:Signature>").unwrap());
        let without = [&signed[..start], &signed[end + "</ds:Signature>".len()..]].concat();
        assert_eq!(without, DECLARED, "{more}");
        let count = if more.contains("elements") { "3/3" } else { "2/2" };
        let accepted = |document: &str| xmlsec1_accepts_references(&key, document.as_bytes(), count).is_ok();
        xmlsec1_accepts_references(&key, signed.as_bytes(), count).unwrap_or_else(|error| panic!("{more}: {error}"));
        // What is declared changes what is signed, unless elements are that have other attributes.
        assert!(!accepted(&signed.replace("(goods | service)", "CDATA")), "{more}");
        assert!(!accepted(&signed.replace("tags NMTOKENS", "tags CDATA")), "{more}");
        assert_eq!(accepted(&signed.replace("number NMTOKEN", "number CDATA")), more.contains("elements"), "{more}");
        // A second one beside it.
        let twice = key.sign(&definition, signed.as_bytes()).unwrap_or_else(|error| panic!("{more}: {error}"));
        assert!(accepted(std::str::from_utf8(&twice.contiguous()).unwrap()), "{more}");
        let refused = key.sign(&format!("kind = \"xades\"\n{more}"), DECLARED.as_bytes()).unwrap_err();
        assert!(refused.to_string().contains("line 3, column 1: a document type declaration"), "{refused}");
    }
    let refusal = |more: &str, document: &str| {
        let error = key.sign(&format!("{allowed}{more}"), document.as_bytes()).unwrap_err();
        assert_eq!(error.fault(), Fault::Document);
        error.to_string()
    };
    for wrapping in ["packaging = \"internally-detached\"", "packaging = \"enveloping\"\nobject = \"xml\""] {
        assert!(refusal(wrapping, DECLARED).contains("a document type declaration (DOCTYPE) is not accepted"));
    }
    let same = DECLARED.replace("'b2'", "'a1'");
    assert!(refusal("", &same).contains("line 10, column 51: the identifier \"a1\" is given to two elements"));
    let entity = DECLARED.replace("<!ELEMENT", "<!ENTITY e 'x'><!ELEMENT");
    assert!(refusal("", &entity).contains("line 4, column 3: an entity is declared (ENTITY)"));
}

#[test]
fn a_document_that_is_a_signature_is_refused() {
    assert!(
        refusal("<Signature xmlns='http://www.w3.org/2000/09/xmldsig#'/>").contains("the root element is a signature")
    );
}

/// A document with an earlier signature that refers to `uri` with these transforms.
fn signed_before(uri: &str, transforms: &str) -> String {
    format!(
        "<a Id='root'><b Id='part'/><ds:Signature xmlns:ds='http://www.w3.org/2000/09/xmldsig#'><ds:SignedInfo>\
         <ds:Reference URI=\"{uri}\"><ds:Transforms>{transforms}</ds:Transforms></ds:Reference></ds:SignedInfo>\
         </ds:Signature></a>"
    )
}

#[test]
fn a_document_whose_earlier_signature_would_break_is_refused() {
    let enveloped = "<ds:Transform Algorithm='http://www.w3.org/2000/09/xmldsig#enveloped-signature'/>";
    for uri in ["", "#root", "#xpointer(/)", "#xpointer(id('root'))"] {
        let by_signature = signed_before(uri, enveloped);
        let by_manifest = by_signature.replace("ds:SignedInfo>", "ds:Manifest>");
        for document in [by_signature, by_manifest] {
            assert!(refusal(&document).contains("an earlier signature covers the whole document"), "{document}");
        }
    }
}

#[test]
fn an_earlier_signature_of_endless_elements_takes_no_memory() {
    let many = "<a/>".repeat(200_000);
    let earlier = |inside: &str| format!("<r xmlns:ds='http://www.w3.org/2000/09/xmldsig#'>{inside}</r>");
    let listed = refusal(&earlier(&format!("<ds:Signature><ds:SignedInfo>{many}</ds:SignedInfo></ds:Signature>")));
    assert!(listed.contains("more than 100000 elements in one list of references"), "{listed}");
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let enveloping = earlier(&format!("<ds:Signature><ds:Object>{many}</ds:Object></ds:Signature>"));
    let signed = sign(&key, enveloping.as_bytes()).unwrap();
    xmlsec1_accepts(&key, &signed).unwrap();
}

#[test]
fn a_document_whose_earlier_signature_stays_valid_is_signed() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let filter2 = |expression: &str| {
        format!(
            "<ds:Transform Algorithm='http://www.w3.org/2002/06/xmldsig-filter2'><f:XPath \
             xmlns:f='http://www.w3.org/2002/06/xmldsig-filter2' Filter='subtract'>{expression}</f:XPath></ds:Transform>"
        )
    };
    let descendants = &filter2("/descendant::ds:Signature");
    let children = &filter2(" /*/ds:Signature ");
    let named = &filter2("/descendant::*[name()=&apos;ds:Signature&apos;]");
    let xpath = "<ds:Transform Algorithm='http://www.w3.org/TR/1999/REC-xpath-19991116'>\
        <ds:XPath>not(ancestor-or-self::ds:Signature)</ds:XPath></ds:Transform>";
    for (uri, transforms) in [
        ("", descendants.as_str()),
        ("", children),
        ("", named),
        ("", xpath),
        ("#root", descendants),
        ("#part", ""),
        ("other.xml", ""),
    ] {
        let signed = sign(&key, signed_before(uri, transforms).as_bytes()).unwrap();
        xmlsec1_accepts(&key, &signed).unwrap();
    }
}

#[test]
fn identifiers_that_are_empty_or_come_twice_are_refused_and_numbers_of_lines_are_not() {
    assert!(refusal("<a xml:id='x'><b xml:id='x'/></a>").contains("line 1, column 15: the identifier \"x\""));
    assert!(refusal("<a>\n<b Id='x'/><c ID='x'/></a>").contains("line 2, column 12: the identifier \"x\""));
    for name in ["Id", "ID", "xml:id"] {
        let empty = refusal(&format!("<a>\n <b {name}=''/></a>"));
        assert!(empty.contains("line 2, column 2: the identifier of an element is empty"), "{empty}");
    }
    let referred = signed_before("#part", "").replace("<b ", "<b ID='part'/><b ");
    assert!(refusal(&referred).contains("the identifier \"part\" is given to two elements"));
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let signed = sign(&key, b"<a><line id='1'/><line id='1'/></a>").unwrap();
    xmlsec1_accepts(&key, &signed).unwrap();
}

#[test]
fn ed25519_is_refused_before_the_key_is_used() {
    let text = "name = \"a\"\nkind = \"xades\"\ncredential = \"c\"\nsignature_scheme = \"eddsa\"";
    assert!(matches!(WorkerConfig::parse(text), Err(ConfigError::Value { key: "signature_scheme", .. })));
    let refused = sign(&SoftwareKey::generate(KeySpec::Ed25519), b"<a/>");
    assert!(matches!(refused, Err(WorkerError::Algorithm { .. })));
}

#[test]
fn keys_that_contradict_each_other_or_could_not_be_written_are_refused() {
    for (key, text) in [
        ("packaging", "packaging = \"encapsulated\""),
        ("document_uri", "document_uri = \"a.xml\""),
        ("document_uri", "packaging = \"detached\"\ndocument_uri = \"#a\""),
        ("document_uri", "packaging = \"detached\"\ndocument_uri = \"a\\\"b\""),
        ("claimed_roles", "claimed_roles = [\"\"]"),
        ("signer_location", "signer_location = {}"),
        ("commitment_type", "commitment_type = \"proof\""),
        ("signature_policy", "signature_policy = { oid = \"1.2.3\", digest = \"AAAA\" }"),
    ] {
        let text = format!("name = \"w\"\nkind = \"xades\"\ncredential = \"c\"\n{text}");
        match WorkerConfig::parse(&text) {
            Err(ConfigError::Value { key: found, .. }) => assert_eq!(found, key, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    let text = "name = \"w\"\nkind = \"xades\"\ncredential = \"c\"\npackaging = \"detached\"\ndocument_uri = \"a.xml\"\n\
        claimed_roles = [\"Clerk\"]\nsigner_location = { locality = \"Tallinn\" }\ncommitment_type = \"proof-of-origin\"";
    let config = WorkerConfig::parse(text).unwrap();
    let kept = serde_json::to_string(&config.to_json().unwrap()).unwrap();
    assert_eq!(WorkerConfig::parse(&kept).unwrap(), config);
}

#[test]
fn documents_of_the_corpus_are_signed_or_refused_for_a_reason() {
    let beside_repository = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let folder = std::env::var_os("SIGILLO_CORPUS").map_or_else(beside_repository, Into::into).join("xml");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        crate::software_key::report(&format!("the corpus is absent: {}", folder.display()));
        return;
    };
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut table = String::new();
    for path in &paths {
        let document = std::fs::read(path).unwrap();
        let verdict = match sign(&key, &document) {
            Ok(signed) => {
                xmlsec1_accepts(&key, &signed).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                "signed, accepted by xmlsec1".to_owned()
            }
            // Others must not be able to read it either, or it is we who are wrong. Identifiers they look at when they are referred to.
            Err(error) => {
                let mut xmllint = Command::new("xmllint");
                let read = run(xmllint.args(["--noout", "--nonet"]).arg(path));
                let has_type = document.windows(9).any(|octets| octets == b"<!DOCTYPE");
                let ids = error.to_string().contains("identifier");
                assert!(has_type || ids || read.is_err(), "{}: {error}", path.display());
                format!("refused: {error}")
            }
        };
        table += &format!("  {}: {verdict}\n", path.file_name().unwrap().to_string_lossy());
    }
    crate::software_key::report(&format!("{} files of the corpus:\n{table}", paths.len()));
    assert!(paths.len() >= 10);
}

/// What one of the foreign verifiers says of documents, each given with the arguments that precede it.
fn verdicts(tool: &str, lines: &[String]) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("list"), lines.join("\n")).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/verifiers").join(tool);
    run(Command::new(script).arg("--batch").arg(folder.path().join("list"))).unwrap_or_else(|output| panic!("{output}"))
}

#[test]
fn eu_dss_and_signxml_accept_signatures_of_every_algorithm_and_eu_dss_names_the_level() {
    let simple = "<?xml version='1.0'?><Invoice xmlns='urn:i'><Total>1</Total></Invoice>";
    let folder = tempfile::tempdir().unwrap();
    let (mut dss, mut signxml) = (Vec::new(), Vec::new());
    for (number, (spec, definition)) in [
        (KeySpec::Rsa3072, ""),
        (KeySpec::Rsa3072, "signature_scheme = \"rsa-pss\""),
        (KeySpec::Rsa3072, "signature_scheme = \"rsa-pss\"\ndigest = \"SHA-512\""),
        (KeySpec::EcP256, ""),
        (KeySpec::EcP384, ""),
        (KeySpec::EcP521, ""),
    ]
    .into_iter()
    .enumerate()
    {
        let key = SoftwareKey::generate(spec);
        let folder = folder.path().join(number.to_string());
        std::fs::create_dir(&folder).unwrap();
        key.write_certificates(&folder);
        let sign = |document: &[u8]| {
            key.sign(&format!("kind = \"xades\"\n{definition}"), document).unwrap().contiguous().into_owned()
        };
        let once = sign(INVOICE.as_bytes());
        let latin1 = sign(b"<?xml version='1.0' encoding='ISO-8859-1'?><\xE9>\xFC</\xE9>");
        for (name, octets) in
            [("simple", sign(simple.as_bytes())), ("once", once.clone()), ("twice", sign(&once)), ("latin1", latin1)]
        {
            let path = folder.join(name).with_extension("xml");
            std::fs::write(&path, octets).unwrap();
            let root = folder.join("root.pem");
            let line = format!("--format\txades\t--root\t{}\t{{}}{}", root.display(), path.display());
            dss.push(line.replace("{}", "--expect\tXAdES-BASELINE-B\t"));
            if name == "simple" {
                signxml.push(line.replace("{}", ""));
            }
        }
    }
    let output = verdicts("dss", &dss);
    assert_eq!(output.matches("\tvalid\tXAdES-BASELINE-B").count(), 24, "{output}");
    let output = verdicts("signxml", &signxml);
    assert_eq!(output.matches("\tvalid\t").count(), 6, "{output}");
}

#[test]
#[ignore = "a measurement for release builds: time beside xmllint and memory for 100 MB"]
fn a_large_document_takes_the_time_of_its_canonicalization() {
    let line = "  <c:Line xmlns:c=\"urn:c\" number=\"4711\" c:unit='pc'>Paper &amp; ink, 1.250,00 \u{20AC}</c:Line>\n";
    let text = format!("<p>{}</p>\n", "Der Betrag ist innerhalb von dreißig Tagen fällig. ".repeat(1000));
    let attributes: String = (0..20).map(|number| format!(" attribute{number}=\"value of {number}\"")).collect();
    let slow: Vec<String> =
        [("small elements", line), ("long text", &text), ("attributes", &format!("<row{attributes}/>\n"))]
            .into_iter()
            .filter_map(|(name, entry)| too_slow(name, entry))
            .collect();
    assert!(slow.is_empty(), "{slow:?}");
}

/// Signs 100 MB of this entry; what is to be said where that takes more than 1.5 times as long as its canonicalization by xmllint, or
/// more than three times its memory.
fn too_slow(name: &str, entry: &str) -> Option<String> {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.xml");
    let text = format!("<Invoice xmlns=\"urn:invoice\">\n{}</Invoice>\n", entry.repeat(100_000_000 / entry.len()));
    std::fs::write(&path, &text).unwrap();
    drop(text);
    let best = |step: &dyn Fn()| {
        let timed = (0..3).map(|_| {
            let started = processor_time();
            step();
            processor_time() - started
        });
        timed.fold(f64::MAX, f64::min)
    };
    let theirs = best(&|| {
        let canonical = Command::new("xmllint").args(["--huge", "--c14n"]).arg(&path).output().unwrap();
        assert!(canonical.status.success() && canonical.stdout.len() > 99_000_000);
    });
    let document = bytes::Bytes::from(std::fs::read(&path).unwrap());
    // proc(5): the peak of this process from here on.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let ours = best(&|| {
        let content = workers::DocumentContent::Memory(document.clone().into());
        let signed = key.sign_with("kind = \"xades\"", content, SigningParameters::default()).unwrap();
        assert!(signed.length() > document.len());
    });
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: usize = peak.split_whitespace().next().unwrap().parse().unwrap();
    let report = format!(
        "{name}: {ours:.2} s, xmllint {theirs:.2} s, {:.2} times; peak {:.2} times the document",
        ours / theirs,
        (peak * 1024) as f64 / document.len() as f64
    );
    crate::software_key::report(&report);
    (ours > theirs * 1.5 || peak * 1024 > document.len() * 3).then_some(report)
}

/// Seconds of processor time of this process and of the programs that it has run; others use the machine too.
fn processor_time() -> f64 {
    // proc(5): hundredths of a second, four fields from the fourteenth on.
    let fields = std::fs::read_to_string("/proc/self/stat").unwrap();
    let behind_name = fields.rsplit(')').next().unwrap().split_whitespace();
    behind_name.skip(11).take(4).map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}
