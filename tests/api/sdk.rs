//! A Python client generated from the description of the API signs a PDF against the running server.

use std::path::PathBuf;
use std::process::Command;

use tests::programs::{fixture, repository, run};
use tests::verifiers::ask;
use tests::{Question, TestService, Verdict};

const PROGRAM: &str = r"
import base64, sys
import sigillo_client as sdk

url, key, source, target = sys.argv[1:]
with sdk.ApiClient(sdk.Configuration(host=url, access_token=key)) as client:
    workers = sdk.WorkersApi(client).list_workers().items
    assert [worker.name for worker in workers] == ['pdf'], workers
    signing = sdk.SigningApi(client)
    document = base64.b64encode(open(source, 'rb').read()).decode()
    request = sdk.SignRequest(document=document, mediaType='application/pdf', parameters={'reason': 'SDK'})
    answer = signing.sign_document('pdf', request)
    assert answer.level == 'B-B' and len(answer.certificate_chain) == 2, answer
    signed = answer.signed_document
    open(target, 'wb').write(base64.b64decode(signed))
    try:
        signing.sign_document('pdf', sdk.SignRequest(document=base64.b64encode(b'no PDF').decode(), parameters={}))
        raise SystemExit('a document that is no PDF was signed')
    except sdk.ApiException as error:
        assert error.status == 422 and 'document-unacceptable' in error.body, error
    try:
        signing.sign_document('other', request)
        raise SystemExit('a worker without a grant signed')
    except sdk.ApiException as error:
        assert error.status == 403, error
";

#[test]
fn a_generated_python_client_signs_a_pdf() {
    let service = TestService::builder().start();
    service.key("seal", "ec-p256", "document");
    service.worker("pdf", "pades", "seal", "caller_may_set = [\"reason\"]");
    let key = service.api_key("sdk", &["pdf"]);

    let tools = std::env::var_os("SIGILLO_TOOLS_DIR")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").expect("HOME")).join(".cache/sigillo/tools"));
    let programs = tools.join("venv/bin");
    let sdk = service.folder().join("sdk");
    let mut generate = Command::new(programs.join("openapi-generator-cli"));
    generate.args(["generate", "--generator-name", "python", "--package-name", "sigillo_client", "--input-spec"]);
    run(generate.arg(repository().join("openapi/native-v1.yaml")).arg("--output").arg(&sdk));
    let program = service.folder().join("sdk.py");
    std::fs::write(&program, PROGRAM).unwrap();
    let signed = service.folder().join("sdk.pdf");
    let mut python = Command::new(programs.join("python"));
    python.arg(&program).args([service.server().url(), &key]).arg(fixture("pdf/report.pdf")).arg(&signed);
    run(python.env("PYTHONPATH", &sdk));

    let question = Question::new("pades", &signed).with("--root", service.pki().root());
    assert_eq!(ask("pdfsig", &[question]), [Verdict::Valid]);
}
