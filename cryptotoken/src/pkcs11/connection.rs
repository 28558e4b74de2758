//! A slot that is ready for use: found, logged in, its mechanisms known.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::MechanismType;
use cryptoki::object::{ObjectClass, ObjectHandle};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::{Limit, TokenInfo};
use cryptotoken_api::{KeyId, TokenState};
use secrecy::SecretString;

use crate::config::{PinSource, SlotSelector, TokenConfig};
use crate::held_pin::HeldPin;
use crate::identity::DeviceIdentity;
use crate::login::{LoginMemory, LoginOutcome, LoginTurn};
use crate::pkcs11::authorization::Cp5;
use crate::pkcs11::describe;
use crate::pkcs11::error::{is_rejection, is_unclear, name};
use crate::pkcs11::module::{self, Module, ModuleError};
use crate::pkcs11::objects::{HandleCache, find_one};
use crate::pkcs11::session_pool::{Failure, SessionPool, close};
use crate::pkcs11::slot::{self, trimmed};
use crate::profile::{KeyAuthorizationKind, LoginMode, RecoveryDepth, TokenProfile};

/// A slot that is ready for use.
pub(crate) struct Connection {
    pub(crate) pool: SessionPool,
    /// `None` when the device would not tell.
    pub(crate) mechanisms: Option<Vec<MechanismType>>,
    handles: Option<HandleCache>,
    /// Whether there was a login to be lost.
    logs_in: bool,
    /// Never lent: the login lasts as long as the application has a session (PKCS#11 3.0, section 5.6.8).
    keeper: Mutex<Option<Session>>,
    /// Nobody uses it any more.
    given_up: AtomicBool,
}

/// What a token says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) label: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) device: Option<String>,
    /// For comparison with the profile.
    pub(crate) identity: DeviceIdentity,
}

/// Why a slot is not ready, for operators.
#[derive(Clone, Debug)]
pub(crate) struct NotReady {
    pub(crate) state: TokenState,
    pub(crate) reason: String,
    /// Whether only a change of `sigillo.toml` helps.
    pub(crate) configuration: bool,
}

impl NotReady {
    pub(crate) fn new(state: TokenState, reason: impl Into<String>) -> Self {
        Self { state, reason: reason.into(), configuration: false }
    }

    /// Whether it may pass by itself, or by starting the library anew.
    fn may_pass(&self) -> bool {
        self.state == TokenState::Unavailable && !self.configuration
    }

    pub(crate) fn unavailable(reason: impl Into<String>) -> Self {
        Self::new(TokenState::Unavailable, reason)
    }
}

impl From<ModuleError> for NotReady {
    fn from(error: ModuleError) -> Self {
        match error {
            ModuleError::Configuration(reason) => Self { configuration: true, ..Self::unavailable(reason) },
            ModuleError::Unavailable(reason) => Self::unavailable(reason),
        }
    }
}

/// What connecting needs.
pub(crate) struct Connector {
    pub(crate) config: TokenConfig,
    pub(crate) profile: Arc<TokenProfile>,
    pub(crate) memory: Arc<dyn LoginMemory>,
    /// A rejection that the memory has yet to take; until it has, its answers are not believed, and others wait.
    unremembered: Mutex<Option<Unremembered>>,
    /// Logins in a row that failed with a code that may hide a rejection.
    unclear_logins: AtomicU32,
    /// Calls that do not come back, of all connections.
    hung: Arc<AtomicUsize>,
    /// The PIN that an operator typed and the device took, for the login after an outage.
    typed: Mutex<Option<HeldPin>>,
}

/// A rejection that the memory has yet to take.
struct Unremembered {
    serial: String,
    source: String,
    /// Kept from others who would find no rejection.
    _turn: Option<LoginTurn>,
}

impl Connector {
    /// Nothing is tried yet.
    pub(crate) fn new(config: TokenConfig, profile: Arc<TokenProfile>, memory: Arc<dyn LoginMemory>) -> Self {
        Self {
            config,
            profile,
            memory,
            unremembered: Mutex::new(None),
            unclear_logins: AtomicU32::new(0),
            hung: Arc::default(),
            typed: Mutex::new(None),
        }
    }

    /// Forgets the PIN that was typed.
    pub(crate) fn forget_typed(&self) {
        *self.typed() = None;
    }

    fn typed(&self) -> MutexGuard<'_, Option<HeldPin>> {
        self.typed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds the slot and logs in, at most once for each start of the library. `facts` is filled as far as one gets.
    ///
    /// A device that is away often stays away for a library that has seen it go, and a library that started without its device never
    /// finds one: then the library is started anew, where the profile allows it. With `anew` it is at once, because what was connected
    /// last time did not work.
    pub(crate) fn connect(
        &self,
        manual: Option<&SecretString>,
        facts: &mut Facts,
        anew: bool,
    ) -> Result<Arc<Connection>, NotReady> {
        let (module, fresh) = module::load(self.config.library.as_deref(), &self.profile.module)?;
        if self.profile.key_authorization.kind == KeyAuthorizationKind::UtimacoCp5 {
            module.cp5().map_err(ModuleError::Configuration)?;
        }
        let mut may_restart = !fresh && self.profile.recovery.depth >= RecoveryDepth::Module;
        let mut generation = module.gate().generation();
        if anew && may_restart {
            self.restart(&module, generation).map_err(NotReady::unavailable)?;
            may_restart = false;
            generation = module.gate().generation();
        }
        let mut result = self.attempt(&module, generation, manual, facts);
        if may_restart && matches!(&result, Err(not_ready) if not_ready.may_pass()) {
            match self.restart(&module, generation) {
                Ok(()) => result = self.attempt(&module, module.gate().generation(), manual, facts),
                Err(reason) => {
                    if let Err(not_ready) = &mut result {
                        not_ready.reason = format!("{}; {reason}", not_ready.reason);
                    }
                }
            }
        }
        let connection = Arc::new(result?);
        module.register(&connection);
        Ok(connection)
    }

    fn restart(&self, module: &Module, generation: u64) -> Result<(), String> {
        if self.profile.recovery.depth == RecoveryDepth::Process {
            return Err("this library cannot be started twice in one process: restart the service".to_owned());
        }
        module.restart(generation, Instant::now() + self.profile.recovery.call_timeout.min(LONGEST_DRAIN))
    }

    /// The functions of CP5 in the library of this token.
    pub(crate) fn cp5(&self) -> Result<Arc<Cp5>, String> {
        match module::load(self.config.library.as_deref(), &self.profile.module) {
            Ok((module, _)) => module.cp5(),
            Err(ModuleError::Configuration(reason) | ModuleError::Unavailable(reason)) => Err(reason),
        }
    }

    /// Calls that do not come back.
    pub(crate) fn hung(&self) -> usize {
        self.hung.load(Ordering::Relaxed)
    }

    fn attempt(
        &self,
        module: &Arc<Module>,
        generation: u64,
        manual: Option<&SecretString>,
        facts: &mut Facts,
    ) -> Result<Connection, NotReady> {
        let wait = Instant::now() + self.profile.session.wait;
        let _visit = module
            .gate()
            .enter(generation, wait)
            .map_err(|_| NotReady::unavailable("the library is being started anew"))?;
        let pkcs11 = module.pkcs11();
        let candidates = slot::candidates(pkcs11, self.profile.slot.retry).map_err(NotReady::unavailable)?;
        let free = candidates.iter().any(slot::Candidate::is_free);
        let slot = slot::select(candidates, &self.config.slot).map_err(|reason| match self.config.slot {
            // A label comes into being with the token.
            SlotSelector::Label(_) if free => {
                let looked = module::configured_by(&self.profile.module);
                let hint = format!("{reason}; to make it, run: sigillo token init {}{looked}", self.config.name);
                NotReady::new(TokenState::Uninitialized, hint)
            }
            _ => NotReady::unavailable(reason + &module::configured_by(&self.profile.module)),
        })?;
        if let Some(info) = &slot.info {
            *facts = Facts::of(info);
            facts.identity = describe::identity(self.config.library.as_deref(), &self.profile, pkcs11, Some(info));
            if !info.token_initialized() {
                let reason = format!("the token is not initialised; run: sigillo token init {}", self.config.name);
                return Err(NotReady::new(TokenState::Uninitialized, reason));
            }
        }
        let keeper = if self.profile.session.read_write {
            pkcs11.open_rw_session_no_drop(slot.slot)
        } else {
            pkcs11.open_ro_session_no_drop(slot.slot)
        }
        .map_err(|error| NotReady::unavailable(format!("C_OpenSession failed: {}", name(&error))))?;
        if let Err(not_ready) = self.log_in(&keeper, slot.info.as_ref(), facts, manual) {
            close(keeper, false);
            return Err(not_ready);
        }
        let mechanisms = match pkcs11.get_mechanism_list(slot.slot) {
            Ok(list) => Some(list),
            Err(error) => {
                tracing::warn!("C_GetMechanismList of token \"{}\" failed: {}", self.config.name, name(&error));
                None
            }
        };
        Ok(Connection {
            pool: self.pool(module, generation, slot.slot, slot.info.as_ref()),
            mechanisms,
            handles: self.profile.session.handles_span_sessions.then(HandleCache::default),
            logs_in: self.logs_in(),
            keeper: Mutex::new(Some(keeper)),
            given_up: AtomicBool::new(false),
        })
    }

    fn pool(
        &self,
        module: &Arc<Module>,
        generation: u64,
        slot: cryptoki::slot::Slot,
        info: Option<&TokenInfo>,
    ) -> SessionPool {
        let wanted = self.config.sessions.unwrap_or(self.profile.session.max);
        // One session is the keeper's.
        let limit = match info.map(TokenInfo::max_session_count) {
            Some(Limit::Max(max)) => wanted.min(usize::try_from(max).unwrap_or(usize::MAX).saturating_sub(1)),
            _ => wanted,
        };
        SessionPool::new(Arc::clone(module), generation, slot, limit, &self.profile, Arc::clone(&self.hung))
    }

    fn log_in(
        &self,
        session: &Session,
        info: Option<&TokenInfo>,
        facts: &Facts,
        manual: Option<&SecretString>,
    ) -> Result<(), NotReady> {
        let source = &self.config.pin;
        if !self.logs_in() {
            return Ok(());
        }
        // Login belongs to the application: another configured token on the same slot may have done it.
        let state = session.get_session_info().map(|info| info.session_state());
        if matches!(state, Ok(SessionState::RoUser | SessionState::RwUser)) {
            return Ok(());
        }
        let (serial, source_name) = self.rejection_key(facts);
        let mut turn = None;
        let pin = match (source, manual) {
            (PinSource::Manual, Some(pin)) => pin.clone(),
            (PinSource::Manual, None) => self.typed().as_ref().map(HeldPin::copy).ok_or_else(|| {
                let reason = format!("waits for its PIN; run: sigillo token unlock {}", self.config.name);
                NotReady::new(TokenState::Locked, reason)
            })?,
            _ => {
                turn = Some(self.turn_unless_rejected(&serial, &source_name)?);
                let read = source.read().map_err(|error| NotReady::unavailable(with_cause(&error)))?;
                read.unwrap_or_else(|| SecretString::from(""))
            }
        };
        if info.is_some_and(TokenInfo::user_pin_locked) {
            return Err(self.rejected("is locked on the device"));
        }
        if info.is_some_and(TokenInfo::user_pin_final_try) {
            tracing::warn!("token \"{}\" allows one more try of its PIN", self.config.name);
        }
        let record = |outcome| self.memory.login_recorded(&self.config.name, &serial, outcome);
        match session.login(UserType::User, Some(&pin)) {
            Ok(()) => {
                self.unclear_logins.store(0, Ordering::Relaxed);
                record(LoginOutcome::LoggedIn);
                if *source == PinSource::Manual {
                    *self.typed() = HeldPin::new(&pin);
                }
                Ok(())
            }
            Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) if self.profile.login.already_logged_in_ok => Ok(()),
            Err(Error::Pkcs11(RvError::UserPinNotInitialized, _)) => {
                record(LoginOutcome::Failed);
                let reason = format!("the token has no user PIN yet; run: sigillo token init {}", self.config.name);
                Err(NotReady::new(TokenState::Uninitialized, reason))
            }
            // Some devices say no more than this to a wrong PIN, so it is forgiven once and not until they lock.
            Err(error)
                if is_rejection(&error, &self.profile.errors)
                    || (is_unclear(&error) && self.unclear_logins.fetch_add(1, Ordering::Relaxed) > 0) =>
            {
                record(LoginOutcome::Rejected);
                // A person types the next PIN; nothing here repeats this one.
                if *source == PinSource::Manual {
                    self.forget_typed();
                } else {
                    let serial = serial.clone();
                    *self.unremembered() = Some(Unremembered { serial, source: source_name, _turn: turn.take() });
                    self.remember();
                }
                Err(self.rejected(&format!("was rejected ({})", name(&error))))
            }
            Err(error) => {
                record(LoginOutcome::Failed);
                Err(NotReady::unavailable(format!("C_Login failed: {}", name(&error))))
            }
        }
    }

    fn logs_in(&self) -> bool {
        self.profile.login.mode == LoginMode::User && self.config.pin != PinSource::NoLogin
    }

    /// By what a rejection is remembered: serial number and the PIN's source.
    pub(crate) fn rejection_key(&self, facts: &Facts) -> (String, String) {
        let serial = facts.serial.clone().unwrap_or_else(|| format!("unknown ({})", self.config.slot));
        (serial, self.config.pin.source_name())
    }

    /// A PIN that was rejected before is not tried, nor one of which that is not known.
    fn turn_unless_rejected(&self, serial: &str, source_name: &str) -> Result<LoginTurn, NotReady> {
        if !self.remember() {
            return Err(self.rejected("was rejected"));
        }
        let until = Instant::now() + self.profile.session.wait;
        let turn = self
            .memory
            .login_turn(serial, source_name, until)
            .map_err(|error| NotReady::unavailable(format!("the PIN is not tried: {error}")))?;
        match self.memory.pin_rejected(serial, source_name) {
            Ok(false) => Ok(turn),
            Ok(true) => Err(self.rejected("was rejected before")),
            Err(error) => {
                Err(NotReady::unavailable(format!("it is not known whether the PIN was rejected before: {error}")))
            }
        }
    }

    /// Hands an open rejection to the memory; `false` while it does not take it.
    fn remember(&self) -> bool {
        let mut unremembered = self.unremembered();
        if let Some(Unremembered { serial, source, .. }) = unremembered.as_ref()
            && let Err(error) = self.memory.remember_pin_rejection(serial, source)
        {
            tracing::error!("the rejected PIN of token \"{}\" could not be remembered: {error}", self.config.name);
            return false;
        }
        *unremembered = None;
        true
    }

    fn unremembered(&self) -> MutexGuard<'_, Option<Unremembered>> {
        self.unremembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rejected(&self, what: &str) -> NotReady {
        let reason = format!(
            "the PIN from {} {what}; correct it, then run: sigillo token unlock {}",
            self.config.pin.source_name(),
            self.config.name
        );
        NotReady::new(TokenState::PinRejected, reason)
    }
}

impl Connection {
    /// The private key with this identifier, from the cache where the profile allows one.
    pub(crate) fn private_key(&self, session: &Session, id: &KeyId) -> Result<ObjectHandle, Failure> {
        if let Some(handle) = self.handles.as_ref().and_then(|cache| cache.get(id)) {
            return Ok(handle);
        }
        self.require_login(session)?;
        let handle = find_one(session, ObjectClass::PRIVATE_KEY, id)?;
        if let Some(cache) = &self.handles {
            cache.insert(id, handle);
        }
        Ok(handle)
    }

    /// Whoever is not logged in sees no private objects (PKCS#11 3.0, section 5.7.7), which must not pass for keys that are missing.
    pub(crate) fn require_login(&self, session: &Session) -> Result<(), Failure> {
        let state = session.get_session_info()?.session_state();
        if self.logs_in && !matches!(state, SessionState::RoUser | SessionState::RwUser) {
            return Err(Error::Pkcs11(RvError::UserNotLoggedIn, Function::GetSessionInfo).into());
        }
        Ok(())
    }

    /// Forgets a stale handle.
    pub(crate) fn forget(&self, id: &KeyId) {
        if let Some(cache) = &self.handles {
            cache.forget(id);
        }
    }

    /// Whether the session that holds the login is still there. Asks the device.
    pub(crate) fn is_alive(&self) -> bool {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let visit = self.pool.visit_now();
        visit.is_some() && keeper.as_ref().is_some_and(|session| session.get_session_info().is_ok())
    }

    /// Whether it is in use and answers.
    pub(crate) fn is_up(&self) -> bool {
        !self.given_up.load(Ordering::Acquire) && self.is_alive()
    }

    /// It is no longer used, though calls may still be under way.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
    }

    /// Ends the login for the whole application.
    pub(crate) fn log_out(&self) {
        self.give_up();
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        // A library that is started anew has no login.
        if let Some(_visit) = self.pool.visit_now()
            && let Some(session) = keeper.as_ref()
            && let Err(error) = session.logout()
        {
            tracing::debug!("C_Logout: {}", name(&error));
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(session) = keeper
            && let Some(_visit) = self.pool.visit_now()
        {
            self.pool.close(session, false);
        }
    }
}

impl Facts {
    fn of(info: &TokenInfo) -> Self {
        let firmware = info.firmware_version();
        let device = format!(
            "{} {} {}.{}",
            trimmed(info.manufacturer_id()),
            trimmed(info.model()),
            firmware.major(),
            firmware.minor()
        );
        Self {
            label: Some(trimmed(info.label()).to_owned()),
            serial: Some(trimmed(info.serial_number()).to_owned()),
            device: Some(device),
            identity: DeviceIdentity::default(),
        }
    }
}

/// Nobody enters the library while it is being drained, so one hung call must not make all others wait for long.
const LONGEST_DRAIN: Duration = Duration::from_secs(5);

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
