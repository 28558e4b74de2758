//! A crypto token over PKCS#11 (OASIS PKCS#11 2.40 to 3.2), any vendor's: what differs is in the profile.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cryptoki::session::Session;
use cryptotoken_api::{
    Certificate, CryptoToken, KeyAlias, KeyAuthorizer, KeyId, KeyInfo, KeyLocation, KeySpec, PublicKey,
    SignatureAlgorithm, Signer, SignerError, TokenError, TokenState, TokenStatus,
};
use secrecy::SecretString;

use crate::config::TokenConfig;
use crate::login::LoginMemory;
use crate::pkcs11::connection::{Connection, Connector};
use crate::pkcs11::error::name;
use crate::pkcs11::link::{Link, Unready};
use crate::pkcs11::recovery::Remedy;
use crate::pkcs11::session_pool::Failure;
use crate::pkcs11::sign::{Calling, Pkcs11Signer};
use crate::profile::{CertStore, KeyAuthorizationKind, KeygenMode, Support, TokenProfile};

mod authorization;
mod conduct;
mod connection;
mod describe;
mod error;
mod gate;
mod link;
mod loans;
mod manage;
mod mechanism;
mod ml_dsa;
mod module;
mod objects;
mod public_key;
mod recovery;
mod session_pool;
mod sign;
mod slot;

/// A token of `sigillo.toml`. Cheap to clone; all clones share sessions and login.
#[derive(Clone)]
pub struct Pkcs11Token {
    link: Arc<Link>,
    profile: Arc<TokenProfile>,
}

impl Pkcs11Token {
    /// Opens a token and tries to log in, at most once. `base_dir` is the folder of `sigillo.toml`.
    ///
    /// A device that is away, an unreadable PIN or a rejected one are no errors here: [`CryptoToken::status`] tells, and whoever uses the
    /// token next tries again after a pause (the rejected PIN only once it is forgotten by the memory).
    ///
    /// # Errors
    /// [`TokenError::Configuration`] when `sigillo.toml` must be changed.
    pub fn open(config: TokenConfig, base_dir: &Path, memory: Arc<dyn LoginMemory>) -> Result<Self, TokenError> {
        let token = Self::closed(config, base_dir, memory)?;
        if let Err(Unready::NotReady(not_ready)) = token.link.unlock(None, Instant::now())
            && not_ready.configuration
        {
            return Err(not_ready.into_token_error(token.name()));
        }
        Ok(token)
    }

    /// A token that an operator has locked: checked as [`Self::open`] does, but not logged in to until [`Self::unlock`] or
    /// [`Self::reconnect`].
    ///
    /// # Errors
    /// [`TokenError::Configuration`] when `sigillo.toml` must be changed.
    pub fn open_locked(config: TokenConfig, base_dir: &Path, memory: Arc<dyn LoginMemory>) -> Result<Self, TokenError> {
        let token = Self::closed(config, base_dir, memory)?;
        token.lock();
        Ok(token)
    }

    fn closed(config: TokenConfig, base_dir: &Path, memory: Arc<dyn LoginMemory>) -> Result<Self, TokenError> {
        let config = config.resolved(base_dir);
        let profile = TokenProfile::load(&config.profile, &config.overrides)
            .map_err(|error| TokenError::Configuration(format!("token \"{}\": {error}", config.name)))?;
        if config.sessions == Some(0) {
            return Err(TokenError::Configuration(format!("token \"{}\": sessions must be at least 1", config.name)));
        }
        if let Some(reason) = authorization::impossible(&profile.key_authorization) {
            return Err(TokenError::Configuration(format!("token \"{}\": {reason}", config.name)));
        }
        let profile = Arc::new(profile);
        let link = Arc::new(Link::new(Connector::new(config, Arc::clone(&profile), memory)));
        Ok(Self { link, profile })
    }

    /// The profile with the overrides of `sigillo.toml`.
    #[must_use]
    pub fn profile(&self) -> &TokenProfile {
        &self.profile
    }

    /// How `sigillo.toml` describes it, paths resolved.
    #[must_use]
    pub fn config(&self) -> &TokenConfig {
        &self.link.connector().config
    }

    /// Logs in with a PIN that an operator typed, for `unlock = "manual"`. Once the device took it, it is held in locked memory for the
    /// login after an outage, until [`Self::lock`] or a rejection.
    ///
    /// # Errors
    /// [`TokenError::Refused`] when the PIN comes from elsewhere; [`TokenError::PinRejected`] when the device refuses it;
    /// [`TokenError::Unavailable`] when the device is away.
    pub fn unlock(&self, pin: &SecretString) -> Result<(), TokenError> {
        let connector = self.link.connector();
        if !connector.is_manual() {
            let source = connector.config.pin.source_name();
            let name = self.name();
            return Err(TokenError::Refused(format!(
                "the PIN of token \"{name}\" comes from {source}; it is not typed"
            )));
        }
        self.link.unlock(Some(pin), self.deadline()).map_err(|unready| unready.into_token_error(self.name()))
    }

    /// Connects now, as an operator's act: after `sigillo token unlock` made the memory forget a rejection, or after a lock. It passes over
    /// the pause after a failure, so timers rather [`Self::probe`]. Nothing happens where the token is ready.
    ///
    /// # Errors
    /// As [`CryptoToken::keys`]; a rejected PIN that the memory still knows is not tried.
    pub fn reconnect(&self) -> Result<(), TokenError> {
        self.link.unlock(None, self.deadline()).map_err(|unready| unready.into_token_error(self.name()))
    }

    /// Sees whether a token that is away is back, as any use of it would; for timers and readiness checks.
    ///
    /// # Errors
    /// As [`CryptoToken::keys`].
    pub fn probe(&self) -> Result<(), TokenError> {
        self.connection().map(drop)
    }

    /// The serial number and the name of the PIN's source under which a [`LoginMemory`] keeps a rejection.
    #[must_use]
    pub fn rejection_key(&self) -> (String, String) {
        let (_, _, facts, _) = self.link.snapshot();
        self.link.connector().rejection_key(&facts)
    }

    /// Logs out and refuses everything until [`Self::unlock`] or [`Self::reconnect`].
    pub fn lock(&self) {
        self.link.lock_out(format!("locked by an operator; run: sigillo token unlock {}", self.name()));
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.profile.session.wait
    }

    fn connection(&self) -> Result<Arc<Connection>, TokenError> {
        self.link.connection(self.deadline()).map_err(|unready| unready.into_token_error(self.name()))
    }

    /// Reads, with one more attempt for each remedy that was found.
    fn read<T>(&self, what: &'static str, work: impl Fn(&Session) -> Result<T, Failure>) -> Result<T, TokenError> {
        let mut remedies = Vec::new();
        loop {
            let connection = self.connection()?;
            let checked = |session: &Session| connection.require_login(session).and_then(|()| work(session));
            match connection.pool.with(self.deadline(), checked) {
                Ok(value) => return Ok(value),
                Err(failure) => match recovery::remedy(&self.link, &connection, &failure, &self.profile) {
                    Some(remedy) if !remedies.contains(&remedy) => remedies.push(remedy),
                    _ => return Err(self.report(what, failure)),
                },
            }
        }
    }

    /// Changes something. Repeated only where the device refused for want of a login, or nobody asked it, so that nothing can have
    /// happened yet.
    fn change<T>(&self, what: &'static str, work: impl Fn(&Session) -> Result<T, Failure>) -> Result<T, TokenError> {
        let mut remedies = Vec::new();
        loop {
            let connection = self.connection()?;
            let checked = |session: &Session| connection.require_login(session).and_then(|()| work(session));
            match connection.pool.with_read_write(self.deadline(), checked) {
                Ok(value) => return Ok(value),
                Err(failure) => match recovery::remedy(&self.link, &connection, &failure, &self.profile) {
                    Some(remedy @ (Remedy::Login | Remedy::Library)) if !remedies.contains(&remedy) => {
                        remedies.push(remedy);
                    }
                    _ => return Err(self.report(what, failure)),
                },
            }
        }
    }

    fn report(&self, operation: &'static str, failure: Failure) -> TokenError {
        let token = self.name().to_owned();
        match failure {
            Failure::Busy => TokenError::Unavailable { token, reason: "every session is busy".to_owned() },
            Failure::Stuck(hung) => TokenError::Unavailable { token, reason: recovery::stuck(hung) },
            Failure::Outdated => TokenError::Unavailable { token, reason: "the library was started anew".to_owned() },
            Failure::Pkcs11(error) => TokenError::Device { token, operation, code: name(&error) },
            Failure::Malformed(code) => TokenError::Device { token, operation, code },
            Failure::NotFound => TokenError::Refused(format!("token \"{token}\" has no such object")),
            Failure::Ambiguous(count) => TokenError::Refused(format!("token \"{token}\" has {count} such objects")),
        }
    }
}

impl CryptoToken for Pkcs11Token {
    fn name(&self) -> &str {
        &self.link.connector().config.name
    }

    fn status(&self) -> TokenStatus {
        let (mut state, mut reason, facts, connection) = self.link.snapshot();
        if let Some(hung) = connection.as_ref().and_then(|connection| connection.pool.stuck()) {
            (state, reason) = (TokenState::Unavailable, recovery::stuck(hung));
        }
        let sessions = connection.map_or((0, 0), |connection| connection.pool.usage());
        TokenStatus {
            name: self.name().to_owned(),
            profile: self.config().profile.clone(),
            state,
            reason,
            label: facts.label,
            serial: facts.serial,
            device: facts.device,
            qscd: self.profile.assurance.qscd,
            device_confirmed: self.profile.identity.confirm(&facts.identity),
            overridden: self.profile.overridden,
            sessions,
            hung_calls: self.link.connector().hung(),
        }
    }

    fn signer(
        &self,
        location: &KeyLocation,
        spec: KeySpec,
        algorithm: SignatureAlgorithm,
    ) -> Result<Box<dyn Signer>, SignerError> {
        let connection =
            self.link.connection(self.deadline()).map_err(|unready| unready.into_signer_error(self.name()))?;
        let plan = mechanism::choose(&self.profile.sign, connection.mechanisms.as_deref(), spec, algorithm);
        let plan = plan.ok_or_else(|| SignerError::UnsupportedAlgorithm {
            token: self.name().to_owned(),
            algorithm: format!("{algorithm} ({spec})"),
        })?;
        let (link, profile) = (Arc::clone(&self.link), Arc::clone(&self.profile));
        Ok(Box::new(Pkcs11Signer {
            link,
            profile,
            location: location.clone(),
            spec,
            algorithm,
            plan,
            calling: Calling::default(),
        }))
    }

    fn keys(&self) -> Result<Vec<KeyInfo>, TokenError> {
        self.read("C_FindObjects", objects::keys)
    }

    fn generate_key(&self, alias: &KeyAlias, id: &KeyId, spec: KeySpec) -> Result<KeyInfo, TokenError> {
        if self.profile.keygen.mode == KeygenMode::External {
            let what = &self.profile.keygen.external;
            return Err(TokenError::Refused(format!(
                "no keys are generated on token \"{}\" from here: {what}",
                self.name()
            )));
        }
        let connection = self.connection()?;
        let mechanism = manage::keygen_mechanism(&self.profile.keygen, spec).map(|kind| kind.mechanism_type());
        let offered = |wanted| connection.mechanisms.as_ref().is_none_or(|list| list.contains(wanted));
        let lacking = match mechanism {
            Some(mechanism) if !offered(&mechanism) => Some(format!("it does not offer {mechanism}")),
            Some(_) if self.profile.keygen.support(spec) != Support::No => None,
            _ => Some("its profile rules them out".to_owned()),
        };
        if let Some(reason) = lacking {
            let token = self.name();
            return Err(TokenError::Refused(format!("token \"{token}\" makes no keys of kind {spec}: {reason}")));
        }
        let generated = self.change("C_GenerateKeyPair", |session| {
            if manage::is_taken(session, alias, id)? {
                return Ok(None);
            }
            manage::generate(session, &self.profile.keygen, alias, id, spec).map(Some)
        })?;
        generated.ok_or_else(|| {
            TokenError::Refused(format!(
                "token \"{}\" has a key \"{alias}\" or one with identifier {id} already",
                self.name()
            ))
        })
    }

    fn destroy_key(&self, location: &KeyLocation) -> Result<(), TokenError> {
        let connection = self.connection()?;
        let destroyed = self.change("C_DestroyObject", |session| manage::destroy(session, location));
        connection.forget(&location.id);
        if destroyed? {
            Ok(())
        } else {
            let (alias, id) = (&location.alias, &location.id);
            Err(TokenError::Refused(format!("token \"{}\" has no key \"{alias}\" with identifier {id}", self.name())))
        }
    }

    fn key_authorizer(&self) -> Option<&dyn KeyAuthorizer> {
        (self.profile.key_authorization.kind == KeyAuthorizationKind::UtimacoCp5).then_some(self)
    }

    fn public_key(&self, location: &KeyLocation) -> Result<PublicKey, TokenError> {
        let found = self.read("C_GetAttributeValue", |session| objects::public_key(session, &location.id))?;
        found.ok_or_else(|| TokenError::Refused(format!("token \"{}\" has no public key {}", self.name(), location.id)))
    }

    fn store_certificate(&self, location: &KeyLocation, certificate_der: &[u8]) -> Result<bool, TokenError> {
        if self.profile.cert.store == CertStore::Never {
            return Ok(false);
        }
        let certificate = Certificate::from_der(certificate_der)
            .map_err(|error| TokenError::Refused(format!("the certificate cannot be stored: {error}")))?;
        self.change("C_CreateObject", |session| manage::store_certificate(session, location, &certificate))?;
        Ok(true)
    }

    fn initialize(&self, so_pin: &SecretString, user_pin: &SecretString) -> Result<(), TokenError> {
        let (token, config) = (self.name(), self.config());
        if self.status().state == TokenState::Ready {
            return Err(TokenError::Refused(format!("token \"{token}\" is initialised already; nothing was changed")));
        }
        let unavailable = |reason| TokenError::Unavailable { token: token.to_owned(), reason };
        let (module, _) = module::load(config.library.as_deref(), &self.profile.module)
            .map_err(|error| connection::NotReady::from(error).into_token_error(token))?;
        let gate = module.gate();
        let _visit = gate
            .enter(gate.generation(), self.deadline())
            .map_err(|_| unavailable("the library is being started anew".to_owned()))?;
        let candidates = slot::candidates(module.pkcs11(), self.profile.slot.retry).map_err(unavailable)?;
        let plan = manage::plan_initialization(candidates, &config.slot, token).map_err(TokenError::Refused)?;
        manage::initialize(module.pkcs11(), &plan, so_pin, user_pin).map_err(|error| TokenError::Device {
            token: token.to_owned(),
            operation: "initialisation",
            code: name(&error),
        })?;
        // The numbers of the slots may have changed (SoftHSM derives them from serial numbers).
        self.link.disconnect();
        Ok(())
    }
}
