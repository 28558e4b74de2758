//! Embeds the glyphs that a seal uses, so that it looks the same everywhere and its text can be searched and copied
//! (ISO 32000-2, 9.7 and 9.10.3).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cryptotoken_api::DigestAlgorithm;
use lopdf::ObjectId;
use subsetter::GlyphRemapper;

use super::super::refusal::PdfRefusal;
use super::font::{Face, Outlines, table};
use super::number;
use super::objects::{NewObjects, reference};

/// The glyphs of one font that a seal uses. A glyph is called by its number in the subset.
#[derive(Default)]
pub(super) struct Subset {
    glyphs: GlyphRemapper,
    /// What each glyph stands for where nothing else is said.
    texts: BTreeMap<u16, String>,
}

/// How a glyph that is drawn tells its text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The font says it.
    InFont,
    /// It stands for something else elsewhere, so the place says it.
    InPlace,
}

impl Subset {
    /// Takes the glyph into the subset and returns its number there.
    pub(super) fn take(&mut self, glyph: u16) -> u16 {
        self.glyphs.remap(glyph)
    }

    /// Says what a glyph of the subset stands for.
    pub(super) fn explain(&mut self, glyph: u16, text: &str) -> Meaning {
        let known = self.texts.entry(glyph).or_insert_with(|| text.to_owned());
        if known == text { Meaning::InFont } else { Meaning::InPlace }
    }

    /// The font file with these glyphs alone.
    ///
    /// # Errors
    /// When the font is damaged.
    pub(super) fn file(&self, face: &Face) -> Result<Vec<u8>, String> {
        // Whoever sends a font writes what is parsed here; a defect of the parser must cost this seal alone.
        let subset = catch_unwind(AssertUnwindSafe(|| subsetter::subset(face.octets(), 0, &self.glyphs)));
        let damaged = |reason: String| format!("the font {} is damaged: {reason}", face.name());
        match subset {
            Ok(Ok(subset)) => Ok(subset),
            Ok(Err(error)) => Err(damaged(error.to_string())),
            Err(_) => Err(damaged("its glyphs cannot be taken out".into())),
        }
    }

    /// Writes the font and returns it.
    ///
    /// # Errors
    /// [`PdfRefusal`].
    pub(super) fn write(
        &self,
        face: &Face,
        file: Vec<u8>,
        lists_glyphs: bool,
        objects: &mut NewObjects<'_, '_>,
    ) -> Result<ObjectId, PdfRefusal> {
        let name = format!("{}+{}", tag(&file), face.name());
        let (font, descendant, descriptor) = (objects.number(), objects.number(), objects.number());
        let count = glyph_count(&file);
        let (entry, kind, map, program) = match face.outlines() {
            Some(Outlines::Cff) => {
                let program = table(&file, b"CFF ").unwrap_or_default().to_vec();
                let program = objects.stream("/Subtype/CIDFontType0C", program)?;
                ("FontFile3", "CIDFontType0", "", program)
            }
            _ => {
                let length = format!("/Length1 {}", file.len());
                ("FontFile2", "CIDFontType2", "/CIDToGIDMap/Identity", objects.stream(&length, file)?)
            }
        };
        let text = objects.stream("", self.to_unicode().into_bytes())?;
        let list = match lists_glyphs {
            true => format!("/CIDSet {}", reference(objects.stream("", glyph_list(count))?)),
            false => String::new(),
        };
        objects.write(
            font,
            &format!(
                "<</Type/Font/Subtype/Type0/BaseFont/{name}/Encoding/Identity-H/DescendantFonts[{}]/ToUnicode {}>>",
                reference(descendant),
                reference(text)
            ),
        );
        let system = format!(
            "<</Registry{}/Ordering{}/Supplement 0>>",
            objects.string(descendant, "Adobe")?,
            objects.string(descendant, "Identity")?
        );
        let widths = self.widths(face);
        objects.write(
            descendant,
            &format!(
                "<</Type/Font/Subtype/{kind}/BaseFont/{name}/CIDSystemInfo{system}/FontDescriptor {}{map}/DW 0/W[0[{widths}]]>>",
                reference(descriptor)
            ),
        );
        let [above, below] = face.extent().map(|ems| number(ems * 1000.0));
        // Symbolic: its characters are not those of the standard Latin set alone.
        objects.write(
            descriptor,
            &format!(
                "<</Type/FontDescriptor/FontName/{name}/Flags 4/FontBBox[{}]/ItalicAngle {}/Ascent {above}/Descent -{below}\
                 /CapHeight {}/StemV 80/{entry} {}{list}>>",
                face.bounds(),
                number(face.italic_angle()),
                number(face.cap_height() * 1000.0),
                reference(program)
            ),
        );
        Ok(font)
    }

    fn widths(&self, face: &Face) -> String {
        let widths: Vec<String> =
            self.glyphs.remapped_gids().map(|glyph| number(face.advance(glyph) * 1000.0)).collect();
        widths.join(" ")
    }

    /// ISO 32000-2, 9.10.3.
    fn to_unicode(&self) -> String {
        let mut map = "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n\
            /CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>>def\n/CMapName/Adobe-Identity-UCS def\n\
            /CMapType 2 def\n1 begincodespacerange\n<0000><FFFF>\nendcodespacerange\n"
            .to_owned();
        let texts: Vec<(&u16, &String)> = self.texts.iter().collect();
        for part in texts.chunks(100) {
            let _ = writeln!(map, "{} beginbfchar", part.len());
            for (glyph, text) in part {
                let _ = writeln!(map, "<{glyph:04X}><{}>", utf16(text));
            }
            map.push_str("endbfchar\n");
        }
        map.push_str("endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n");
        map
    }
}

/// Hexadecimal digits of UTF-16, big end first.
pub(super) fn utf16(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("{unit:04X}")).collect()
}

/// Six letters that tell this subset from others of the font (ISO 32000-2, 9.9.2).
fn tag(file: &[u8]) -> String {
    let digest = DigestAlgorithm::Sha256.digest(file);
    digest.iter().take(6).map(|byte| char::from(b'A' + byte % 26)).collect()
}

/// From the table maxp; composite glyphs may have brought others in.
fn glyph_count(file: &[u8]) -> u16 {
    let count = table(file, b"maxp").and_then(|table| table.get(4..6)).and_then(|count| count.try_into().ok());
    count.map_or(1, u16::from_be_bytes)
}

/// One bit for each glyph, the highest first.
fn glyph_list(count: u16) -> Vec<u8> {
    let mut list = vec![0xff; usize::from(count / 8)];
    if !count.is_multiple_of(8) {
        list.push(!(0xff >> (count % 8)));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_glyphs_has_a_bit_for_each() {
        assert_eq!(glyph_list(3), [0b1110_0000]);
        assert_eq!(glyph_list(8), [0xff]);
        assert_eq!(glyph_list(17), [0xff, 0xff, 0x80]);
    }

    #[test]
    fn a_glyph_that_stands_for_two_texts_is_explained_in_place() {
        let mut subset = Subset::default();
        let glyph = subset.take(77);
        assert_eq!(subset.explain(glyph, "a"), Meaning::InFont);
        assert_eq!(subset.explain(glyph, "b"), Meaning::InPlace);
        assert_eq!(subset.explain(glyph, "a"), Meaning::InFont);
        assert!(subset.to_unicode().contains("<0001><0061>"));
    }
}
