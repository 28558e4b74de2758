//! Pictures in a seal: PNG and JPEG, bounded and decoded before anything is done with them.

mod jpeg;
mod png;

use lopdf::ObjectId;

use super::super::refusal::PdfRefusal;
use super::colour::grey_profile;
use super::conformance::ArchivalPart;
use super::objects::{NewObjects, reference};

/// A picture that is known to be whole.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    width: u32,
    height: u32,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    /// Red, green and blue of each pixel, and how opaque each is where not all are wholly so.
    Samples { colours: Vec<u8>, opacity: Option<Vec<u8>> },
    /// A file as it came.
    Jpeg { octets: Vec<u8>, colours: JpegColours },
}

/// What the components of a JPEG are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JpegColours {
    Grey,
    Rgb,
    /// Programs of Adobe write the four components inverted, and say so.
    Cmyk {
        inverted: bool,
    },
}

impl Picture {
    /// The picture in these octets.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(super) fn read(octets: Vec<u8>) -> Result<Self, String> {
        if octets.len() > MAX_OCTETS {
            return Err(format!("it is larger than {} MiB", MAX_OCTETS >> 20));
        }
        if octets.starts_with(b"\x89PNG") {
            png::read(&octets)
        } else if octets.starts_with(&[0xff, 0xd8]) {
            jpeg::read(octets)
        } else {
            Err("it is neither a PNG nor a JPEG file".into())
        }
    }

    /// Width divided by height.
    pub(super) fn aspect(&self) -> f64 {
        f64::from(self.width) / f64::from(self.height.max(1))
    }

    /// What in it a document of this kind does not allow.
    pub(super) fn objection(&self, part: ArchivalPart) -> Option<&'static str> {
        match &self.content {
            Content::Jpeg { colours: JpegColours::Cmyk { .. }, .. } if part != ArchivalPart::None => {
                Some("the document is PDF/A and takes no picture in CMYK colours; give the picture in RGB")
            }
            _ => None,
        }
    }

    /// Writes it; `profile` is that of sRGB.
    ///
    /// # Errors
    /// [`PdfRefusal`].
    pub(super) fn write(
        &self,
        part: ArchivalPart,
        profile: ObjectId,
        objects: &mut NewObjects<'_, '_>,
    ) -> Result<ObjectId, PdfRefusal> {
        let image =
            format!("/Type/XObject/Subtype/Image/Width {}/Height {}/BitsPerComponent 8", self.width, self.height);
        let rgb = format!("[/ICCBased {}]", reference(profile));
        match &self.content {
            Content::Samples { colours, opacity: Some(opacity) } if part == ArchivalPart::First => {
                objects.stream(&format!("{image}/ColorSpace{rgb}"), on_white(colours, opacity))
            }
            Content::Samples { colours, opacity } => {
                let mask = match opacity {
                    Some(opacity) => {
                        let mask = objects.stream(&format!("{image}/ColorSpace/DeviceGray"), opacity.clone())?;
                        format!("/SMask {}", reference(mask))
                    }
                    None => String::new(),
                };
                objects.stream(&format!("{image}/ColorSpace{rgb}{mask}"), colours.clone())
            }
            Content::Jpeg { octets, colours } => {
                let space = match colours {
                    JpegColours::Grey => {
                        let grey = objects.stream("/N 1/Alternate/DeviceGray", grey_profile())?;
                        format!("[/ICCBased {}]", reference(grey))
                    }
                    JpegColours::Rgb => rgb,
                    JpegColours::Cmyk { inverted: false } => "/DeviceCMYK".into(),
                    JpegColours::Cmyk { inverted: true } => "/DeviceCMYK/Decode[1 0 1 0 1 0 1 0]".into(),
                };
                objects.encoded_stream(&format!("{image}/Filter/DCTDecode/ColorSpace{space}"), octets.clone())
            }
        }
    }
}

/// Pixels as they look on paper.
fn on_white(colours: &[u8], opacity: &[u8]) -> Vec<u8> {
    let mut flat = Vec::with_capacity(colours.len());
    for (pixel, opacity) in colours.chunks_exact(3).zip(opacity) {
        let opacity = u16::from(*opacity);
        flat.extend(pixel.iter().map(|part| {
            let part = (u16::from(*part) * opacity + 255 * (255 - opacity) + 127) / 255;
            u8::try_from(part).unwrap_or(u8::MAX)
        }));
    }
    flat
}

/// Whether a picture of this size is taken.
fn check_size(width: u32, height: u32) -> Result<(), String> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > MAX_PIXELS {
        return Err(format!("it has {width} × {height} pixels; up to {MAX_PIXELS} in all are taken"));
    }
    Ok(())
}

const MAX_OCTETS: usize = 2 << 20;
/// Enough for 300 dots per inch on a third of a page.
const MAX_PIXELS: u64 = 4_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transparent_pixels_are_white_on_paper() {
        assert_eq!(
            on_white(&[10, 20, 30, 10, 20, 30, 0, 0, 0], &[255, 0, 128]),
            [10, 20, 30, 255, 255, 255, 127, 127, 127]
        );
    }
}
