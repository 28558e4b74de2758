//! The control socket: how a command hands a typed PIN to the server that runs beside it.
//!
//! A Unix socket beside `sigillo.toml`, for the user only whom the server runs as: the kernel tells each end who the other one is. One
//! question for each connection: a line of JSON, then the PIN's octets to the end; the answer is JSON. Everything else that a command
//! changes reaches the server through the database.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cryptotoken_api::{TokenError, TokenStatus};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::causes;
use crate::{Actor, AdministrationError, Consequence, Node, token};

/// The listening end. The socket's file goes with it.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// The token whose PIN follows.
    unlock: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Answer {
    Done(TokenStatus),
    PinRejected,
    Refused(String),
    Unavailable(String),
}

impl ControlSocket {
    /// Listens at `path`. What a server that died left there is replaced.
    ///
    /// # Errors
    /// What the operating system said; [`ErrorKind::AddrInUse`] where another server listens.
    pub fn bind(path: &Path) -> std::io::Result<Self> {
        match UnixStream::connect(path) {
            Ok(_) => return Err(ErrorKind::AddrInUse.into()),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
            Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Answers in a thread of its own until the process ends.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn serve(&self, node: Arc<Node>) -> std::io::Result<()> {
        let listener = self.listener.try_clone()?;
        std::thread::Builder::new().name("control".to_owned()).spawn(move || {
            for stream in listener.incoming() {
                if let Err(error) = stream.and_then(|stream| answer(&node, stream)) {
                    tracing::warn!("a question over the control socket was not answered: {error}");
                }
            }
        })?;
        Ok(())
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!("{}: {error}", self.path.display());
        }
    }
}

/// Lets the server that listens at `path` log in to a token with a PIN that was typed; `None` where no server listens.
///
/// # Errors
/// As [`token::unlock`]; refused where the other end belongs to another user.
pub fn unlock(path: &Path, name: &str, pin: &SecretString) -> Result<Option<TokenStatus>, AdministrationError> {
    let failed = |source| AdministrationError::File { path: path.display().to_string(), source };
    let mut stream = match UnixStream::connect(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        other => other.map_err(failed)?,
    };
    // Before it is handed a PIN.
    if !is_own(&stream).map_err(failed)? {
        return Err(AdministrationError::Refused(format!(
            "the server at {} belongs to another user; run this as that user",
            path.display()
        )));
    }
    let mut ask = || -> std::io::Result<Answer> {
        // As long as a login may take.
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        stream.write_all(&serde_json::to_vec(&Question { unlock: name.to_owned() })?)?;
        stream.write_all(b"\n")?;
        stream.write_all(pin.expose_secret().as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(serde_json::from_slice(&answer)?)
    };
    let token = name.to_owned();
    match ask().map_err(failed)? {
        Answer::Done(status) => Ok(Some(status)),
        Answer::PinRejected => Err(TokenError::PinRejected { token }.into()),
        Answer::Refused(reason) => Err(AdministrationError::Refused(reason)),
        Answer::Unavailable(reason) => Err(TokenError::Unavailable { token, reason }.into()),
    }
}

fn answer(node: &Node, mut stream: UnixStream) -> std::io::Result<()> {
    if !is_own(&stream)? {
        return Err(std::io::Error::new(ErrorKind::PermissionDenied, "it came from another user"));
    }
    // Whoever opens a connection and says nothing must not keep the others waiting.
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    // Large enough at once, so that no copy of the PIN is left behind by growing.
    let mut octets = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    (&stream).take(u64::try_from(LONGEST).unwrap_or_default()).read_to_end(&mut octets)?;
    let invalid = |what: &str| std::io::Error::new(ErrorKind::InvalidData, what);
    let end = octets.iter().position(|octet| *octet == b'\n').ok_or_else(|| invalid("it has no question"))?;
    let (question, pin) = octets.split_at(end);
    let question: Question = serde_json::from_slice(question)?;
    let pin = std::str::from_utf8(pin.get(1..).unwrap_or_default()).map_err(|_| invalid("the PIN is no UTF-8"))?;
    let outcome = token::unlock(node, &Actor::of_process(), &question.unlock, Some(&SecretString::from(pin)));
    let answer = match outcome {
        Ok(status) => Answer::Done(status),
        Err(AdministrationError::Token(TokenError::PinRejected { .. })) => Answer::PinRejected,
        Err(AdministrationError::Token(TokenError::Unavailable { reason, .. })) => Answer::Unavailable(reason),
        Err(error) if error.consequence() == Consequence::Unavailable => Answer::Unavailable(causes(&error)),
        Err(error) => Answer::Refused(causes(&error)),
    };
    stream.write_all(&serde_json::to_vec(&answer)?)
}

/// Whether the other end runs as the same user.
fn is_own(stream: &UnixStream) -> std::io::Result<bool> {
    Ok(rustix::net::sockopt::socket_peercred(stream.as_fd())?.uid == rustix::process::getuid())
}

/// A question and the longest PIN.
const LONGEST: usize = 8192;
