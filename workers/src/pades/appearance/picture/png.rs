//! PNG of any colour type and depth, as red, green, blue and opacity of eight bits.

use std::io::Cursor;

use png::{ColorType, Decoder, Limits, Transformations};

use super::{Content, Picture, check_size};

pub(super) fn read(octets: &[u8]) -> Result<Picture, String> {
    let damaged = |error: png::DecodingError| format!("the PNG file is damaged: {error}");
    let mut decoder = Decoder::new_with_limits(Cursor::new(octets), Limits { bytes: MAX_MEMORY });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    // Its text and its colour profile are not used.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(damaged)?;
    let (width, height) = (header.width, header.height);
    check_size(width, height)?;
    let mut reader = decoder.read_info().map_err(damaged)?;
    let mut samples = vec![0; reader.output_buffer_size().ok_or("it is too large")?];
    let frame = reader.next_frame(&mut samples).map_err(damaged)?;
    samples.truncate(frame.buffer_size());
    let (mut colours, mut opacity) = (Vec::new(), Vec::new());
    match frame.color_type {
        ColorType::Grayscale => colours.extend(samples.iter().flat_map(|grey| [*grey; 3])),
        ColorType::Rgb => colours = samples,
        ColorType::GrayscaleAlpha => {
            for pixel in samples.chunks_exact(2) {
                let [grey, opaque] = *pixel else { continue };
                colours.extend([grey; 3]);
                opacity.push(opaque);
            }
        }
        ColorType::Rgba => {
            for pixel in samples.chunks_exact(4) {
                let [red, green, blue, opaque] = *pixel else { continue };
                colours.extend([red, green, blue]);
                opacity.push(opaque);
            }
        }
        ColorType::Indexed => return Err("its palette cannot be read".into()),
    }
    let opacity = opacity.iter().any(|opaque| *opaque != 255).then_some(opacity);
    Ok(Picture { width, height, content: Content::Samples { colours, opacity } })
}

/// For what the decoder keeps beside the pixels.
const MAX_MEMORY: usize = 32 << 20;
