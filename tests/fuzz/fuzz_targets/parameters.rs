//! Sign with what callers may choose of a CMS or XML signature, in JSON; what is made of XML, libxml2 reads.
#![no_main]

use std::sync::LazyLock;

use fuzz::{Bench, libxml2};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use workers::{SigningParameters, WorkerError};

const XML: &[u8] = b"<a Id=\"one\"><b xml:id=\"two\">text</b></a>";

static WORKERS: LazyLock<Vec<(Bench, bool)>> = LazyLock::new(|| {
    let common = "\"commitment_type\", \"signer_location\", \"claimed_roles\", \"signature_policy\", \"mime_type\"";
    let xml = |packaging: &str| {
        let may_set = format!("caller_may_set = [{common}, \"elements\"]");
        (Bench::new(&format!("kind = \"xades\"\npackaging = \"{packaging}\"\n{may_set}")), true)
    };
    let cms = Bench::new(&format!("kind = \"cades\"\ncaller_may_set = [{common}, \"content_hints\"]"));
    vec![xml("enveloped"), (cms, false), xml("internally-detached"), xml("enveloping")]
});

fuzz_target!(|json: &[u8]| {
    let Ok(chosen) = serde_json::from_slice::<Map<String, Value>>(json) else { return };
    for (worker, is_xml) in WORKERS.iter() {
        match worker.sign_with(XML, SigningParameters::new(chosen.clone())) {
            Ok(signed) if *is_xml => assert!(libxml2::reads(&signed.contiguous()), "{signed:?}"),
            Ok(_) | Err(WorkerError::Parameter { .. } | WorkerError::Xml(_)) => {}
            Err(other) => panic!("{other}: {other:?}"),
        }
    }
});
