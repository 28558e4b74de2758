//! One node: its configuration, the database and the tokens it names, for server and command line alike.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use cryptotoken::{LoginMemory, LoginOutcome, LoginTurn, MemoryError, Pkcs11Token, TokenConfig};
use cryptotoken_api::{CryptoToken, TokenError, TokenState};
use store::{AuditEvent, AuditLog, Store};
use tokio::runtime::Handle;

use crate::AdministrationError;
use crate::authorization::Gates;
use crate::configuration::Configuration;
use crate::error::causes;

/// An opened node. Its functions block; none may be called on a thread that drives async tasks.
pub struct Node {
    configuration: Configuration,
    store: Store,
    audit: OnceLock<AuditLog>,
    tokens: BTreeMap<String, LazyToken>,
    runtime: Handle,
    gates: Gates,
}

struct LazyToken {
    config: TokenConfig,
    opened: OnceLock<Result<Arc<Pkcs11Token>, String>>,
    forgiven: Arc<AtomicBool>,
}

impl Node {
    /// Opens the database. Tokens are opened when they are first used, or all by [`Self::open_tokens`].
    ///
    /// # Errors
    /// [`AdministrationError::Store`].
    pub fn open(configuration: Configuration, runtime: Handle) -> Result<Self, AdministrationError> {
        let store = runtime.block_on(Store::open(&configuration.database.url, &configuration.base_dir))?;
        let lazy = |config: &TokenConfig| LazyToken {
            config: config.clone(),
            opened: OnceLock::new(),
            forgiven: Arc::default(),
        };
        let tokens = configuration.tokens.iter().map(|config| (config.name.clone(), lazy(config))).collect();
        Ok(Self { configuration, store, audit: OnceLock::new(), tokens, runtime, gates: Gates::default() })
    }

    /// Opens every token. A device that is away or rejects its PIN is no error: its status tells.
    ///
    /// # Errors
    /// [`AdministrationError::Token`] when the configuration of one must be corrected.
    pub fn open_tokens(&self) -> Result<(), AdministrationError> {
        self.tokens.keys().try_for_each(|name| self.token(name).map(|_| ()))
    }

    /// What `sigillo.toml` says.
    #[must_use]
    pub const fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The database.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// What is known of the authorisation of keys.
    pub(crate) const fn gates(&self) -> &Gates {
        &self.gates
    }

    /// Where asynchronous work of this node runs.
    #[must_use]
    pub const fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// The audit writer, started at first use.
    ///
    /// # Errors
    /// [`AdministrationError::Store`].
    pub fn audit(&self) -> Result<&AuditLog, AdministrationError> {
        if let Some(log) = self.audit.get() {
            return Ok(log);
        }
        let log = self.wait(self.store.audit_log())?;
        Ok(self.audit.get_or_init(|| log))
    }

    /// A token by its name in `sigillo.toml`.
    ///
    /// # Errors
    /// [`AdministrationError::Refused`] when there is none; [`AdministrationError::Token`] when its configuration is wrong.
    pub fn token(&self, name: &str) -> Result<&Arc<Pkcs11Token>, AdministrationError> {
        let token = self.tokens.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.tokens.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            AdministrationError::Refused(format!("there is no token \"{name}\" in sigillo.toml; it has: {known}"))
        })?;
        let opened = token.opened.get_or_init(|| self.open_token(token).map_err(|error| causes(&error)));
        opened.as_ref().map_err(|error| TokenError::Configuration(error.clone()).into())
    }

    fn open_token(&self, token: &LazyToken) -> Result<Arc<Pkcs11Token>, AdministrationError> {
        let (store, runtime) = (self.store.clone(), self.runtime.clone());
        let memory = Arc::new(StoreMemory { store, runtime, forgiven: Arc::clone(&token.forgiven) });
        let config = token.config.clone();
        // Asked first: a token that an operator has locked is not logged in to, not even to log out again.
        let locked = self.wait(self.store.token_locked(&config.name))?;
        let open = if locked { Pkcs11Token::open_locked } else { Pkcs11Token::open };
        Ok(Arc::new(open(config, &self.configuration.base_dir, memory)?))
    }

    /// Runs what may try a rejected PIN once more, in this process only: the others go by the database, where the rejection stays.
    pub(crate) fn forgiving<T>(&self, token: &str, work: impl FnOnce() -> T) -> T {
        let set = |forgiven| {
            if let Some(token) = self.tokens.get(token) {
                token.forgiven.store(forgiven, Ordering::Relaxed);
            }
        };
        set(true);
        let result = work();
        set(false);
        result
    }

    /// The tokens opened so far.
    pub fn tokens(&self) -> impl Iterator<Item = &Arc<Pkcs11Token>> {
        self.tokens.values().filter_map(|token| token.opened.get()?.as_ref().ok())
    }

    /// Names of all tokens.
    pub fn token_names(&self) -> impl Iterator<Item = &str> {
        self.tokens.keys().map(String::as_str)
    }

    /// Locks the tokens that operators locked in other processes.
    ///
    /// # Errors
    /// [`AdministrationError::Store`]; the tokens stay as they are.
    pub fn follow_locks(&self) -> Result<(), AdministrationError> {
        for token in self.tokens() {
            if token.status().state != TokenState::Locked && self.wait(self.store.token_locked(token.name()))? {
                token.lock();
            }
        }
        Ok(())
    }

    /// Tries the tokens that may be back: after an unlock or a corrected PIN in another process, or a device that was away. Waits
    /// for the devices.
    ///
    /// # Errors
    /// [`AdministrationError::Store`]; the tokens stay as they are.
    pub fn revive_tokens(&self) -> Result<(), AdministrationError> {
        for token in self.tokens() {
            let state = token.status().state;
            if state == TokenState::Ready || self.wait(self.store.token_locked(token.name()))? {
                continue;
            }
            // Neither repeats a PIN whose rejection is remembered; `probe` keeps the pauses for a device that is away.
            let tried = match state {
                TokenState::PinRejected | TokenState::Locked => token.reconnect(),
                TokenState::Unavailable | TokenState::Uninitialized => token.probe(),
                TokenState::Ready => Ok(()),
            };
            if let Err(error) = tried {
                tracing::debug!(token.name = token.name(), "token \"{}\" stays away: {error}", token.name());
            }
        }
        Ok(())
    }

    /// Closes the database; nothing more can be done with it. Not waited for longer than a moment, as a call into a vendor's library
    /// may hang while it holds a connection.
    pub fn close(&self) {
        let closed = async { tokio::time::timeout(Duration::from_secs(2), self.store.close()).await };
        if self.runtime.block_on(closed).is_err() {
            tracing::warn!(
                "the database was not closed in time; its newest records are in the write-ahead log beside it"
            );
        }
    }

    /// When an administrative use of a key gives up.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    pub(crate) fn wait<T, E>(&self, future: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        self.runtime.block_on(future)
    }
}

/// Remembers logins in the database, so that a rejected PIN is not tried again by a restart or another node.
struct StoreMemory {
    store: Store,
    runtime: Handle,
    forgiven: Arc<AtomicBool>,
}

impl LoginMemory for StoreMemory {
    fn login_turn(&self, serial: &str, source: &str, until: Instant) -> Result<LoginTurn, MemoryError> {
        Ok(Box::new(self.runtime.block_on(self.store.login_turn(serial, source, until))?))
    }

    fn pin_rejected(&self, serial: &str, source: &str) -> Result<bool, MemoryError> {
        if self.forgiven.swap(false, Ordering::Relaxed) {
            return Ok(false);
        }
        Ok(self.runtime.block_on(self.store.pin_rejected(serial, source))?)
    }

    fn remember_pin_rejection(&self, serial: &str, source: &str) -> Result<(), MemoryError> {
        Ok(self.runtime.block_on(self.store.remember_pin_rejection(serial, source, &[]))?)
    }

    fn login_recorded(&self, token: &str, serial: &str, outcome: LoginOutcome) {
        let outcome = match outcome {
            LoginOutcome::LoggedIn => store::audit::LoginOutcome::Succeeded,
            LoginOutcome::Rejected => store::audit::LoginOutcome::PinRejected,
            LoginOutcome::Failed => store::audit::LoginOutcome::Failed,
        };
        let event = AuditEvent::TokenLogin { token: token.to_owned(), serial: serial.to_owned(), outcome };
        if let Err(error) = self.runtime.block_on(self.store.record(&[event])) {
            tracing::error!(token.name = token, "the login to token \"{token}\" could not be recorded: {error}");
        }
    }
}
