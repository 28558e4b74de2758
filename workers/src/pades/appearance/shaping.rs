//! Turns text into placed glyphs: direction (UAX 9), a font for each character, then the font's own rules.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harfrust::unicode::script;
use harfrust::{Buffer, Direction, MessageFunction, Script, ShapeOptions, ShaperFont, shape};
use rustix::time::{ClockId, clock_gettime};
use unicode_bidi::{Level, ParagraphBidiInfo};

use super::font::Face;

/// One line of input, with what is known of it before it is broken.
pub(super) struct Paragraph<'f> {
    text: String,
    bidi: Directions,
    faces: &'f [Face],
    /// Which font has the character that begins at each byte.
    choice: Vec<usize>,
    effort: &'f Effort,
}

/// What shaping may cost, in time of the processor: rules of a font may multiply every glyph, over and over. It is that of the thread, so
/// that a text is set on a busy machine too, or on none.
#[derive(Clone)]
pub(super) struct Effort {
    /// On the clock of the thread.
    end: Duration,
    spent: Arc<AtomicBool>,
}

impl Effort {
    /// All that one text may cost.
    pub(super) fn new() -> Self {
        Self::of(MAX_TIME)
    }

    /// No more than that.
    pub(super) fn of(time: Duration) -> Self {
        Self { end: processor_time().saturating_add(time), spent: Arc::default() }
    }

    /// Whether it was too little, so that something was not shaped.
    pub(super) fn is_spent(&self) -> bool {
        self.spent.load(Ordering::Relaxed)
    }

    fn give_up(&self) {
        self.spent.store(true, Ordering::Relaxed);
    }

    /// What the shaper asks before each lookup or subtable of a font: it is left out when the effort is spent, or when it could take longer
    /// than one may with the glyphs that those before it made.
    fn supervisor(&self, cost: usize) -> Box<MessageFunction> {
        let effort = self.clone();
        Box::new(move |buffer, _, message| {
            // What lookups call belongs to them, and cannot be left out.
            if !message.starts_with("start ") || message.starts_with("start recursing") {
                return true;
            }
            // Each glyph that is compared may be looked for past all others.
            if cost.saturating_mul(buffer.len()).saturating_mul(buffer.len()) > MAX_STEPS {
                effort.give_up();
            }
            effort.check().is_some()
        })
    }

    fn check(&self) -> Option<()> {
        if processor_time() >= self.end {
            self.give_up();
        }
        (!self.is_spent()).then_some(())
    }
}

/// What the thread has had.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or(Duration::MAX)
}

/// Directions are those of the paragraph, wherever it is broken later.
enum Directions {
    LeftToRight,
    Mixed { levels: Vec<Level>, base: Level },
}

/// Glyphs of one font, from left to right.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// Which of the fonts.
    pub(super) face: usize,
    pub(super) clusters: Vec<Cluster>,
}

/// Glyphs that stand for a piece of text together.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    /// Where in the paragraph that begins.
    pub(super) start: usize,
    pub(super) text: String,
    pub(super) glyphs: Vec<Glyph>,
}

impl Cluster {
    /// How far it reaches, in ems.
    pub(super) fn width(&self) -> f64 {
        self.glyphs.iter().map(|glyph| glyph.advance).sum()
    }
}

/// Lengths are in ems.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glyph {
    pub(super) id: u16,
    /// To the next glyph.
    pub(super) advance: f64,
    /// To the next glyph as the font has it, before the shaper moved anything.
    pub(super) drawn: f64,
    pub(super) offset: [f64; 2],
}

impl<'f> Paragraph<'f> {
    /// Finds direction and fonts. Once the effort is spent nothing is shaped any more.
    ///
    /// # Errors
    /// The first character that no font has.
    pub(super) fn new(text: &str, faces: &'f [Face], effort: &'f Effort) -> Result<Self, char> {
        let bidi = ParagraphBidiInfo::new(text, None);
        let bidi = match bidi.has_rtl() {
            true => Directions::Mixed { levels: bidi.levels, base: bidi.paragraph_level },
            false => Directions::LeftToRight,
        };
        Ok(Self { choice: choose(text, faces)?, text: text.to_owned(), bidi, faces, effort })
    }

    /// Whether its lines begin at the right.
    pub(super) fn is_right_to_left(&self) -> bool {
        matches!(self.bidi, Directions::Mixed { base, .. } if base.is_rtl())
    }

    /// The text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// A part of it as glyphs, from left to right.
    pub(super) fn shape(&self, range: Range<usize>) -> Vec<Run> {
        let mut runs = Vec::new();
        for (direction, part) in self.visual_parts(range) {
            let mut pieces = self.pieces(part);
            if direction == Direction::RightToLeft {
                pieces.reverse();
            }
            for (face, script, piece) in pieces {
                if let Some(clusters) = self.shape_piece(face, script, direction, piece) {
                    runs.push(Run { face, clusters });
                }
            }
        }
        runs
    }

    /// Parts of one direction, from left to right.
    fn visual_parts(&self, range: Range<usize>) -> Vec<(Direction, Range<usize>)> {
        let Directions::Mixed { levels, base } = &self.bidi else { return vec![(Direction::LeftToRight, range)] };
        let mut parts: Vec<(Level, Range<usize>)> = Vec::new();
        // UAX 9, rule L1: blanks at the end of a line have the direction of the paragraph.
        let ink = range.start + self.text.get(range.clone()).unwrap_or_default().trim_end().len();
        for (at, character) in self.text.get(range.clone()).unwrap_or_default().char_indices() {
            let at = range.start + at;
            let level = if at < ink { levels.get(at).copied().unwrap_or(*base) } else { *base };
            let end = at + character.len_utf8();
            match parts.last_mut() {
                Some((last, part)) if *last == level => part.end = end,
                _ => parts.push((level, at..end)),
            }
        }
        let order = ParagraphBidiInfo::reorder_visual(&parts.iter().map(|(level, _)| *level).collect::<Vec<_>>());
        let direction = |level: Level| if level.is_rtl() { Direction::RightToLeft } else { Direction::LeftToRight };
        let part = |index: usize| parts.get(index).map(|(level, part)| (direction(*level), part.clone()));
        order.into_iter().filter_map(part).collect()
    }

    /// Pieces of one font and one script, in the order of the text. Long ones end with a word: the work may grow with the square of them.
    fn pieces(&self, range: Range<usize>) -> Vec<(usize, Script, Range<usize>)> {
        let mut pieces: Vec<(usize, Script, Range<usize>)> = Vec::new();
        for (at, character) in self.text.get(range.clone()).unwrap_or_default().char_indices() {
            let at = range.start + at;
            let end = at + character.len_utf8();
            let face = self.choice.get(at).copied().unwrap_or_default();
            let own = script(character.into());
            let common = is_common(own);
            match pieces.last_mut() {
                Some((last, shared, piece))
                    if *last == face
                        && (common || *shared == own || is_common(*shared))
                        && (piece.len() < LONG
                            || !self.text.get(piece.clone()).is_some_and(|text| text.ends_with(ENDS_OF_WORDS))) =>
                {
                    piece.end = end;
                    if !common {
                        *shared = own;
                    }
                }
                _ => pieces.push((face, own, at..end)),
            }
        }
        pieces
    }

    fn shape_piece(
        &self,
        face: usize,
        script: Script,
        direction: Direction,
        piece: Range<usize>,
    ) -> Option<Vec<Cluster>> {
        let text = self.text.get(piece.clone())?;
        let chosen = self.faces.get(face)?;
        self.effort.check()?;
        let mut buffer = Buffer::new();
        buffer.push_str(text);
        buffer.set_direction(direction);
        buffer.set_script(Some(script));
        buffer.set_message_function(Some(self.effort.supervisor(chosen.cost())));
        shape(&ShaperFont::new(chosen.font()), &mut buffer, ShapeOptions::new()).ok()?;
        // The shaper's own bounds are far beyond what any script needs.
        if !buffer.allocation_successful() {
            self.effort.give_up();
        }
        self.effort.check()?;
        let mut starts: Vec<usize> = buffer.glyph_infos().iter().map(|info| info.cluster as usize).collect();
        starts.sort_unstable();
        let mut clusters: Vec<Cluster> = Vec::new();
        for (info, position) in buffer.glyph_infos().iter().zip(buffer.glyph_positions()) {
            let id = u16::try_from(info.glyph_id).ok()?;
            let glyph = Glyph {
                id,
                drawn: chosen.advance(id),
                advance: chosen.ems(f64::from(position.x_advance)),
                offset: [position.x_offset, position.y_offset].map(|units| chosen.ems(f64::from(units))),
            };
            let start = info.cluster as usize;
            match clusters.last_mut() {
                Some(cluster) if cluster.start == piece.start + start => cluster.glyphs.push(glyph),
                _ => {
                    let next = starts.partition_point(|other| *other <= start);
                    let end = starts.get(next).copied().unwrap_or(text.len());
                    let text = text.get(start..end).unwrap_or_default().to_owned();
                    clusters.push(Cluster { start: piece.start + start, text, glyphs: vec![glyph] });
                }
            }
        }
        Some(clusters)
    }
}

/// How far glyphs reach, in ems.
pub(super) fn width(runs: &[Run]) -> f64 {
    runs.iter().flat_map(|run| &run.clusters).map(Cluster::width).sum()
}

/// The first character that no font has.
pub(super) fn missing_character(text: &str, faces: &[Face]) -> Option<char> {
    choose(text, faces).err()
}

/// The first font that has it; a mark or a blank stays with the font before it where that has it too.
fn choose(text: &str, faces: &[Face]) -> Result<Vec<usize>, char> {
    let mut choice = vec![0; text.len()];
    let mut last = None;
    for (at, character) in text.char_indices() {
        let has = |face: &usize| faces.get(*face).is_some_and(|face| face.has(character));
        let stays = is_invisible(character) || is_common(script(character.into()));
        let found = last.filter(|last| stays && has(last)).or_else(|| (0..faces.len()).find(has));
        let found = match (found, is_invisible(character)) {
            (Some(found), _) => found,
            (None, true) => last.unwrap_or(0),
            (None, false) => return Err(character),
        };
        if let Some(place) = choice.get_mut(at) {
            *place = found;
        }
        last = Some(found);
    }
    Ok(choice)
}

fn is_common(script: Script) -> bool {
    // Zyyy, Zinh: used with many scripts.
    [*b"Zyyy", *b"Zinh"].contains(&script.tag().to_be_bytes())
}

/// Characters that direct how others are shown, and need no glyph themselves (Default_Ignorable_Code_Point).
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0100}'..='\u{e01ef}')
}

/// A thousand characters take a fraction of a second with the fonts of the world. The time is looked at before each lookup.
const MAX_TIME: Duration = Duration::from_secs(5);
/// Glyphs that one lookup may look at: some seconds at most. The costliest font of the world, Noto Nastaliq Urdu, sets 340 glyphs of one
/// piece with it, and others nine hundred or more.
const MAX_STEPS: usize = 1 << 31;
/// Octets of a piece that ends with its next word.
const LONG: usize = 256;
/// What stands between words, or syllables as in Tibetan.
const ENDS_OF_WORDS: [char; 2] = [' ', '\u{f0b}'];
