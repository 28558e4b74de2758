//! Fonts of a seal: the one that is built in, and those that a definition brings (ISO/IEC 14496-22).

use std::sync::LazyLock;

use harfrust::Font;
use harfrust::font::Source;
use harfrust::font::name::NameId;

use super::layout_cost::layout_cost;

/// A font that can be shaped with and embedded.
#[derive(Clone)]
pub(super) struct Face {
    font: Font,
    /// Of its rules, for each glyph.
    cost: usize,
}

impl std::fmt::Debug for Face {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Face({})", self.name())
    }
}

/// How the glyphs of a font are drawn, which decides how it is embedded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlines {
    TrueType,
    Cff,
}

impl Face {
    /// The font that is always there. It has Latin, Greek, Cyrillic, and some more.
    pub(super) fn built_in() -> Option<Self> {
        static FACE: LazyLock<Option<Face>> = LazyLock::new(|| Font::new(BUILT_IN, 0).and_then(Face::of));
        FACE.clone()
    }

    /// The font in these octets.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(super) fn read(octets: Vec<u8>) -> Result<Self, String> {
        if octets.len() > MAX_OCTETS {
            return Err(format!("it is larger than {} MiB; leave out what the texts do not need", MAX_OCTETS >> 20));
        }
        if octets.starts_with(b"ttcf") {
            return Err("it is a collection of fonts; send one font of it".into());
        }
        let font = Font::new(octets, 0).ok_or("it is no TrueType or OpenType font")?;
        let face = Self::of(font).ok_or("its rules make too much work of a text; give another one")?;
        if face.outlines().is_none() {
            return Err("it has neither TrueType nor CFF outlines".into());
        }
        // OpenType, table OS/2, fsType: bit 1 alone is "Restricted License embedding".
        if face.table(b"OS/2").and_then(|table| table.get(8..10)).is_some_and(|kind| kind == [0, 2]) {
            return Err("its maker does not allow it to be embedded in documents (fsType)".into());
        }
        if !face.font.charmap().has_unicode() {
            return Err("it does not say which characters its glyphs are".into());
        }
        Ok(face)
    }

    /// With what its rules may cost for one glyph: that of its costliest lookup (OpenType, GSUB and GPOS), and one for each subtable (AAT, and
    /// kern). `None` is too much.
    fn of(font: Font) -> Option<Self> {
        let mut face = Self { font, cost: 0 };
        let layout = |tag, positioning| match face.table(tag) {
            Some(table) => layout_cost(table, positioning),
            None => Some(0),
        };
        let others = [
            face.table(b"morx").and_then(morx_subtables),
            face.table(b"kerx").and_then(|table| u32_at(table, 4)),
            face.table(b"kern").and_then(kern_subtables),
        ];
        let sum = others.into_iter().flatten().fold(0, usize::saturating_add);
        face.cost = sum.saturating_add(layout(b"GSUB", false)?.max(layout(b"GPOS", true)?));
        (face.cost <= MAX_COST).then_some(face)
    }

    /// What its rules may cost for one glyph.
    pub(super) const fn cost(&self) -> usize {
        self.cost
    }

    /// For the shaper.
    pub(super) const fn font(&self) -> &Font {
        &self.font
    }

    /// The file.
    pub(super) fn octets(&self) -> &[u8] {
        match self.font.source() {
            Source::Blob(blob) => blob,
            Source::TableFunction(_) => &[],
        }
    }

    /// Whether it has a glyph for the character.
    pub(super) fn has(&self, character: char) -> bool {
        self.font.charmap().map_unicode(character).is_some_and(|glyph| glyph.to_u32() != 0)
    }

    /// Its PostScript name, with nothing in it that a PDF name would have to escape.
    pub(super) fn name(&self) -> String {
        let name = self.font.names().get(NameId::POSTSCRIPT_NAME).and_then(|name| name.english_or_first());
        let name: String = name.map(|name| name.name().chars().take(63).collect()).unwrap_or_default();
        let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        if name.is_empty() { "Font".into() } else { name }
    }

    /// `None` for a font that only has pictures.
    pub(super) fn outlines(&self) -> Option<Outlines> {
        if self.table(b"glyf").is_some() {
            Some(Outlines::TrueType)
        } else if self.table(b"CFF ").is_some() {
            Some(Outlines::Cff)
        } else {
            None
        }
    }

    /// How far it reaches above and below the line, both positive, in ems.
    pub(super) fn extent(&self) -> [f64; 2] {
        let line = self.font.metrics().h_line();
        let above = line.map_or(0.0, |line| self.ems(line.ascender.to_f64()));
        let below = line.map_or(0.0, |line| self.ems(-line.descender.to_f64()));
        // What a font says of itself may be nothing, or nonsense.
        [above.clamp(0.7, 3.0), below.clamp(0.2, 3.0)]
    }

    /// Units of the font as a part of its size.
    pub(super) fn ems(&self, units: f64) -> f64 {
        units / f64::from(self.font.units_per_em())
    }

    /// How far a glyph moves on, in ems.
    pub(super) fn advance(&self, glyph: u16) -> f64 {
        self.ems(f64::from(self.font.glyph_metrics().h_advance(u32::from(glyph).into())))
    }

    /// What all its glyphs lie in, in thousandths of its size.
    pub(super) fn bounds(&self) -> String {
        let bounds = self.font.metrics().bounds;
        let sides = [bounds.x_min, bounds.y_min, bounds.x_max, bounds.y_max];
        sides.map(|side| super::number(self.ems(side.to_f64()) * 1000.0)).join(" ")
    }

    /// Height of capital letters in ems.
    pub(super) fn cap_height(&self) -> f64 {
        self.font.metrics().cap_height.map_or(0.7, |height| self.ems(height.to_f64()))
    }

    /// Degrees from the upright, against the clock.
    pub(super) fn italic_angle(&self) -> f64 {
        self.font.style_metrics().italic_angle.map_or(0.0, |angle| angle.to_f64())
    }

    fn table(&self, tag: &[u8; 4]) -> Option<&[u8]> {
        table(self.octets(), tag)
    }
}

/// A number of a table.
pub(super) fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(octets.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(octets: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(octets.get(at..at.checked_add(4)?)?.try_into().ok()?)).ok()
}

/// Those of all chains together; a chain has its length and how many subtables it has in its header.
fn morx_subtables(table: &[u8]) -> Option<usize> {
    let (mut at, mut subtables) = (8, 0_usize);
    for _ in 0..u32_at(table, 4)? {
        let Some((length, count)) = u32_at(table, at + 4).zip(u32_at(table, at + 12)) else { break };
        subtables = subtables.saturating_add(count);
        at = at.checked_add(length.max(16))?;
    }
    Some(subtables)
}

/// The two versions of it count them in different places.
fn kern_subtables(table: &[u8]) -> Option<usize> {
    if u16_at(table, 0)? == 0 { u16_at(table, 2).map(usize::from) } else { u32_at(table, 4) }
}

/// A table of a font file.
pub(super) fn table<'f>(octets: &'f [u8], tag: &[u8; 4]) -> Option<&'f [u8]> {
    let count = usize::from(u16_at(octets, 4)?);
    let record = (0..count).map(|n| 12 + 16 * n).find(|at| octets.get(*at..at + 4) == Some(tag.as_slice()))?;
    let start = u32_at(octets, record + 8)?;
    octets.get(start..start.checked_add(u32_at(octets, record + 12)?)?)
}

static BUILT_IN: &[u8] = include_bytes!("fonts/DejaVuSansCondensed.ttf");
const MAX_OCTETS: usize = 8 << 20;
/// Of two thousand fonts of the scripts of the world the costliest, Noto Nastaliq Urdu, has 17 850, Noto Sans Grantha 10 087, and all but
/// ten less than 3000.
const MAX_COST: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_font_is_there_and_has_the_scripts_of_europe() {
        let face = Face::built_in().unwrap();
        assert_eq!((face.name().as_str(), face.outlines()), ("DejaVuSansCondensed", Some(Outlines::TrueType)));
        for character in "Õß€ŞżΩΰЖїѓ–„“×".chars() {
            assert!(face.has(character), "{character}");
        }
        assert!(!face.has('漢'));
    }

    #[test]
    fn what_the_rules_of_a_font_cost_is_counted() {
        let cost = Face::built_in().unwrap().cost();
        assert!((10..100).contains(&cost), "{cost}");
    }

    #[test]
    fn what_is_no_font_is_refused() {
        for octets in [&b""[..], b"%PDF-1.7", b"\0\x01\0\0\0\x01", b"ttcf\0\x01\0\0", &[0xff; 100]] {
            Face::read(octets.to_vec()).unwrap_err();
        }
        let cut = BUILT_IN[..200_000].to_vec();
        Face::read(cut).unwrap_err();
    }
}
