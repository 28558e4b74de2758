//! A challenge to a file, a signature from a file.
//!
//! The device's challenge belongs to a session of this process, so the process waits: whatever comes after its end is for nothing.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use administration::authorization::{ExportedChallenge, OfflineExchange};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cryptotoken_api::TokenError;

/// Where challenge and signature are.
pub(super) struct Files {
    pub(super) challenge: PathBuf,
    pub(super) signature: PathBuf,
    pub(super) wait: Duration,
}

/// How often it is looked whether the signature has come.
const LOOK: Duration = Duration::from_millis(200);

impl OfflineExchange for Files {
    fn sign(&self, challenge: &ExportedChallenge, accept: &dyn Fn(&[u8]) -> bool) -> Result<Vec<u8>, TokenError> {
        let (written, awaited) = (self.challenge.display(), self.signature.display());
        if self.signature.exists() {
            // It cannot be that of a challenge that nobody has seen yet.
            return Err(TokenError::Refused(format!("{awaited} exists already; name a file that does not")));
        }
        let json = serde_json::to_string_pretty(challenge).unwrap_or_default();
        let mut file = File::create_new(&self.challenge).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                TokenError::Refused(format!("{written} exists already; name a file that does not"))
            }
            _ => TokenError::Refused(format!("{written} cannot be written: {error}")),
        })?;
        let saved = file.write_all(json.as_bytes()).and_then(|()| file.write_all(b"\n")).and_then(|()| file.sync_all());
        saved.map_err(|error| TokenError::Refused(format!("{written} cannot be written: {error}")))?;
        eprintln!(
            "The challenge is in {written}. Sign its \"hash\" with the KAK as a SHA-256 digest ({}) and put the signature into {awaited}, raw or \
             base64.\nWaiting {} seconds; the challenge is void when this command ends.",
            challenge.protocol,
            self.wait.as_secs()
        );
        self.await_signature(accept)
    }
}

impl Files {
    fn await_signature(&self, accept: &dyn Fn(&[u8]) -> bool) -> Result<Vec<u8>, TokenError> {
        let awaited = self.signature.display();
        let until = Instant::now() + self.wait;
        let mut complained = Vec::new();
        while Instant::now() < until {
            // A file that is being written is looked at again.
            if let Ok(content) = std::fs::read(&self.signature)
                && !content.is_empty()
                && content != complained
            {
                if let Some(signature) = readings(&content).into_iter().find(|signature| accept(signature)) {
                    return Ok(signature);
                }
                eprintln!(
                    "{awaited} has no signature of this challenge by this KAK; it was not given to the device. Still waiting."
                );
                complained = content;
            }
            std::thread::sleep(LOOK);
        }
        Err(TokenError::Refused(format!(
            "no signature came in {} seconds, and the challenge is void now; nothing was changed on the device. Run the command again",
            self.wait.as_secs()
        )))
    }
}

/// As it is, or base64 with or without line breaks.
fn readings(content: &[u8]) -> Vec<Vec<u8>> {
    let text: Vec<u8> = content.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
    let mut readings = vec![content.to_vec()];
    readings.extend(BASE64_STANDARD.decode(text));
    readings
}
