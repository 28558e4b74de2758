//! Workers: what `sigillo worker` does.

use bytes::Bytes;
use cryptotoken_api::{CertificateChain, Credential, CredentialState, DigestAlgorithm, DtbsRepresentation};
use serde::Serialize;
use serde_json::{Map, Value, json};
use store::{CredentialRecord, DEFAULT_OWNER, KeyUse, NewWorker, SigningContext, WorkerRecord};
use time::OffsetDateTime;
use uuid::Uuid;
use workers::timestamp::TimestampRequest;
use workers::tsa::TsaConfig;
use workers::{
    DocumentContent, FormatConfig, SignatureLevel, SignerDocument, SigningEnvironment, SigningParameters,
    SigningRequest, SystemClock, WorkerConfig, WorkerKind,
};

use crate::{Actor, AdministrationError, Items, Node, qualified};

/// A worker as the command line shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerView {
    /// Its name.
    pub name: String,
    /// Whom it belongs to.
    pub owner: String,
    /// Version of its definition; 0 for one that is only tried.
    pub version: i64,
    /// What it makes; absent where the definition cannot be read.
    pub kind: Option<WorkerKind>,
    /// The credential that signs.
    pub credential: String,
    /// The algorithm, defaults filled in.
    pub algorithm: String,
    /// The definition as stored.
    pub definition: Map<String, Value>,
    /// What keeps it from signing now.
    pub warnings: Vec<String>,
}

/// Makes a worker or a new version of it; with `dry_run` only says whether it would. Uses neither key nor network.
///
/// # Errors
/// [`AdministrationError::Definition`]; refused when credential, purpose, algorithm or the gate of qualified seals do not fit.
pub fn apply(node: &Node, actor: &Actor, definition: &str, dry_run: bool) -> Result<WorkerView, AdministrationError> {
    let config = WorkerConfig::parse(definition)?;
    let credential = credential(node, config.credential())?;
    workers::policy::check_purpose(config.kind(), &credential.name, credential.purpose)?;
    config
        .algorithm(credential.spec)
        .map_err(|error| AdministrationError::Refused(format!("worker \"{}\": {error}", config.name())))?;
    qualified::check(node, &config, &credential)?;
    let map = config.to_json().map_err(|error| AdministrationError::Refused(error.to_string()))?;
    let mut record = WorkerRecord {
        name: config.name().to_owned(),
        owner: DEFAULT_OWNER.to_owned(),
        version: 0,
        definition: Value::Object(map).to_string(),
        created_at: OffsetDateTime::now_utc(),
    };
    if !dry_run {
        let WorkerRecord { name, owner, definition, .. } = record.clone();
        let act = |version| {
            let mut detail = json!({ "version": version, "credential": credential.name });
            // That nothing but the operator's word stands behind the times of tokens must be found in the record.
            if let (FormatConfig::Timestamp(options), Value::Object(detail)) = (config.format(), &mut detail) {
                detail.insert("clock".into(), json!(options.clock));
            }
            actor.act("worker apply", config.name()).with(detail)
        };
        record = node.wait(node.store().apply_worker(&NewWorker { name, owner, definition }, act))?;
    }
    view(&record, Some(&credential))
}

/// All workers. One whose definition cannot be read says so and hides no other.
///
/// # Errors
/// [`AdministrationError::Store`].
pub fn list(node: &Node) -> Result<Items<WorkerView>, AdministrationError> {
    let mut items = Vec::new();
    for record in node.wait(node.store().workers())? {
        items.push(match shown(node, &record) {
            Err(AdministrationError::Definition(error)) => unreadable(record, &error),
            other => other?,
        });
    }
    Ok(Items { items })
}

/// One worker.
///
/// # Errors
/// Refused when there is none of this name.
pub fn show(node: &Node, name: &str) -> Result<WorkerView, AdministrationError> {
    shown(node, &find(node, name)?)
}

/// Removes a worker with the grants for it.
///
/// # Errors
/// Refused when there is none of this name.
pub fn remove(node: &Node, actor: &Actor, name: &str) -> Result<(), AdministrationError> {
    Ok(node.wait(node.store().remove_worker(name, actor.act("worker remove", name)))?)
}

/// Signs a small document with a worker and throws the result away. A real signature, on record as every one.
///
/// # Errors
/// What a caller would meet.
pub fn test(node: &Node, actor: &Actor, name: &str) -> Result<WorkerView, AdministrationError> {
    let record = find(node, name)?;
    let config = WorkerConfig::parse(&record.definition)?;
    let stored = credential(node, config.credential())?;
    refuse_inactive(&stored)?;
    qualified::check(node, &config, &stored)?;
    let chain = CertificateChain::from_ders(&stored.chain)?;
    let credential = Credential { name: stored.name.clone(), purpose: stored.purpose, state: stored.state, chain };
    let algorithm = config.algorithm(stored.spec).map_err(|error| AdministrationError::Refused(error.to_string()))?;
    let location = crate::replica::nearest(node, &stored)?;
    let document: Bytes = match config.format() {
        FormatConfig::Plain(_) | FormatConfig::Cades(_) => TEST.into(),
        FormatConfig::Xades(_) => "<test>A test of this worker, signed by an administrator.</test>\n".into(),
        FormatConfig::Pades(_) => include_bytes!("worker/test.pdf").as_slice().into(),
        FormatConfig::Timestamp(options) => query(options)?.into(),
    };
    let context = SigningContext {
        request_id: Uuid::now_v7(),
        key_use: KeyUse::Request,
        client: actor.to_string(),
        worker: record.name.clone(),
        worker_version: record.version,
        credential: stored.name.clone(),
        certificate_sha256: Some(credential.chain.leaf().fingerprint()),
        document_sha256: Some(hex::encode(openssl::sha::sha256(&document))),
        location: Some(location.clone()),
    };
    let signer = crate::key::signer(node, location, algorithm, stored.spec, context)?;
    let content = DocumentContent::Memory(document);
    let request = SigningRequest {
        document: SignerDocument { content, media_type: None, signature: None },
        parameters: SigningParameters::default(),
    };
    let environment = SigningEnvironment {
        credential: &credential,
        signer: &signer,
        clock: &SystemClock,
        timestamps: None,
        revocation: None,
        deadline: node.deadline(),
        // The key and the format are tested, without network.
        level: SignatureLevel::BaselineB,
    };
    let signed = workers::kind::build(config).process(&request, &environment);
    signer.settle()?;
    signed?;
    view(&record, Some(&stored))
}

fn query(options: &TsaConfig) -> Result<Vec<u8>, AdministrationError> {
    let refused = |error: &dyn std::error::Error| AdministrationError::Refused(error.to_string());
    let algorithm = options.accepted_digests.first().copied().unwrap_or(DigestAlgorithm::Sha256);
    let imprint = DtbsRepresentation::new(algorithm, algorithm.digest(TEST.as_bytes()));
    let query = TimestampRequest::new(imprint.map_err(|error| refused(&error))?, None);
    query.map_err(|error| refused(&error))?.to_der().map_err(|error| refused(&error))
}

/// What workers are tried with.
const TEST: &str = "A test of this worker, signed by an administrator.\n";

fn shown(node: &Node, record: &WorkerRecord) -> Result<WorkerView, AdministrationError> {
    let config = WorkerConfig::parse(&record.definition)?;
    view(record, node.wait(node.store().credential(config.credential()))?.as_ref())
}

fn unreadable(record: WorkerRecord, error: &workers::ConfigError) -> WorkerView {
    WorkerView {
        kind: None,
        credential: String::new(),
        algorithm: String::new(),
        definition: serde_json::from_str(&record.definition).unwrap_or_default(),
        warnings: vec![format!("its definition cannot be read: {error}")],
        name: record.name,
        owner: record.owner,
        version: record.version,
    }
}

fn view(record: &WorkerRecord, credential: Option<&CredentialRecord>) -> Result<WorkerView, AdministrationError> {
    let config = WorkerConfig::parse(&record.definition)?;
    let mut warnings = Vec::new();
    match credential {
        None => warnings.push(format!("credential \"{}\" does not exist", config.credential())),
        Some(credential) if credential.state != CredentialState::Active => {
            warnings.push(format!("credential \"{}\" is {}", credential.name, credential.state));
        }
        Some(_) => {}
    }
    let algorithm = credential.and_then(|credential| config.algorithm(credential.spec).ok());
    Ok(WorkerView {
        name: record.name.clone(),
        owner: record.owner.clone(),
        version: record.version,
        kind: Some(config.kind()),
        credential: config.credential().to_owned(),
        algorithm: algorithm.map(|algorithm| algorithm.to_string()).unwrap_or_default(),
        definition: config.to_json().map_err(|error| AdministrationError::Refused(error.to_string()))?,
        warnings,
    })
}

fn refuse_inactive(credential: &CredentialRecord) -> Result<(), AdministrationError> {
    crate::authorization::refuse_awaiting(credential)?;
    let (name, state) = (&credential.name, credential.state);
    let next = match state {
        CredentialState::Active => return Ok(()),
        CredentialState::AwaitingCertificate => {
            format!("; run: sigillo certificate import --credential {name} --chain FILE")
        }
        CredentialState::Suspended | CredentialState::Disabled => format!("; run: sigillo credential activate {name}"),
        _ => String::new(),
    };
    Err(AdministrationError::Refused(format!("credential \"{name}\" is {state}; only an active one signs{next}")))
}

fn find(node: &Node, name: &str) -> Result<WorkerRecord, AdministrationError> {
    node.wait(node.store().worker(name))?
        .ok_or_else(|| AdministrationError::Refused(format!("there is no worker \"{name}\"; run: sigillo worker list")))
}

fn credential(node: &Node, name: &str) -> Result<CredentialRecord, AdministrationError> {
    node.wait(node.store().credential(name))?.ok_or_else(|| {
        AdministrationError::Refused(format!("there is no credential \"{name}\"; run: sigillo credential list"))
    })
}
