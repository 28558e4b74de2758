//! What qualified seals (promise 9) ask of the KAK of their key.

use cryptotoken::Pkcs11Token;
use cryptotoken_api::{Certificate, KeyLocation};
use store::{CredentialRecord, KakSource, KeyAuthorizationRecord};

use crate::error::causes;
use crate::{AdministrationError, Node};

/// A KAK in a file is under nobody's sole control, so no key of a qualified seal is bound to one.
pub(super) fn refuse_file(node: &Node, credential: &CredentialRecord) -> Result<(), AdministrationError> {
    let statements = credential.chain.first().and_then(|der| Certificate::from_der(der).ok());
    let statements = statements.and_then(|leaf| leaf.qualified_statements().ok());
    let mut uses = Vec::new();
    if credential.evidence.is_some() {
        uses.push("it has evidence of a key ceremony".to_owned());
    }
    if statements.is_some_and(|statements| statements.compliance) {
        uses.push("its certificate is a qualified one".to_owned());
    }
    for worker in node.wait(node.store().workers())? {
        let config = workers::WorkerConfig::parse(&worker.definition).ok();
        if config.is_some_and(|config| config.credential() == credential.name && config.qualified().is_some()) {
            uses.push(format!("worker \"{}\" makes qualified seals with it", worker.name));
        }
    }
    if uses.is_empty() {
        return Ok(());
    }
    Err(AdministrationError::Refused(format!(
        "credential \"{}\" is meant for qualified seals ({}), and a KAK in a file is not good enough for them; use one on a token \
         (--kak-token) or offline (--export-challenge)",
        credential.name,
        uses.join(", ")
    )))
}

/// What stands against the KAK of a key that is to make qualified seals; nothing where the device wants none.
pub(crate) fn missing_for_eseal(node: &Node, token: &Pkcs11Token, location: &KeyLocation) -> Vec<String> {
    if !super::needed(token) {
        return Vec::new();
    }
    match node.wait(node.store().key_authorization(location)) {
        Ok(record) => record.as_ref().map(missing).unwrap_or_default(),
        Err(error) => vec![causes(&error)],
    }
}

fn missing(record: &KeyAuthorizationRecord) -> Vec<String> {
    let (alias, token) = (&record.location.alias, &record.location.token);
    let mut missing = Vec::new();
    if record.kak.source == KakSource::File {
        missing.push(format!(
            "a KAK in somebody's sole control: that of key \"{alias}\" on token \"{token}\" was used from a file"
        ));
    }
    if !record.assigned {
        missing.push(format!("an assigned key: \"{alias}\" on token \"{token}\" was initialised as a general one"));
    }
    missing
}

#[cfg(test)]
mod tests {
    use cryptotoken_api::{AuthorizationProtocol, KeyId};
    use store::Kak;

    use super::*;

    #[test]
    fn a_kak_from_a_file_and_a_general_key_close_the_gate() {
        let record = |assigned, source| KeyAuthorizationRecord {
            credential: "seal".into(),
            location: KeyLocation { token: "hsm".into(), alias: "seal".parse().unwrap(), id: KeyId::new([1]) },
            assigned,
            kak: Kak { public_key: vec![1], protocol: AuthorizationProtocol::RsaPssSha256, source },
            authorized: None,
        };
        for source in [KakSource::Token, KakSource::Offline] {
            assert_eq!(missing(&record(true, source)), Vec::<String>::new());
        }
        assert!(missing(&record(true, KakSource::File))[0].contains("from a file"));
        assert!(missing(&record(false, KakSource::Token))[0].contains("general one"));
    }
}
