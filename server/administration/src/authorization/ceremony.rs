//! The steps of an authorisation with a person: everything that can refuse does so before the device is asked, which blocks a key after
//! a few wrong signatures; each step is announced in the audit chain before it happens.

use cryptotoken::Pkcs11Token;
use cryptotoken_api::{
    AuthorizationChallenge, AuthorizationProtocol, AuthorizationStep, CredentialState, CryptoToken, KeyAlias,
    KeyAuthorizer, KeyLocation, PublicKey, TokenError,
};
use openssl::pkey::PKey;
use serde_json::{Value, json};
use store::{CredentialRecord, Kak, KakSource, KeyAuthorizationRecord, KeyEvidence};
use time::OffsetDateTime;

use super::kak::{ConfiguredKak, ExportedChallenge, Holder, KakChoice, OfflineExchange};
use super::{AuthorizationRequest, Initialization, act, authorizer, located, next_step, qualified, record, view};
use crate::{Actor, AdministrationError, Node, backup, credential};

/// Everything about one key while it is initialised, authorised or bound to another KAK.
pub(super) struct Ceremony<'a> {
    node: &'a Node,
    actor: &'a Actor,
    authorizer: &'a dyn KeyAuthorizer,
    pub(super) location: KeyLocation,
    pub(super) credential: CredentialRecord,
    device_serial: Option<String>,
    pub(super) kak: PublicKey,
    protocol: AuthorizationProtocol,
    source: KakSource,
    initialization: Initialization,
    way: Way<'a>,
}

enum Way<'a> {
    Holder(Holder),
    Offline(&'a dyn OfflineExchange),
}

impl<'a> Ceremony<'a> {
    /// Everything that can refuse does so here, before the device is asked.
    pub(super) fn begin(
        node: &'a Node,
        actor: &'a Actor,
        token_name: &str,
        alias: &KeyAlias,
        request: &AuthorizationRequest,
        choice: &KakChoice<'a>,
    ) -> Result<Self, AdministrationError> {
        let token = node.token(token_name)?;
        let authorizer = authorizer(token, alias)?;
        let (location, credential) = located(node, token_name, alias)?;
        let known = node.wait(node.store().key_authorization(&location))?;
        refuse_state(&credential, request)?;
        let protocol = match (request.initialization, &known) {
            (Initialization::Done, Some(record)) => record.kak.protocol,
            (Initialization::Done, None) => {
                return Err(AdministrationError::Refused(format!(
                    "key \"{alias}\" on token \"{token_name}\" was not initialised from here; say --initialize, or --initialized-elsewhere \
                     where the vendor's tool has bound it to its KAK"
                )));
            }
            (Initialization::Now { protocol, .. } | Initialization::Elsewhere { protocol }, None) => protocol,
            (_, Some(record)) => {
                return Err(AdministrationError::Refused(format!(
                    "key \"{alias}\" on token \"{token_name}\" is bound to the KAK {}; say neither --initialize nor \
                     --initialized-elsewhere, or --change to bind it to another one",
                    view::view(record).kak_sha256
                )));
            }
        };
        let bound = known.as_ref().map(|record| PublicKey::from_spki_der(&record.kak.public_key)).transpose();
        let bound = bound.map_err(|error| AdministrationError::Refused(format!("the KAK on record: {error}")))?;
        let (way, source, kak) = way(node, token, choice, bound.as_ref())?;
        if let Some(bound) = bound.filter(|bound| !bound.same_key(&kak)) {
            return Err(AdministrationError::Refused(format!(
                "key \"{alias}\" on token \"{token_name}\" is bound to the KAK {}, and this one is {}; nothing was asked of the device, \
                 which blocks a key after a few wrong signatures",
                bound.fingerprint(),
                kak.fingerprint()
            )));
        }
        if source == KakSource::File {
            qualified::refuse_file(node, &credential)?;
        }
        let device_serial = token.status().serial;
        let initialization = request.initialization;
        Ok(Self {
            node,
            actor,
            authorizer,
            location,
            credential,
            device_serial,
            kak,
            protocol,
            source,
            initialization,
            way,
        })
    }

    /// One step on the device, announced before and recorded after.
    pub(super) fn perform(&self, step: AuthorizationStep<'_>) -> Result<Vec<String>, AdministrationError> {
        let warnings = self.authorizer.unverified(step);
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let detail = |phase: &str, failure: Option<String>| {
            json!({
                "phase": phase, "step": step.name(), "count": count(step), "protocol": self.protocol.name(),
                "kakSha256": self.kak.fingerprint(), "kakSource": self.source.name(), "unverified": warnings.len(), "failure": failure,
            })
        };
        record(self.node, self.actor, &self.location, detail("begin", None))?;
        let audit = self.node.audit()?;
        let actor = self.actor.to_string();
        let mut sign = |challenge: &AuthorizationChallenge| {
            let accept = |signature: &[u8]| challenge.is_signed_by(&self.kak, self.protocol, signature);
            let signature = match &self.way {
                Way::Holder(holder) => holder.sign(audit, &actor, self.protocol, challenge, self.node.deadline())?,
                Way::Offline(exchange) => exchange.sign(&self.export(step, challenge), &accept)?,
            };
            if accept(&signature) {
                Ok(signature)
            } else {
                Err(TokenError::Refused(
                    "the KAK's signature does not verify; it was not given to the device".to_owned(),
                ))
            }
        };
        let done = self.authorizer.perform(&self.location, step, &mut sign);
        if let Err(error) = &done {
            record(self.node, self.actor, &self.location, detail("end", Some(error.to_string())))?;
        }
        done?;
        Ok(warnings)
    }

    pub(super) fn remember_initialized(
        &self,
        protocol: AuthorizationProtocol,
        assigned: bool,
    ) -> Result<KeyAuthorizationRecord, AdministrationError> {
        let new = KeyAuthorizationRecord {
            credential: self.credential.name.clone(),
            location: self.location.clone(),
            assigned,
            kak: Kak { public_key: self.kak.spki_der().to_vec(), protocol, source: self.source },
            authorized: None,
        };
        // What the device was told is better evidence than what somebody wrote down.
        let evidence = self.credential.evidence.clone();
        let evidence = evidence.map(|evidence| KeyEvidence {
            assigned_key: if assigned { Some(true) } else { evidence.assigned_key },
            kak_source: Some(self.source),
            ..evidence
        });
        let detail =
            json!({ "phase": "end", "step": "initialize", "assigned": assigned, "kakSha256": self.kak.fingerprint() });
        let act = act(self.actor, &self.location, detail);
        self.node.wait(self.node.store().insert_key_authorization(&new, evidence.as_ref(), act))?;
        Ok(new)
    }

    pub(super) fn authorize(&self, count: Option<u64>) -> Result<Vec<String>, AdministrationError> {
        let before = self.node.wait(self.node.store().key_authorization(&self.location))?;
        let warnings = self.perform(AuthorizationStep::Authorize { count })?;
        let record = match (before, self.initialization) {
            (Some(record), _) => record,
            (None, _) => {
                let evidence = self.credential.evidence.as_ref();
                self.remember_initialized(self.protocol, evidence.is_some_and(|e| e.assigned_key == Some(true)))?
            }
        };
        let uses_before = record.authorized.map_or(0, |authorized| authorized.uses);
        let due = credential::by_certificate(&self.credential, OffsetDateTime::now_utc());
        let state = backup::gate(self.node, &self.credential, due)?;
        let detail =
            json!({ "phase": "end", "step": "authorize", "count": counted(count), "kakSource": self.source.name() });
        let act = act(self.actor, &self.location, detail);
        let store = self.node.store();
        // A private half that was in a file once may be in another, so that stays on record as long as the KAK does.
        let source = if record.kak.source == KakSource::File { KakSource::File } else { self.source };
        self.node.wait(store.set_key_authorized(&record, count, source, uses_before, state, act))?;
        Ok(warnings)
    }

    pub(super) fn change(
        &self,
        kak: &PublicKey,
        protocol: AuthorizationProtocol,
    ) -> Result<Vec<String>, AdministrationError> {
        let mut warnings = self.perform(AuthorizationStep::Change { kak, protocol })?;
        // Where its private half is, the next authorisation tells; of one that was in a file it is known.
        let known = self.node.wait(self.node.store().key_authorization(&self.location))?;
        let source = known.filter(|_| kak.same_key(&self.kak)).map_or(KakSource::Offline, |record| record.kak.source);
        let new = Kak { public_key: kak.spki_der().to_vec(), protocol, source };
        let detail = json!({ "phase": "end", "step": "change", "kakSha256": kak.fingerprint() });
        let act = act(self.actor, &self.location, detail);
        let store = self.node.store();
        self.node.wait(store.withdraw_key_authorization(&self.credential.name, &self.location, Some(&new), act))?;
        warnings.push(format!(
            "the key is taken as not authorised after this change; {}",
            next_step(&self.location.token, &self.location.alias)
        ));
        Ok(warnings)
    }

    fn export(&self, step: AuthorizationStep<'_>, challenge: &AuthorizationChallenge) -> ExportedChallenge {
        let pem = |key: &PublicKey| {
            let pem =
                PKey::public_key_from_der(key.spki_der()).and_then(|key| key.public_key_to_pem()).unwrap_or_default();
            String::from_utf8_lossy(&pem).into_owned()
        };
        ExportedChallenge {
            format: "sigillo-key-authorization-challenge-1",
            step: step.name(),
            token: self.location.token.clone(),
            device_serial: self.device_serial.clone(),
            key: self.location.alias.to_string(),
            key_id: self.location.id.to_string(),
            key_public_sha256: hex::encode(openssl::sha::sha256(&self.credential.public_key)),
            credential: self.credential.name.clone(),
            mechanism: format!("{:#010x}", challenge.mechanism),
            protocol: self.protocol,
            count: match step {
                AuthorizationStep::Authorize { count: Some(count) } => Some(count.to_string()),
                AuthorizationStep::Authorize { count: None } => Some("unlimited".to_owned()),
                _ => None,
            },
            kak_public_key: pem(&self.kak),
            kak_sha256: self.kak.fingerprint(),
            new_kak_public_key: match step {
                AuthorizationStep::Change { kak, .. } => Some(pem(kak)),
                _ => None,
            },
            hash_algorithm: "SHA-256",
            hash: hex::encode(challenge.hash().digest()),
        }
    }
}

fn way<'a>(
    node: &Node,
    token: &Pkcs11Token,
    choice: &KakChoice<'a>,
    bound: Option<&PublicKey>,
) -> Result<(Way<'a>, KakSource, PublicKey), AdministrationError> {
    let holder = match choice {
        KakChoice::Offline { exchange, public_key } => {
            let kak = public_key.clone().or_else(|| bound.cloned()).ok_or_else(|| {
                AdministrationError::Refused(
                    "name the KAK's public half with --kak-public; the key is not bound to one yet".into(),
                )
            })?;
            return Ok((Way::Offline(*exchange), KakSource::Offline, kak));
        }
        KakChoice::Token { token, alias } => Holder::on_token(node, token, alias)?,
        KakChoice::File { octets, passphrase } => Holder::in_file(octets, passphrase.as_ref())?,
        KakChoice::Configured => match ConfiguredKak::of(node, token)? {
            Some(ConfiguredKak::Token { token, alias }) => Holder::on_token(node, token.name(), &alias)?,
            Some(configured) => configured.holder(None)?,
            None => {
                return Err(AdministrationError::Refused(format!(
                    "where is the KAK? Say --kak-token and --kak-alias, or --export-challenge and --import-signature, or --kak-key; or put it \
                     into [token.key_authorization] of token \"{}\" in sigillo.toml",
                    token.name()
                )));
            }
        },
    };
    let (source, public_key) = (holder.source, holder.public_key.clone());
    Ok((Way::Holder(holder), source, public_key))
}

fn refuse_state(credential: &CredentialRecord, request: &AuthorizationRequest) -> Result<(), AdministrationError> {
    let name = &credential.name;
    if matches!(credential.state, CredentialState::Retired | CredentialState::Revoked) {
        return Err(AdministrationError::Refused(format!("credential \"{name}\" is {}", credential.state)));
    }
    if request.count == Some(Some(1)) && credential.chain.is_empty() && request.change.is_none() {
        return Err(AdministrationError::Refused(format!(
            "key of credential \"{name}\" has no certificate: its self-test takes one signature and the certification request another, so \
             authorise at least 2"
        )));
    }
    Ok(())
}

fn count(step: AuthorizationStep<'_>) -> Value {
    match step {
        AuthorizationStep::Authorize { count } => counted(count),
        _ => Value::Null,
    }
}

fn counted(count: Option<u64>) -> Value {
    count.map_or_else(|| json!("unlimited"), |count| json!(count))
}
