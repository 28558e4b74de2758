//! JPEG as it comes, after it was decoded once to see that it can be (ISO/IEC 10918-1).

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{Content, JpegColours, Picture, check_size};

pub(super) fn read(octets: Vec<u8>) -> Result<Picture, String> {
    let Frame { width, height, components, adobe } = frame(&octets).ok_or("the JPEG file is damaged")??;
    check_size(width, height)?;
    let colours = match components {
        1 => JpegColours::Grey,
        3 => JpegColours::Rgb,
        4 => JpegColours::Cmyk { inverted: adobe },
        _ => return Err(format!("it has {components} colour components; 1, 3 and 4 are known")),
    };
    let options = DecoderOptions::default().set_strict_mode(true);
    let decoded = JpegDecoder::new_with_options(ZCursor::new(octets.as_slice()), options).decode();
    decoded.map_err(|error| format!("the JPEG file is damaged: {error:?}"))?;
    Ok(Picture { width, height, content: Content::Jpeg { octets, colours } })
}

/// What the headers say.
struct Frame {
    width: u32,
    height: u32,
    components: u8,
    /// Whether a program of Adobe wrote it.
    adobe: bool,
}

/// `None` when the headers end early.
fn frame(octets: &[u8]) -> Option<Result<Frame, String>> {
    let mut adobe = false;
    let mut rest = octets.get(2..)?;
    loop {
        // Any number of fill bytes precede a marker.
        let fill = rest.iter().take_while(|byte| **byte == 0xff).count();
        let marker = *rest.get(fill)?;
        if fill == 0 {
            return None;
        }
        let segment = rest.get(fill + 1..)?;
        let length = usize::from(u16::from_be_bytes(segment.get(..2)?.try_into().ok()?));
        let (body, after) = (segment.get(2..length)?, segment.get(length..)?);
        match marker {
            // Baseline, extended and progressive: what DCTDecode knows (ISO 32000-2, 7.4.8).
            0xc0..=0xc2 => {
                let [precision, h1, h0, w1, w0, components] = *body.get(..6)? else { return None };
                if precision != 8 {
                    return Some(Err(format!("it has {precision} bits a component; 8 are taken")));
                }
                let (height, width) = (u16::from_be_bytes([h1, h0]), u16::from_be_bytes([w1, w0]));
                return Some(Ok(Frame { width: width.into(), height: height.into(), components, adobe }));
            }
            0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                return Some(Err("it is a kind of JPEG that readers do not know; save it as baseline".into()));
            }
            0xee => adobe |= body.starts_with(b"Adobe"),
            0xd9 | 0xda => return None,
            _ => {}
        }
        rest = after;
    }
}
