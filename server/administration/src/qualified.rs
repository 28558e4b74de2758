//! The gate of `qualified = "eseal"` (promise 9). Qualified status itself comes from the EU Trusted Lists; here its preconditions
//! are enforced, at `worker apply` and at every signature.

use cryptotoken::lifecycle::check_attributes;
use cryptotoken_api::qualified::QualifiedStatements;
use cryptotoken_api::{Certificate, CryptoToken, KeyAttributes, KeyLocation, TokenState, TokenStatus};
use store::{CredentialRecord, KeyEvidence};
use workers::WorkerConfig;

use crate::error::causes;
use crate::{AdministrationError, Node, authorization};

/// What this credential lacks for EU qualified electronic seals, in words; empty when nothing.
#[must_use]
pub fn missing_for_eseal(node: &Node, credential: &CredentialRecord) -> Vec<String> {
    let statements = credential
        .chain
        .first()
        .and_then(|der| Certificate::from_der(der).ok())
        .and_then(|leaf| leaf.qualified_statements().ok());
    let mut missing = match &statements {
        Some(statements) => certificate(statements),
        None => vec!["a readable certificate".to_owned()],
    };
    if credential.locations.is_empty() {
        missing.push("a key".to_owned());
    }
    // One that is away signs nothing now, and is looked at when it is back.
    let ready = |location: &KeyLocation| {
        node.token(&location.token).is_ok_and(|token| token.status().state == TokenState::Ready)
    };
    let may_be_away = credential.locations.len() > 1 && credential.locations.iter().any(ready);
    for location in &credential.locations {
        missing.extend(replica(node, credential, location, may_be_away));
    }
    missing
}

/// What one replica lacks to sign for EU qualified electronic seals now, in words; empty when nothing.
#[must_use]
pub fn missing_at(node: &Node, credential: &CredentialRecord, location: &KeyLocation) -> Vec<String> {
    replica(node, credential, location, false)
}

fn replica(node: &Node, credential: &CredentialRecord, location: &KeyLocation, may_be_away: bool) -> Vec<String> {
    let evidence = credential.evidence_on(&location.token);
    let mut missing = match node.token(&location.token) {
        Ok(token) => {
            let mut missing = device(&token.status(), evidence, may_be_away);
            missing.extend(assigned(token.profile().assurance.assigned_keys, &location.token, evidence));
            missing.extend(authorization::missing_for_eseal(node, token, location));
            missing
        }
        Err(error) => vec![causes(&error)],
    };
    let of_key = key(credential.attributes_on(&location.token), evidence).into_iter();
    if credential.locations.len() > 1 {
        missing.extend(of_key.map(|problem| format!("for the replica on token \"{}\" {problem}", location.token)));
    } else {
        missing.extend(of_key);
    }
    missing
}

/// Holds the gate for a worker that asks for qualified seals.
///
/// # Errors
/// Refused, with what is missing.
pub(crate) fn check(
    node: &Node,
    config: &WorkerConfig,
    credential: &CredentialRecord,
) -> Result<(), AdministrationError> {
    let missing = if config.qualified().is_some() { missing_for_eseal(node, credential) } else { Vec::new() };
    if missing.is_empty() {
        return Ok(());
    }
    Err(AdministrationError::Refused(format!(
        "worker \"{}\" asks for qualified seals, and what they need is missing: {}",
        config.name(),
        missing.join("; ")
    )))
}

fn certificate(statements: &QualifiedStatements) -> Vec<String> {
    let missing = statements.missing_for_eseal();
    missing.into_iter().map(|statement| format!("the certificate's statement {statement}")).collect()
}

/// `may_be_away`: another replica is there, so of this one only what is known counts.
fn device(status: &TokenStatus, evidence: Option<&KeyEvidence>, may_be_away: bool) -> Vec<String> {
    let mut missing = Vec::new();
    let excused = may_be_away && status.state != TokenState::Ready;
    if !status.qscd {
        missing.push(format!(
            "a qualified device: token \"{}\" wears profile {}, which is none",
            status.name, status.profile
        ));
    }
    match status.device_confirmed {
        Some(true) => {}
        Some(false) => missing.push(format!(
            "the device that profile {} describes: token \"{}\" is another one ({}); run: sigillo token check {1}",
            status.profile,
            status.name,
            status.device.as_deref().unwrap_or("unknown"),
        )),
        None if excused => {}
        None => missing.push(format!(
            "a device that is known to be the one that profile {} describes: what token \"{}\" says of itself decides nothing; run: \
             sigillo token check {1}",
            status.profile, status.name
        )),
    }
    if status.state != TokenState::Ready && !excused {
        missing.push(format!("token \"{}\" being there: it is {}", status.name, status.state.name()));
    }
    if let Some(evidence) = evidence
        && !(excused && status.serial.is_none())
        && (status.serial.as_deref() != Some(&evidence.device_serial) || status.profile != evidence.profile)
    {
        missing.push(format!(
            "the device of the evidence: that one is {} (profile {}), token \"{}\" is {} (profile {})",
            evidence.device_serial,
            evidence.profile,
            status.name,
            status.serial.as_deref().unwrap_or("unknown"),
            status.profile,
        ));
    }
    missing
}

/// What no attribute of PKCS#11 shows, so that the record of the ceremony must.
fn assigned(wanted: bool, token: &str, evidence: Option<&KeyEvidence>) -> Option<String> {
    let evidence = evidence.filter(|evidence| wanted && evidence.assigned_key != Some(true));
    evidence.map(|_| {
        format!(
            "an assigned key (EN 419 221-5): token \"{token}\" has general keys, too, and the evidence does not say that this is none of \
             them (sigillo key adopt, with --evidence and --assigned-key)"
        )
    })
}

fn key(attributes: &KeyAttributes, evidence: Option<&KeyEvidence>) -> Vec<String> {
    // A device that does not say is not believed.
    let mut missing: Vec<String> = check_attributes(attributes)
        .into_iter()
        .map(|problem| format!("a key that was made in the device and cannot leave it: {problem}"))
        .collect();
    if evidence.is_none() {
        missing.push("evidence of the key ceremony (sigillo key generate or adopt, with --evidence)".to_owned());
    }
    missing
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    fn statements() -> QualifiedStatements {
        QualifiedStatements { compliance: true, sscd: true, types: vec!["eseal".into()], ..Default::default() }
    }

    fn status() -> TokenStatus {
        TokenStatus {
            name: "hsm".into(),
            profile: "trident".into(),
            state: TokenState::Ready,
            reason: String::new(),
            label: None,
            serial: Some("42".into()),
            device: None,
            qscd: true,
            device_confirmed: Some(true),
            overridden: false,
            sessions: (0, 1),
            hung_calls: 0,
        }
    }

    fn evidence() -> KeyEvidence {
        KeyEvidence {
            record_sha256: "00".repeat(32),
            device_serial: "42".into(),
            device_firmware: "1.0".into(),
            profile: "trident".into(),
            approved_by: "A. Officer".into(),
            assigned_key: None,
            kak_source: None,
            recorded_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn attributes() -> KeyAttributes {
        KeyAttributes {
            sensitive: Some(true),
            always_sensitive: Some(true),
            extractable: Some(false),
            never_extractable: Some(true),
            local: Some(true),
            sign: Some(true),
            decrypt: Some(false),
            unwrap: Some(false),
            derive: Some(false),
        }
    }

    #[test]
    fn nothing_is_missing_when_certificate_device_key_and_evidence_are_there() {
        assert_eq!(certificate(&statements()), Vec::<String>::new());
        assert_eq!(device(&status(), Some(&evidence()), false), Vec::<String>::new());
        assert_eq!(key(&attributes(), Some(&evidence())), Vec::<String>::new());
    }

    #[test]
    fn each_missing_statement_closes_the_gate() {
        let cases = [
            (QualifiedStatements { compliance: false, ..statements() }, "QcCompliance"),
            (QualifiedStatements { sscd: false, ..statements() }, "QcSSCD"),
            (QualifiedStatements { types: vec!["esign".into()], ..statements() }, "QcType eseal"),
        ];
        for (statements, name) in cases {
            assert_eq!(certificate(&statements), [format!("the certificate's statement {name}")]);
        }
    }

    #[test]
    fn a_device_that_is_none_or_another_one_closes_the_gate() {
        let cases = [
            TokenStatus { qscd: false, ..status() },
            TokenStatus { device_confirmed: Some(false), ..status() },
            TokenStatus { device_confirmed: None, ..status() },
            TokenStatus { state: TokenState::Unavailable, ..status() },
            TokenStatus { serial: Some("43".into()), ..status() },
            TokenStatus { serial: None, ..status() },
            TokenStatus { profile: "generic".into(), ..status() },
        ];
        for status in cases {
            assert_eq!(device(&status, Some(&evidence()), false).len(), 1, "{status:?}");
        }
    }

    #[test]
    fn a_wrong_library_behind_a_profile_closes_the_gate_with_the_reason() {
        let status = TokenStatus {
            device: Some("SoftHSM project SoftHSM v2 2.6".into()),
            device_confirmed: Some(false),
            ..status()
        };
        let missing = device(&status, Some(&evidence()), false);
        assert_eq!(missing.len(), 1);
        for part in ["profile trident", "SoftHSM project SoftHSM v2", "sigillo token check hsm"] {
            assert!(missing[0].contains(part), "{missing:?}");
        }
    }

    #[test]
    fn of_a_replica_that_is_away_only_what_is_known_counts() {
        let away = TokenStatus { state: TokenState::Unavailable, device_confirmed: None, serial: None, ..status() };
        assert_eq!(device(&away, Some(&evidence()), true), Vec::<String>::new());
        let known = [
            TokenStatus { qscd: false, ..away.clone() },
            TokenStatus { device_confirmed: Some(false), ..away.clone() },
            TokenStatus { serial: Some("43".into()), ..away.clone() },
            TokenStatus { profile: "generic".into(), serial: Some("42".into()), ..away },
        ];
        for status in known {
            assert_eq!(device(&status, Some(&evidence()), true).len(), 1, "{status:?}");
        }
        // One that is there is excused nothing.
        let unconfirmed = TokenStatus { device_confirmed: None, ..status() };
        assert_eq!(device(&unconfirmed, Some(&evidence()), true).len(), 1);
    }

    #[test]
    fn a_general_key_closes_the_gate_where_the_device_has_assigned_ones() {
        let proven = KeyEvidence { assigned_key: Some(true), ..evidence() };
        assert_eq!(assigned(true, "hsm", Some(&proven)), None);
        assert_eq!(assigned(false, "hsm", Some(&evidence())), None);
        for assigned_key in [None, Some(false)] {
            let general = KeyEvidence { assigned_key, ..evidence() };
            assert!(assigned(true, "hsm", Some(&general)).unwrap().contains("general keys"));
        }
    }

    #[test]
    fn an_attribute_that_is_wrong_or_unknown_and_missing_evidence_close_the_gate() {
        let cases = [
            (KeyAttributes { extractable: Some(true), ..attributes() }, Some(evidence())),
            (KeyAttributes { local: None, ..attributes() }, Some(evidence())),
            (attributes(), None),
        ];
        for (attributes, evidence) in cases {
            assert_eq!(key(&attributes, evidence.as_ref()).len(), 1, "{attributes:?}");
        }
    }
}
