//! Draws a seal: the content of its appearance and what that content needs (ISO 32000-2, 8 and 9).

use std::collections::BTreeMap;
use std::fmt::Write;

use super::colour::Colour;
use super::definition::{Design, PicturePosition};
use super::embedding::{Meaning, Subset, utf16};
use super::font::Face;
use super::number;
use super::qr_code::{Code, SMALLEST_MODULE};
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
        let mut area = Area { corner: [inset; 2], size: size.map(|length| (length - 2.0 * inset).max(1.0)) };
        let text = design.text.as_ref().map(|template| template.fill(values)).unwrap_or_default();
        let picture = design.picture.as_ref();
        if text.is_empty() && picture.is_none() && design.qr.is_none() {
            return Err("\"text\": none of its placeholders has a value, so there is nothing to see".into());
        }
        if let (Some(picture), PicturePosition::Behind) = (picture, design.picture_position) {
            canvas.picture(area.around(picture.aspect()));
        }
        let beside = picture.filter(|_| design.picture_position != PicturePosition::Behind);
        if let Some(address) = &design.qr {
            let address = address.fill_address(values).map_err(|name| format!("\"qr\": {{{name}}} has no value"))?;
            let code = Code::new(&address, design.error_correction).map_err(|reason| format!("\"qr\": {reason}"))?;
            let alone = text.is_empty() && beside.is_none();
            canvas.code(&code, if alone { area.around(1.0) } else { area.cut_right(area.size[1], 0.5) })?;
        }
        if let Some(picture) = beside {
            let place = match design.picture_position {
                _ if text.is_empty() => area,
                PicturePosition::Above => area.cut_top(area.size[0] / picture.aspect(), 0.5),
                _ => area.cut_left(area.size[1] * picture.aspect(), 0.4),
            };
            canvas.picture(place.around(picture.aspect()));
        }
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

impl Area {
    /// The largest area of this shape in the middle.
    fn around(self, aspect: f64) -> Self {
        let [width, height] = self.size;
        let size = if width / height > aspect { [height * aspect, height] } else { [width, width / aspect] };
        let corner = [self.corner[0] + (width - size[0]) / 2.0, self.corner[1] + (height - size[1]) / 2.0];
        Self { corner, size }
    }

    /// Takes an area off at the left, as wide as wished but not more than this part of the whole.
    fn cut_left(&mut self, wished: f64, part: f64) -> Self {
        let width = wished.min(self.size[0] * part);
        let cut = Self { corner: self.corner, size: [width, self.size[1]] };
        self.corner[0] += width + GAP;
        self.size[0] = (self.size[0] - width - GAP).max(1.0);
        cut
    }

    /// Likewise at the right.
    fn cut_right(&mut self, wished: f64, part: f64) -> Self {
        let width = wished.min(self.size[0] * part);
        let left = self.corner[0] + self.size[0] - width;
        self.size[0] = (self.size[0] - width - GAP).max(1.0);
        Self { corner: [left, self.corner[1]], size: [width, self.size[1]] }
    }

    /// Likewise at the top.
    fn cut_top(&mut self, wished: f64, part: f64) -> Self {
        let height = wished.min(self.size[1] * part);
        let bottom = self.corner[1] + self.size[1] - height;
        self.size[1] = (self.size[1] - height - GAP).max(1.0);
        Self { corner: [self.corner[0], bottom], size: [self.size[0], height] }
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
            // Filled and not stroked: readers move lines to whole pixels, and what is moved outwards is cut off.
            let _ = writeln!(
                self.content,
                "/CS0 cs {} sc 0 0 {} {} re {} {} {} {} re f*",
                border.colour.operands(),
                number(width),
                number(height),
                number(border.width),
                number(border.width),
                number(width - 2.0 * border.width),
                number(height - 2.0 * border.width)
            );
        }
    }

    /// Shows the picture of the design in this area.
    fn picture(&mut self, area: Area) {
        let [[left, bottom], [width, height]] = [area.corner, area.size].map(|pair| pair.map(number));
        let _ = writeln!(self.content, "q {width} 0 0 {height} {left} {bottom} cm /I0 Do Q");
    }

    fn code(&mut self, code: &Code, area: Area) -> Result<(), String> {
        let Area { corner: [left, bottom], size: [side, _] } = area.around(1.0);
        let module = side / f64::from(code.side());
        if module < SMALLEST_MODULE {
            let needed = f64::from(code.side()) * SMALLEST_MODULE;
            return Err(format!(
                "\"qr\": it needs {needed:.0} points on each side and has {side:.0}; make the seal larger"
            ));
        }
        let [white, black] = [Colour::WHITE, Colour::BLACK].map(Colour::operands);
        let [x, y, length] = [left, bottom, side].map(number);
        let _ = writeln!(self.content, "q /CS0 cs {white} sc {x} {y} {length} {length} re f {black} sc");
        let _ = writeln!(self.content, "{0} 0 0 {0} {x} {y} cm", number(module));
        for (left, bottom, width) in code.runs() {
            let _ = writeln!(self.content, "{left} {bottom} {width} 1 re");
        }
        // One path, so that no seams are left between its parts.
        self.content.push_str("f Q\n");
        Ok(())
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
/// Between picture, text and code, in points.
const GAP: f64 = 5.0;
