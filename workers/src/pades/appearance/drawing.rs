//! Draws a seal: the content of its appearance and what that content needs (ISO 32000-2, 8 and 9).

use std::collections::BTreeMap;
use std::fmt::Write;

use super::colour::Colour;
use super::definition::Design;
use super::embedding::{Meaning, Subset, utf16};
use super::font::Face;
use super::number;
use super::shaping::{Cluster, Run};
use super::template::Values;
use super::text_block::{Line, TextBlock, TextFault};

/// A seal as it is to be drawn.
pub(super) struct Drawing {
    pub(super) content: String,
    /// The glyphs of each font that is used, by the font's place in the design, with the font file made of them.
    pub(super) fonts: BTreeMap<usize, (Subset, Vec<u8>)>,
}

/// Left, bottom, width and height in points.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Area {
    corner: [f64; 2],
    size: [f64; 2],
}

impl Drawing {
    /// Draws into a rectangle of this size, its lower left corner at the origin.
    ///
    /// # Errors
    /// What cannot be shown, and why.
    pub(super) fn new(design: &Design, values: &Values<'_>, size: [f64; 2]) -> Result<Self, String> {
        let mut canvas = Canvas::default();
        canvas.frame(design, size);
        let inset = design.border.map_or(0.0, |border| border.width) + PADDING;
        let area = Area { corner: [inset; 2], size: size.map(|length| (length - 2.0 * inset).max(1.0)) };
        let text = design.text.as_ref().map(|template| template.fill(values)).unwrap_or_default();
        if !text.is_empty() {
            let block = TextBlock::fit(&text, &design.faces, area.size, design.font_size);
            let block = block.map_err(|fault: TextFault| fault.to_string())?;
            canvas.text(&block, area, design.text_colour);
        }
        let mut fonts = BTreeMap::new();
        for (index, subset) in canvas.subsets {
            let Some(face) = design.faces.get(index) else { continue };
            let file = subset.file(face)?;
            fonts.insert(index, (subset, file));
        }
        Ok(Self { content: canvas.content, fonts })
    }

    /// The fonts with their files.
    pub(super) fn faces<'d>(
        &'d self,
        design: &'d Design,
    ) -> impl Iterator<Item = (usize, &'d Face, &'d Subset, &'d [u8])> {
        self.fonts.iter().filter_map(|(index, (subset, file))| {
            design.faces.get(*index).map(|face| (*index, face, subset, file.as_slice()))
        })
    }
}

/// Content while it is written. Writing to a string cannot fail.
#[derive(Default)]
struct Canvas {
    content: String,
    subsets: BTreeMap<usize, Subset>,
}

impl Canvas {
    fn frame(&mut self, design: &Design, [width, height]: [f64; 2]) {
        if let Some(background) = design.background {
            let _ = writeln!(
                self.content,
                "/CS0 cs {} sc 0 0 {} {} re f",
                background.operands(),
                number(width),
                number(height)
            );
        }
        if let Some(border) = design.border {
            // The line lies inside of the rectangle, else half of it would be cut off.
            let half = border.width / 2.0;
            let _ = writeln!(
                self.content,
                "/CS0 CS {} SC {} w {} {} {} {} re S",
                border.colour.operands(),
                number(border.width),
                number(half),
                number(half),
                number(width - border.width),
                number(height - border.width)
            );
        }
    }

    fn text(&mut self, block: &TextBlock, area: Area, colour: Colour) {
        let _ = writeln!(self.content, "BT /CS0 cs {} sc", colour.operands());
        let top = area.corner[1] + (area.size[1] + block.height()) / 2.0;
        let mut base = top - block.extent[0] * block.size;
        for line in &block.lines {
            let indent = if line.right_to_left { area.size[0] - line.width * block.size } else { 0.0 };
            self.line(line, [area.corner[0] + indent, base], block.size);
            base -= block.leading();
        }
        self.content.push_str("ET\n");
    }

    fn line(&mut self, line: &Line, [mut left, base]: [f64; 2], size: f64) {
        for run in &line.runs {
            let _ = writeln!(
                self.content,
                "/F{} {} Tf 1 0 0 1 {} {} Tm",
                run.face,
                number(size),
                number(left),
                number(base)
            );
            left += self.run(run, size) * size;
        }
    }

    /// Shows glyphs and returns how far they reach, in ems.
    fn run(&mut self, run: &Run, size: f64) -> f64 {
        // Where the next glyph belongs, and where it would stand without an adjustment.
        let (mut pen, mut stands) = (0.0, 0.0);
        let subset = self.subsets.entry(run.face).or_default();
        for cluster in &run.clusters {
            let glyphs: Vec<u16> = cluster.glyphs.iter().map(|glyph| subset.take(glyph.id)).collect();
            let in_place = explain(subset, cluster, &glyphs) == Meaning::InPlace;
            if in_place {
                let _ = write!(self.content, "/Span<</ActualText<FEFF{}>>>BDC ", utf16(&cluster.text));
            }
            for (glyph, number_in_subset) in cluster.glyphs.iter().zip(glyphs) {
                let adjustment = (stands - pen - glyph.offset[0]) * 1000.0;
                let rise = glyph.offset[1] * size;
                if rise != 0.0 {
                    let _ = write!(self.content, "{} Ts ", number(rise));
                }
                if adjustment.abs() < 0.01 {
                    let _ = writeln!(self.content, "<{number_in_subset:04X}>Tj");
                } else {
                    let _ = writeln!(self.content, "[{}<{number_in_subset:04X}>]TJ", number(adjustment));
                    stands -= adjustment / 1000.0;
                }
                if rise != 0.0 {
                    self.content.push_str("0 Ts ");
                }
                stands += glyph.drawn;
                pen += glyph.advance;
            }
            if in_place {
                self.content.push_str("EMC\n");
            }
        }
        pen
    }
}

/// Says what the glyphs of a cluster stand for together.
fn explain(subset: &mut Subset, cluster: &Cluster, glyphs: &[u16]) -> Meaning {
    match glyphs {
        [one] => subset.explain(*one, &cluster.text),
        several => {
            for (index, glyph) in several.iter().enumerate() {
                // Something must be there for each (ISO 19005-2, 6.2.11.7.2); the place says what counts.
                subset.explain(*glyph, if index == 0 { &cluster.text } else { "\u{200b}" });
            }
            Meaning::InPlace
        }
    }
}

/// Between border and content, in points.
const PADDING: f64 = 3.0;
