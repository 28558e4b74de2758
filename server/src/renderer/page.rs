//! The process that renders a page: a password and a PDF on standard input, a PNG on standard output, and an exit code that says what
//! went wrong.
//!
//! It holds no secret but that password, opens no file, and limits itself before it reads what it was sent.

use std::io::{Read, Write};
use std::process::ExitCode;

use hayro::hayro_interpret::InterpreterSettings;
use hayro::hayro_syntax::Pdf;
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{PixmapSettings, RenderCache, RenderSettings, render};
use rustix::process::{Resource, Rlimit, setrlimit};
use secrecy::{ExposeSecret, SecretString};

use super::{MAX_MEGAPIXELS, PROCESSOR_TIME};

/// How the child ends. Everything else is a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Unreadable,
    TooLarge,
    Failed,
}

impl Outcome {
    pub(super) const fn code(self) -> i32 {
        self.exit_code() as i32
    }

    const fn exit_code(self) -> u8 {
        match self {
            Self::Unreadable => 3,
            Self::TooLarge => 4,
            Self::Failed => 5,
        }
    }
}

/// Renders the page of this number, the first being 0, with so many dots per inch.
#[must_use]
pub fn run(page: &str, dpi: &str) -> ExitCode {
    let (Ok(page), Ok(dpi)) = (page.parse(), dpi.parse()) else { return ExitCode::from(2) };
    match png(page, dpi).and_then(|png| std::io::stdout().write_all(&png).map_err(|_| Outcome::Failed)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(outcome) => ExitCode::from(outcome.exit_code()),
    }
}

fn png(page: usize, dpi: u16) -> Result<Vec<u8>, Outcome> {
    // Neither core dumps nor files nor, beyond the standard ones, descriptors.
    for (resource, most) in
        [(Resource::Core, 0), (Resource::Fsize, 0), (Resource::Nofile, 3), (Resource::Cpu, PROCESSOR_TIME.as_secs())]
    {
        limit(resource, most)?;
    }
    let (password, octets) = read(&mut std::io::stdin().lock()).ok_or(Outcome::Failed)?;
    limit(Resource::As, MEMORY + 2 * octets.len() as u64)?;

    let pdf = Pdf::new_with_password(octets, password.expose_secret()).map_err(|_| Outcome::Unreadable)?;
    let page = pdf.pages().get(page).ok_or(Outcome::Unreadable)?;
    let scale = f32::from(dpi) / 72.0;
    let (width, height) = page.render_dimensions();
    let (width, height) = (width * scale, height * scale);
    // Not by what is too large: a size may be no number.
    let fits = width >= 1.0 && height >= 1.0 && f64::from(width) * f64::from(height) <= f64::from(MAX_MEGAPIXELS) * 1e6;
    if !fits || width > MAX_SIDE || height > MAX_SIDE {
        return Err(Outcome::TooLarge);
    }
    let settings = PixmapSettings { x_scale: scale, y_scale: scale, bg_color: WHITE };
    let cache = RenderCache::new();
    let picture = render(page, &cache, &InterpreterSettings::default(), &RenderSettings::default(), &settings);
    picture.into_png().map_err(|_| Outcome::Failed)
}

/// The password and the document, as [`super::render`] sends them.
fn read(input: &mut impl Read) -> Option<(SecretString, Vec<u8>)> {
    let mut length = [0; 8];
    input.read_exact(&mut length).ok()?;
    let (mut password, mut octets) = (String::new(), Vec::new());
    input.take(u64::from_be_bytes(length)).read_to_string(&mut password).ok()?;
    input.read_to_end(&mut octets).ok()?;
    Some((SecretString::from(password), octets))
}

fn limit(resource: Resource, most: u64) -> Result<(), Outcome> {
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).map_err(|_| Outcome::Failed)
}

/// Address space beside the document: the program, the picture, and what a page decompresses to.
const MEMORY: u64 = 1 << 30;
/// What the renderer can count to.
const MAX_SIDE: f32 = 65_535.0;
