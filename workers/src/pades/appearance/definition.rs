//! The table `appearance` of a definition or a request: its keys, its defaults, and what is refused.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::colour::Colour;
use super::font::Face;
use super::picture::Picture;
use super::placement::{Anchor, Place};
use super::qr_code::ErrorCorrection;
use super::shaping::missing_character;
use super::template::{Template, is_custom_name};
use super::text_block::TextFault;
use super::time_text::TimeText;

/// Every key of the table.
const KEYS: &[&str] = &[
    "page",
    "anchor",
    "x",
    "y",
    "width",
    "height",
    "text",
    "custom",
    "font",
    "font_size",
    "image",
    "image_position",
    "qr",
    "qr_error_correction",
    "time_format",
    "time_zone",
    "text_color",
    "background",
    "border_width",
    "border_color",
];

/// Why a table is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum TableFault {
    /// There is no such key.
    UnknownKey {
        /// The key.
        key: String,
        /// The known one that is most like it.
        nearest: Option<String>,
    },
    /// The key does not take the value.
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong, and what would be right.
        reason: String,
    },
}

/// How a seal looks, checked.
#[derive(Clone, Debug)]
pub(super) struct Design {
    /// 1 is the first page, -1 the last.
    pub(super) page: i32,
    pub(super) place: Place,
    pub(super) text: Option<Template>,
    pub(super) custom: BTreeMap<String, String>,
    /// In the order in which they are asked for a character.
    pub(super) faces: Vec<Face>,
    pub(super) picture: Option<Picture>,
    pub(super) picture_position: PicturePosition,
    pub(super) qr: Option<Template>,
    pub(super) error_correction: ErrorCorrection,
    /// In points; `None`: the largest that fits.
    pub(super) font_size: Option<f64>,
    pub(super) time: TimeText,
    pub(super) text_colour: Colour,
    pub(super) background: Option<Colour>,
    pub(super) border: Option<Border>,
}

/// Where the picture is, as seen from the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PicturePosition {
    #[default]
    Left,
    Above,
    Behind,
}

/// A frame just inside of the rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Border {
    pub(super) width: f64,
    pub(super) colour: Colour,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PageKey {
    Number(i32),
    Name(String),
}

struct Table<'t>(&'t Map<String, Value>);

impl Table<'_> {
    fn value<T: DeserializeOwned>(&self, key: &'static str) -> Result<Option<T>, TableFault> {
        let Some(value) = self.0.get(key) else { return Ok(None) };
        serde_json::from_value(value.clone()).map(Some).map_err(|error| fault(key, error))
    }

    /// A length in points.
    fn length(&self, key: &'static str, least: f64, most: f64) -> Result<Option<f64>, TableFault> {
        match self.value::<f64>(key)? {
            Some(length) if !(least..=most).contains(&length) => {
                Err(fault(key, format!("{length} is not from {least} to {most} (points)")))
            }
            length => Ok(length),
        }
    }

    fn template(&self, key: &'static str) -> Result<Option<Template>, TableFault> {
        let Some(text) = self.value::<String>(key)? else { return Ok(None) };
        if text.chars().count() > MAX_TEXT {
            return Err(fault(key, format!("it must not have more than {MAX_TEXT} characters")));
        }
        Template::parse(&text).map(Some).map_err(|reason| fault(key, reason))
    }

    /// Octets in base64; line breaks are allowed, because encoders write them.
    fn octets(&self, key: &'static str) -> Result<Option<Vec<u8>>, TableFault> {
        let Some(text) = self.value::<String>(key)? else { return Ok(None) };
        let text: String = text.split_ascii_whitespace().collect();
        STANDARD.decode(text).map(Some).map_err(|error| fault(key, format!("it is not in base64: {error}")))
    }
}

impl Design {
    /// Checks a table.
    ///
    /// # Errors
    /// [`TableFault`] for the first key that is not right.
    pub(super) fn read(table: &Map<String, Value>) -> Result<Self, TableFault> {
        if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let nearest = crate::config::nearest(key, KEYS.iter().copied()).map(str::to_owned);
            return Err(TableFault::UnknownKey { key: key.clone(), nearest });
        }
        let table = Table(table);
        let mut faces = Vec::new();
        if let Some(octets) = table.octets("font")? {
            faces.push(Face::read(octets).map_err(|reason| fault("font", reason))?);
        }
        faces.extend(Face::built_in());
        let anchor: Anchor = table.value("anchor")?.unwrap_or_default();
        let default_offset = anchor.default_offset();
        let design = Self {
            page: page(&table)?,
            place: Place {
                anchor,
                offset: [
                    table.length("x", -MAX_LENGTH, MAX_LENGTH)?.unwrap_or(default_offset[0]),
                    table.length("y", -MAX_LENGTH, MAX_LENGTH)?.unwrap_or(default_offset[1]),
                ],
                size: [
                    table.length("width", 10.0, MAX_LENGTH)?.unwrap_or(DEFAULT_SIZE[0]),
                    table.length("height", 10.0, MAX_LENGTH)?.unwrap_or(DEFAULT_SIZE[1]),
                ],
            },
            text: match table.0.get("text") {
                None => Template::parse(DEFAULT_TEXT).ok(),
                Some(Value::String(none)) if none.is_empty() => None,
                Some(_) => table.template("text")?,
            },
            custom: custom(&table)?,
            faces,
            picture: match table.octets("image")? {
                Some(octets) => Some(Picture::read(octets).map_err(|reason| fault("image", reason))?),
                None => None,
            },
            picture_position: table.value("image_position")?.unwrap_or_default(),
            qr: table.template("qr")?,
            error_correction: table.value("qr_error_correction")?.unwrap_or_default(),
            font_size: table.length("font_size", 1.0, 200.0)?,
            time: TimeText::read(table.value("time_format")?, table.value("time_zone")?)
                .map_err(|(key, reason)| fault(key, reason))?,
            text_colour: table.value("text_color")?.unwrap_or(Colour::BLACK),
            background: table.value("background")?,
            border: border(&table)?,
        };
        if design.text.is_none() && design.picture.is_none() && design.qr.is_none() {
            return Err(fault("text", "with neither text nor image nor qr there is nothing to see"));
        }
        design.check_characters()?;
        Ok(design)
    }

    fn check_characters(&self) -> Result<(), TableFault> {
        for text in self.text.iter().flat_map(Template::fixed) {
            if let Some(character) = missing_character(text, &self.faces) {
                let fault = TextFault::NoGlyph { character };
                return Err(TableFault::Value { key: "text", reason: fault.to_string() });
            }
        }
        Ok(())
    }
}

fn page(table: &Table<'_>) -> Result<i32, TableFault> {
    match table.value::<PageKey>("page") {
        Ok(None) => Ok(1),
        Ok(Some(PageKey::Number(number))) if number != 0 => Ok(number),
        Ok(Some(PageKey::Name(name))) if name == "first" => Ok(1),
        Ok(Some(PageKey::Name(name))) if name == "last" => Ok(-1),
        _ => Err(fault("page", "write 1 for the first page, -1 or \"last\" for the last, -2 for the one before")),
    }
}

fn border(table: &Table<'_>) -> Result<Option<Border>, TableFault> {
    let colour: Option<Colour> = table.value("border_color")?;
    let width = table.length("border_width", 0.0, 20.0)?;
    let width = width.unwrap_or(if colour.is_some() { 0.5 } else { 0.0 });
    Ok((width > 0.0).then(|| Border { width, colour: colour.unwrap_or(Colour::BLACK) }))
}

fn custom(table: &Table<'_>) -> Result<BTreeMap<String, String>, TableFault> {
    let values: BTreeMap<String, String> = table.value("custom")?.unwrap_or_default();
    for (name, value) in &values {
        if !is_custom_name(name) {
            return Err(fault(
                "custom",
                format!("\"{name}\" is no name: use up to 64 of the characters A-Z a-z 0-9 _ -"),
            ));
        }
        if let Some(reason) = super::super::refuse_text(value) {
            return Err(fault("custom", format!("\"{name}\": {reason}")));
        }
    }
    Ok(values)
}

fn fault(key: &'static str, reason: impl ToString) -> TableFault {
    TableFault::Value { key, reason: reason.to_string() }
}

const DEFAULT_TEXT: &str = "Sealed by {signer}\n{time}\n{reason}\n{location}";
/// Width and height in points.
const DEFAULT_SIZE: [f64; 2] = [200.0, 60.0];
/// The largest page of PDF 1.7 in points (ISO 32000-1, annex C).
const MAX_LENGTH: f64 = 14400.0;
const MAX_TEXT: usize = 1000;
