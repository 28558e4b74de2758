//! QR codes (ISO/IEC 18004), drawn as rectangles.

use qrcodegen::{QrCode, QrCodeEcc};
use serde::Deserialize;

/// How much of a code may be dirty or torn: about 7, 15, 25 or 30 of a hundred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum ErrorCorrection {
    L,
    #[default]
    M,
    Q,
    H,
}

/// A code.
pub(super) struct Code(QrCode);

impl Code {
    /// The smallest code that says this.
    ///
    /// # Errors
    /// When no code is large enough.
    pub(super) fn new(text: &str, correction: ErrorCorrection) -> Result<Self, String> {
        let level = match correction {
            ErrorCorrection::L => QrCodeEcc::Low,
            ErrorCorrection::M => QrCodeEcc::Medium,
            ErrorCorrection::Q => QrCodeEcc::Quartile,
            ErrorCorrection::H => QrCodeEcc::High,
        };
        let code = QrCode::encode_text(text, level);
        code.map(Self).map_err(|_| format!("its {} bytes are too many for a QR code", text.len()))
    }

    /// Modules along a side, the quiet zone on both sides among them.
    pub(super) fn side(&self) -> u32 {
        self.0.size().unsigned_abs() + 2 * QUIET
    }

    /// Dark modules: left, bottom and width of each run, in modules from the lower left corner.
    pub(super) fn runs(&self) -> Vec<(u32, u32, u32)> {
        let size = self.0.size();
        let mut runs = Vec::new();
        for y in 0..size {
            let mut start = None;
            for x in 0..=size {
                // Outside of the code all is light.
                match (self.0.get_module(x, y), start) {
                    (true, None) => start = Some(x),
                    (false, Some(from)) => {
                        let bottom = (size - 1 - y).unsigned_abs() + QUIET;
                        runs.push((from.unsigned_abs() + QUIET, bottom, (x - from).unsigned_abs()));
                        start = None;
                    }
                    _ => {}
                }
            }
        }
        runs
    }
}

/// Light modules around it (ISO/IEC 18004, 6.3.8).
const QUIET: u32 = 4;
/// The smallest module in points that printers and cameras still make out: a quarter of a millimetre.
pub(super) const SMALLEST_MODULE: f64 = 0.7;
