//! `openapi/native-v1.yaml` describes the server as it is, in a form that generators of clients take.

use std::process::Command;

use tests::programs::repository;

use crate::output;

const DOCUMENT: &str = "openapi/native-v1.yaml";

#[test]
fn the_openapi_document_is_what_the_server_prints() {
    let kept = std::fs::read_to_string(repository().join(DOCUMENT)).unwrap();
    let printed = sigillo_server::openapi::yaml().unwrap();
    assert!(kept == printed, "{DOCUMENT} is out of date; run: cargo run -p sigillo-server -- --openapi >{DOCUMENT}");
}

#[test]
fn generators_of_clients_accept_the_openapi_document() {
    let tools = output(Command::new("bash").args(["-c", ". scripts/tools-env; echo \"$SIGILLO_TOOLS_DIR\""]));
    let generator = format!("{}/venv/bin/openapi-generator-cli", tools.trim_end());
    let told = output(Command::new(generator).args(["validate", "-i", DOCUMENT]));
    assert!(told.contains("No validation issues detected"), "{told}");
}

#[test]
fn every_operation_has_an_id_and_every_response_a_description() {
    let document = serde_json::to_value(sigillo_server::openapi::document()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(_, value)| value["responses"].is_object())
        {
            let id = operation["operationId"].as_str();
            ids.push(id.unwrap_or_else(|| panic!("{method} {path} has no operationId")).to_owned());
            for (status, response) in operation["responses"].as_object().unwrap() {
                let description = response["description"].as_str().unwrap_or_default();
                assert!(!description.is_empty(), "{method} {path} {status} has no description");
            }
        }
    }
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "an operationId is used twice");
    assert!(all >= 9, "only {all} operations were seen");
}
