//! Why the store did not do what was asked, grouped by who must act.

use std::path::PathBuf;
use std::sync::Arc;

use cryptotoken_api::CredentialState;

/// Why the store did not do what was asked. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    // The operator corrects configuration, file system or version.
    /// The database URL cannot be used.
    #[error("[database] url cannot be used: {reason}")]
    Url {
        /// What is wrong and what to write instead. Never the URL itself, which may carry a password.
        reason: String,
    },
    /// The database file cannot be opened.
    #[error("the database {path} cannot be opened")]
    CannotOpen {
        /// The file.
        path: PathBuf,
        /// What the database said.
        source: sqlx::Error,
    },
    /// A file or folder beside the database cannot be made or locked.
    #[error("{path} beside the database cannot be used; run this as the user whom the database belongs to")]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The tables cannot be brought up to date; a database newer than the program is among the reasons.
    #[error("the tables of the database do not fit this version and cannot be brought up to date")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A row does not say what this program wrote; restore the database.
    #[error("the {noun} \"{name}\" in the database cannot be read: {reason}")]
    Unreadable {
        /// Kind of thing.
        noun: &'static str,
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },

    // The administrator asks for something else.
    /// There is no such thing.
    #[error("there is no {noun} \"{name}\"")]
    NotFound {
        /// Kind of thing.
        noun: &'static str,
        /// The name asked for.
        name: String,
    },
    /// The name, key, certificate or subject is taken, also by what was revoked.
    #[error("the {noun} \"{name}\" exists already")]
    AlreadyExists {
        /// Kind of thing.
        noun: &'static str,
        /// The name asked for.
        name: String,
    },
    /// The key has a credential already, which says what it may sign.
    #[error(
        "this key is that of credential \"{credential}\" already; for a copy on another token run: sigillo credential replica add {credential}"
    )]
    KeyInUse {
        /// Name of the credential that has it.
        credential: String,
    },
    /// Somebody else changed the state meanwhile. Look again, then decide again.
    #[error("credential \"{credential}\" is {actual}, not {expected} any more")]
    StateChanged {
        /// Name of the credential.
        credential: String,
        /// State the change was meant for.
        expected: CredentialState,
        /// State it has.
        actual: CredentialState,
    },
    /// Somebody else changed where the key is meanwhile. Look again, then decide again.
    #[error("the locations of credential \"{credential}\" were changed meanwhile; look at it and try again")]
    LocationsChanged {
        /// Name of the credential.
        credential: String,
    },
    /// No client is both signer and administrator.
    #[error("client \"{client}\" would be both signer and administrator; use two clients")]
    SeparationOfDuties {
        /// Name of the client.
        client: String,
    },

    // A signature is refused; the operator of the credential acts.
    /// Only active credentials sign.
    #[error("credential \"{credential}\" is {state}; only an active one signs")]
    CredentialNotActive {
        /// Name of the credential.
        credential: String,
        /// Its state.
        state: CredentialState,
    },
    /// The credential may not be used any more often.
    #[error("credential \"{credential}\" has been used {limit} times, which is its limit")]
    UseLimitReached {
        /// Name of the credential.
        credential: String,
        /// Its limit.
        limit: u64,
    },

    /// The key was authorised for so many signatures and has made them, or is not authorised at all.
    #[error("{}; an authorised person must run: sigillo key authorize --token {token} --alias {alias} --count N", not_authorized(alias, token, *.used_up))]
    KeyNotAuthorized {
        /// Name of the token.
        token: String,
        /// Alias of the key.
        alias: String,
        /// How many signatures it was authorised for, where it was.
        used_up: Option<u64>,
    },

    // Retry later; the operator acts when it stays.
    /// Another process kept the database locked for too long.
    #[error("the database is busy")]
    Busy(#[source] sqlx::Error),
    /// Another process tries the same PIN, and may learn that it is wrong.
    #[error("another process is logging in with it and has not come back yet")]
    LoginUnderWay,
    /// Too many signatures wait for their record.
    #[error("too many signatures wait to be recorded")]
    Overloaded,
    /// The audit writer has stopped, because the service stops or because of a fault.
    #[error("the audit writer has stopped")]
    WriterStopped,
    /// The group of records that this one belonged to was not committed.
    #[error("the audit records were not committed")]
    NotCommitted(#[source] Arc<StoreError>),
    /// The output of an export cannot be written.
    #[error("the audit records cannot be written out")]
    Output(#[source] std::io::Error),
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // SQLITE_BUSY is 5 and SQLITE_LOCKED 6; extended codes carry them in the low octet.
        let code = error.as_database_error().and_then(|e| e.code()).and_then(|code| code.parse::<u32>().ok());
        if matches!(code.map(|code| code & 0xff), Some(5 | 6)) || matches!(error, sqlx::Error::PoolTimedOut) {
            Self::Busy(error)
        } else {
            Self::Database(error)
        }
    }
}

impl StoreError {
    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Busy(_) | Self::LoginUnderWay | Self::Overloaded | Self::WriterStopped => true,
            Self::NotCommitted(source) => source.may_pass(),
            _ => false,
        }
    }

    /// Whether an intent is refused by rule, so that nothing of it was written and nothing failed.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::CredentialNotActive { .. }
                | Self::UseLimitReached { .. }
                | Self::KeyNotAuthorized { .. }
                | Self::NotFound { .. }
        )
    }

    /// For inserts: a taken name is the administrator's error, everything else the database's.
    pub(crate) fn on_insert(noun: &'static str, name: &str) -> impl FnOnce(sqlx::Error) -> Self + use<> {
        let name = name.to_owned();
        move |error| match error.as_database_error() {
            Some(e) if e.is_unique_violation() => Self::AlreadyExists { noun, name },
            _ => error.into(),
        }
    }

    pub(crate) fn not_found(noun: &'static str, name: &str) -> Self {
        Self::NotFound { noun, name: name.to_owned() }
    }

    /// For columns that do not parse.
    pub(crate) fn unreadable<E: std::fmt::Display>(noun: &'static str, name: &str) -> impl Fn(E) -> Self + use<E> {
        let name = name.to_owned();
        move |error| Self::Unreadable { noun, name: name.clone(), reason: error.to_string() }
    }
}

fn not_authorized(alias: &str, token: &str, used_up: Option<u64>) -> String {
    match used_up {
        Some(1) => {
            format!("key \"{alias}\" on token \"{token}\" has made the one signature that it was authorised for")
        }
        Some(count) => {
            format!("key \"{alias}\" on token \"{token}\" has made the {count} signatures that it was authorised for")
        }
        None => format!("key \"{alias}\" on token \"{token}\" is not authorised"),
    }
}
