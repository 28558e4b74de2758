//! Colours of a seal, and the sRGB profile that says what they are (ISO 15076-1; IEC 61966-2-1).
//!
//! PDF/A wants colours that do not depend on the device, so every colour here is one of this profile. It is of version 2,
//! the newest that PDF/A-1 knows. Written here and not shipped as a file: it is a table of eight numbers and a formula.

use serde::{Deserialize, Serialize};

/// A colour in sRGB, spelt `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Colour([u8; 3]);

impl Colour {
    /// Black.
    pub(super) const BLACK: Self = Self([0; 3]);
    /// White.
    pub(super) const WHITE: Self = Self([255; 3]);

    /// Red, green and blue from 0 to 1, as operands.
    pub(super) fn operands(self) -> String {
        self.0.map(|part| super::number(f64::from(part) / 255.0)).join(" ")
    }
}

impl TryFrom<String> for Colour {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut parts = [0; 3];
        let digits = text.strip_prefix('#').unwrap_or_default();
        match hex::decode_to_slice(digits, &mut parts) {
            Ok(()) => Ok(Self(parts)),
            Err(_) => Err(format!("\"{text}\" is no colour; write one such as \"#1a2b3c\"")),
        }
    }
}

impl From<Colour> for String {
    fn from(Colour(parts): Colour) -> Self {
        format!("#{}", hex::encode(parts))
    }
}

/// The profile of sRGB, for `/ICCBased` with three components.
pub(super) fn srgb_profile() -> Vec<u8> {
    let colorants = [[0x6fa2, 0x38f5, 0x0390], [0x6299, 0xb785, 0x18da], [0x24a0, 0x0f84, 0xb6cf]].map(xyz);
    let [red, green, blue] = colorants;
    let data = [description("sRGB"), RIGHTS.to_vec(), xyz(D50), curve(), red, green, blue];
    // The three parts share a curve.
    let tags: [(&[u8; 4], usize); 9] = [
        (b"desc", 0),
        (b"cprt", 1),
        (b"wtpt", 2),
        (b"rXYZ", 4),
        (b"gXYZ", 5),
        (b"bXYZ", 6),
        (b"rTRC", 3),
        (b"gTRC", 3),
        (b"bTRC", 3),
    ];
    profile(b"RGB ", &data, &tags)
}

/// The profile of the greys of sRGB, with one component.
pub(super) fn grey_profile() -> Vec<u8> {
    let data = [description("sRGB grey"), RIGHTS.to_vec(), xyz(D50), curve()];
    profile(b"GRAY", &data, &[(b"desc", 0), (b"cprt", 1), (b"wtpt", 2), (b"kTRC", 3)])
}

/// A profile of these elements; each tag names one.
fn profile(space: &[u8; 4], data: &[Vec<u8>], tags: &[(&[u8; 4], usize)]) -> Vec<u8> {
    let start = HEADER + 4 + 12 * tags.len();
    let mut body = Vec::new();
    let mut places = Vec::new();
    for element in data {
        places.push((start + body.len(), element.len()));
        body.extend(element);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut profile = header(space, start + body.len());
    profile.extend(word(tags.len()));
    for (signature, index) in tags {
        let (offset, length) = places.get(*index).copied().unwrap_or_default();
        profile.extend(*signature);
        profile.extend(word(offset));
        profile.extend(word(length));
    }
    profile.extend(body);
    profile
}

fn xyz(parts: [u32; 3]) -> Vec<u8> {
    let numbers = parts.into_iter().flat_map(u32::to_be_bytes);
    b"XYZ \0\0\0\0".iter().copied().chain(numbers).collect()
}

fn header(space: &[u8; 4], size: usize) -> Vec<u8> {
    let mut header = word(size).to_vec();
    header.extend([0; 4]);
    header.extend([2, 0x10, 0, 0]);
    header.extend(b"mntr");
    header.extend(space);
    header.extend(b"XYZ ");
    // Made on the first of January 2026.
    for part in [2026_u16, 1, 1, 0, 0, 0] {
        header.extend(part.to_be_bytes());
    }
    header.extend(b"acsp");
    // Platform, flags, maker, model, attributes, and perceptual rendering: all none.
    header.extend([0; 28]);
    header.extend(D50.into_iter().flat_map(u32::to_be_bytes));
    header.resize(HEADER, 0);
    header
}

/// A name in the three forms of version 2, of which only the first is given.
fn description(name: &str) -> Vec<u8> {
    let mut element = b"desc\0\0\0\0".to_vec();
    element.extend(word(name.len() + 1));
    element.extend(name.as_bytes());
    element.push(0);
    element.extend([0; 4 + 4 + 2 + 1 + 67]);
    element
}

/// From the number in the file to light, at 1024 places.
fn curve() -> Vec<u8> {
    let mut element = b"curv\0\0\0\0".to_vec();
    element.extend(word(usize::from(PLACES)));
    for place in 0..PLACES {
        let value = f64::from(place) / f64::from(PLACES - 1);
        let light = if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) };
        let light = (light * 65535.0).round() as u16;
        element.extend(light.to_be_bytes());
    }
    element
}

fn word(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes()
}

/// The illuminant of the connection space, as fixed-point numbers with sixteen fractional bits.
const D50: [u32; 3] = [0x0000_f6d6, 0x0001_0000, 0x0000_d32d];
const RIGHTS: &[u8] = b"text\0\0\0\0No rights reserved\0";
const HEADER: usize = 128;
const PLACES: u16 = 1024;
