//! Pictures of pages, made in a process of their own: this program, started again with `--render`.
//!
//! 2026-11-21: a page is a program written by a stranger, which may loop, recurse and ask for memory without end. In a child with
//! limits all of that ends with the child. Rejected: the renderer on a thread of the server, which cannot be stopped there; a
//! program of the system, such as `pdftoppm`, which servers would have to have. Here is the server's side, in [`page`] the child's.

pub mod page;

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use workers::Preview;

use crate::error::ApiError;
use page::Outcome;

/// Dots per inch of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resolution(u16);

/// A page with its seal.
#[derive(Debug)]
pub(crate) struct Picture {
    /// The picture.
    pub(crate) png: Vec<u8>,
    /// Which page it is, the first being 1.
    pub(crate) page: usize,
}

/// Why there is no picture. The document may be sealed all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPicture {
    /// The renderer cannot read the document, or does not find the page.
    #[error("the page cannot be shown, as the renderer does not read this document; it can be sealed all the same")]
    Unreadable,
    /// More pixels than a picture may have.
    #[error(
        "the page is too large for a picture of {dpi} dots per inch, which may have {MAX_MEGAPIXELS} million pixels; ask for less with ?dpi="
    )]
    TooLarge {
        /// The resolution asked for.
        dpi: u16,
    },
    /// It took too much time or memory, or the renderer failed.
    #[error(
        "the page cannot be shown: rendering it takes more time or memory than is given to it; the document can be sealed all the same"
    )]
    Exhausted,
}

impl Resolution {
    /// The resolution of this number.
    ///
    /// # Errors
    /// [`ApiError::Malformed`] when it is out of bounds.
    pub(crate) fn new(dpi: u16) -> Result<Self, ApiError> {
        if (MIN_DPI..=MAX_DPI).contains(&dpi) {
            Ok(Self(dpi))
        } else {
            Err(ApiError::Malformed(format!("dpi={dpi} is not possible; ask for {MIN_DPI} to {MAX_DPI} dots per inch")))
        }
    }
}

impl Default for Resolution {
    fn default() -> Self {
        Self(DEFAULT_DPI)
    }
}

/// Renders the page of a preview, which opens with this password, until `deadline`. Blocks.
///
/// # Errors
/// [`ApiError::Picture`], which trying again does not change.
pub(crate) fn render(
    preview: &Preview,
    password: Option<&SecretString>,
    resolution: Resolution,
    deadline: Instant,
) -> Result<Picture, ApiError> {
    let time = TIME.min(deadline.saturating_duration_since(Instant::now()));
    let png = in_child(preview, password, resolution, time)
        .map_err(|error| ApiError::Internal(format!("the process that renders pages cannot be run: {error}")))?;
    Ok(Picture { png: png.map_err(ApiError::Picture)?, page: preview.page + 1 })
}

fn in_child(
    preview: &Preview,
    password: Option<&SecretString>,
    Resolution(dpi): Resolution,
    time: Duration,
) -> std::io::Result<Result<Vec<u8>, NoPicture>> {
    // By this path also when the file of the program has been replaced since. No variable of the environment is for the child.
    let mut command = Command::new("/proc/self/exe");
    command.args(["--render", &preview.page.to_string(), &dpi.to_string()]).env_clear().current_dir("/");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (status, picture) = std::thread::scope(|scope| {
        // A child that ends before it has read all says why by its exit code.
        scope.spawn(|| stdin.map(|mut stdin| send(&mut stdin, preview, password)));
        let (sender, receiver) = mpsc::channel();
        scope.spawn(move || {
            let mut picture = Vec::new();
            let read = stdout.map_or(Ok(0), |stdout| stdout.take(MAX_OCTETS + 1).read_to_end(&mut picture));
            sender.send(read.map(|_| picture))
        });
        let whole =
            |read: &std::io::Result<Vec<u8>>| read.as_ref().is_ok_and(|picture| picture.len() as u64 <= MAX_OCTETS);
        let picture = receiver.recv_timeout(time).ok().filter(whole);
        if picture.is_none() {
            // Its pipes close, which ends both threads.
            child.kill()?;
        }
        Ok::<_, std::io::Error>((child.wait()?, picture))
    })?;
    Ok(match (picture, status.code()) {
        (Some(picture), Some(0)) => Ok(picture?),
        (_, Some(code)) if code == Outcome::Unreadable.code() => Err(NoPicture::Unreadable),
        (_, Some(code)) if code == Outcome::TooLarge.code() => Err(NoPicture::TooLarge { dpi }),
        // A panic, a signal, a limit.
        _ => Err(NoPicture::Exhausted),
    })
}

/// What the child reads: the length of the password, the password, the document. Neither arguments nor environment, which others can read.
fn send(stdin: &mut impl Write, preview: &Preview, password: Option<&SecretString>) -> std::io::Result<()> {
    let password = password.map(ExposeSecret::expose_secret).unwrap_or_default().as_bytes();
    stdin.write_all(&(password.len() as u64).to_be_bytes())?;
    stdin.write_all(password)?;
    preview.segments.iter().try_for_each(|segment| stdin.write_all(segment))
}

/// What a request may ask for.
pub(crate) const MIN_DPI: u16 = 18;
/// What a request may ask for.
pub(crate) const MAX_DPI: u16 = 300;
/// Twice the size of a page in points: text can be read, and A4 has 1190 by 1684 pixels.
pub(crate) const DEFAULT_DPI: u16 = 144;
/// A0 at the default resolution.
const MAX_MEGAPIXELS: u32 = 33;
/// Octets that the child may send: more than such a picture has when it cannot be compressed.
const MAX_OCTETS: u64 = MAX_MEGAPIXELS as u64 * 1_000_000 * 4 + (16 << 20);
/// Processor time that a page may take.
const PROCESSOR_TIME: Duration = Duration::from_secs(10);
/// What it may take in all, as other processes want the processor too.
const TIME: Duration = Duration::from_secs(20);
