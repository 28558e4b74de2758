//! Breaks the text of a seal into lines and finds the size in which they fit.

use std::cell::OnceCell;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::font::Face;
use super::shaping::{Paragraph, Run, width};

/// Text that fits.
#[derive(Debug)]
pub(super) struct TextBlock {
    pub(super) lines: Vec<Line>,
    /// Of the font, in points.
    pub(super) size: f64,
    /// How far the fonts reach above and below a line, in ems.
    pub(super) extent: [f64; 2],
}

/// One line.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) runs: Vec<Run>,
    /// In ems.
    pub(super) width: f64,
    /// Whether it begins at the right.
    pub(super) right_to_left: bool,
}

/// Why a text cannot be shown.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum TextFault {
    /// No font has the character.
    #[error("no font has the character \"{character}\" (U+{:04X}); give one that has it in \"font\"", u32::from(*character))]
    NoGlyph {
        /// The first such character.
        character: char,
    },
    /// The rules of a font keep the processor busy for no end.
    #[error("its text cannot be set in {} seconds with this \"font\"; give another one", MAX_TIME.as_secs())]
    TooSlow,
    /// There is more of it than place.
    #[error("its text does not fit {:.0} × {:.0} points at {size} points; make the seal larger or the text shorter", area[0], area[1])]
    TooLong {
        /// Width and height that the text has.
        area: [f64; 2],
        /// The smallest size that was tried.
        size: f64,
    },
}

impl TextBlock {
    /// Sets the text into this width and height, in points; without a size in the largest that fits.
    ///
    /// # Errors
    /// [`TextFault`].
    pub(super) fn fit(text: &str, faces: &[Face], area: [f64; 2], size: Option<f64>) -> Result<Self, TextFault> {
        let end = Instant::now() + MAX_TIME;
        let fitted = Self::fit_until(text, faces, area, size, end);
        // What was shaped after that is nothing.
        if Instant::now() > end { Err(TextFault::TooSlow) } else { fitted }
    }

    fn fit_until(
        text: &str,
        faces: &[Face],
        area: [f64; 2],
        size: Option<f64>,
        end: Instant,
    ) -> Result<Self, TextFault> {
        let paragraphs: Result<Vec<_>, char> = text.split('\n').map(|line| Paragraph::new(line, faces, end)).collect();
        let paragraphs = paragraphs.map_err(|character| TextFault::NoGlyph { character })?;
        let measured: Vec<Vec<Word>> = paragraphs.iter().map(words).collect();
        let extent = extent(&paragraphs, faces);
        let too_long = |size| TextFault::TooLong { area, size };
        let Some(size) = size else {
            let largest = |breaks| {
                // Steps of a quarter of a point, the largest that fits found by halving.
                let (mut fits, mut steps) = (None, 0..STEPS);
                while !steps.is_empty() {
                    let step = steps.start + (steps.end - steps.start) / 2;
                    match set(&paragraphs, &measured, extent, area, SMALLEST + f64::from(step) * 0.25, breaks) {
                        Some(block) => {
                            fits = Some(block);
                            steps.start = step + 1;
                        }
                        None => steps.end = step,
                    }
                }
                fits
            };
            // Lines as the template has them look best, as long as they can be read well.
            let whole = largest(Breaks::AsWritten).filter(|block| block.size >= COMFORTABLE);
            return whole.or_else(|| largest(Breaks::AsNeeded)).ok_or_else(|| too_long(SMALLEST));
        };
        set(&paragraphs, &measured, extent, area, size, Breaks::AsNeeded).ok_or_else(|| too_long(size))
    }

    /// Height of all lines in points.
    pub(super) fn height(&self) -> f64 {
        let lines = self.lines.len() as f64;
        lines * self.leading()
    }

    /// From line to line in points.
    pub(super) fn leading(&self) -> f64 {
        (self.extent[0] + self.extent[1]) * self.size
    }
}

/// Where lines may end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Breaks {
    AsWritten,
    AsNeeded,
}

/// A part that is not broken unless it is longer than a line. Lengths in ems.
struct Word {
    range: Range<usize>,
    /// Without the blanks behind it.
    ink: f64,
    /// With them.
    full: f64,
    /// Its characters with the marks behind them, for where it must be broken: the end and the width of each.
    parts: OnceCell<Vec<(usize, f64)>>,
}

fn words(paragraph: &Paragraph<'_>) -> Vec<Word> {
    let text = paragraph.text();
    let mut words = Vec::new();
    let mut start = 0;
    for part in text.split_inclusive(' ') {
        let end = start + part.len();
        // A blank alone belongs to the word before it.
        if part == " "
            && let Some(Word { range, full, .. }) = words.last_mut()
        {
            *full += width(&paragraph.shape(start..end));
            range.end = end;
        } else {
            let ink = width(&paragraph.shape(start..start + part.trim_end_matches(' ').len()));
            let full = width(&paragraph.shape(start..end));
            words.push(Word { range: start..end, ink, full, parts: OnceCell::new() });
        }
        start = end;
    }
    words
}

fn extent(paragraphs: &[Paragraph<'_>], faces: &[Face]) -> [f64; 2] {
    let runs = paragraphs.iter().flat_map(|paragraph| paragraph.shape(0..paragraph.text().len()));
    let extents = runs.filter_map(|run| faces.get(run.face)).map(Face::extent);
    extents.fold([0.8, 0.2], |[above, below], [a, b]| [above.max(a), below.max(b)])
}

fn set(
    paragraphs: &[Paragraph<'_>],
    measured: &[Vec<Word>],
    extent: [f64; 2],
    area: [f64; 2],
    size: f64,
    breaks: Breaks,
) -> Option<TextBlock> {
    let room = area[0] / size;
    let most = area[1] / ((extent[0] + extent[1]) * size) + 0.001;
    let mut ranges = Vec::new();
    for (paragraph, words) in paragraphs.iter().zip(measured) {
        ranges.extend(broken(paragraph, words, room)?.into_iter().map(|range| (paragraph, range)));
        if ranges.len() as f64 > most {
            return None;
        }
    }
    if breaks == Breaks::AsWritten && ranges.len() > paragraphs.len() {
        return None;
    }
    let lines: Vec<Line> = ranges
        .into_iter()
        .map(|(paragraph, range)| {
            let text = paragraph.text().get(range.clone()).unwrap_or_default();
            let runs = paragraph.shape(range.start..range.start + text.trim_end_matches(' ').len());
            Line { width: width(&runs), runs, right_to_left: paragraph.is_right_to_left() }
        })
        .collect();
    let longest = lines.iter().map(|line| line.width).fold(0.0, f64::max);
    // A line may be a little longer than its words one by one.
    (longest <= room + 1e-6).then_some(TextBlock { lines, size, extent })
}

/// Lines no longer than `room` ems; `None` when not even a character fits.
fn broken(paragraph: &Paragraph<'_>, words: &[Word], room: f64) -> Option<Vec<Range<usize>>> {
    let mut lines = Vec::new();
    let mut line: Option<(Range<usize>, f64)> = None;
    for word in words {
        line = match line {
            Some((range, length)) if length + word.ink <= room => {
                Some((range.start..word.range.end, length + word.full))
            }
            open => {
                lines.extend(open.map(|(range, _)| range));
                if word.ink <= room {
                    Some((word.range.clone(), word.full))
                } else {
                    let mut parts = split(paragraph, word, room)?;
                    let last = parts.pop()?;
                    lines.extend(parts);
                    let length = width(&paragraph.shape(last.clone()));
                    Some((last, length))
                }
            }
        };
    }
    lines.extend(line.map(|(range, _)| range));
    if lines.is_empty() {
        lines.push(0..0);
    }
    Some(lines)
}

/// Breaks a word that is longer than a line between characters, not before marks.
fn split(paragraph: &Paragraph<'_>, word: &Word, room: f64) -> Option<Vec<Range<usize>>> {
    let mut lines = Vec::new();
    let (mut start, mut last, mut length) = (word.range.start, word.range.start, 0.0);
    for (end, width) in word.parts.get_or_init(|| parts(paragraph, word.range.clone())) {
        if length + width > room {
            if last == start {
                return None;
            }
            lines.push(start..last);
            (start, length) = (last, 0.0);
        }
        last = *end;
        length += width;
    }
    lines.push(start..last);
    Some(lines)
}

fn parts(paragraph: &Paragraph<'_>, range: Range<usize>) -> Vec<(usize, f64)> {
    let text = paragraph.text().get(range.clone()).unwrap_or_default();
    let is_base = |character: char| harfrust::unicode::combining_class(u32::from(character)) == 0;
    let starts =
        text.char_indices().skip(1).filter(|(_, character)| is_base(*character)).map(|(at, _)| range.start + at);
    let mut start = range.start;
    let mut parts = Vec::new();
    for end in starts.chain([range.end]) {
        parts.push((end, width(&paragraph.shape(start..end))));
        start = end;
    }
    parts
}

/// A text takes some milliseconds.
const MAX_TIME: Duration = Duration::from_secs(5);
/// In points. Less cannot be read.
const SMALLEST: f64 = 4.0;
/// What people read without effort.
const COMFORTABLE: f64 = 7.0;
/// Up to 14 points. More looks like a headline.
const STEPS: u32 = 41;
