//! Breaks the text of a seal into lines and finds the size in which they fit.

use std::ops::Range;

use super::font::Face;
use super::shaping::{Cluster, Effort, Paragraph, Run, width};

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
    #[error("its text cannot be set with this \"font\", whose rules make too much work of it; give another one")]
    TooCostly,
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
        let effort = Effort::new();
        let fitted = Self::fit_with(&effort, text, faces, area, size);
        // What was shaped after that is nothing.
        if effort.is_spent() { Err(TextFault::TooCostly) } else { fitted }
    }

    fn fit_with(
        effort: &Effort,
        text: &str,
        faces: &[Face],
        area: [f64; 2],
        size: Option<f64>,
    ) -> Result<Self, TextFault> {
        let paragraphs: Result<Vec<_>, char> =
            text.split('\n').map(|line| Paragraph::new(line, faces, effort)).collect();
        let paragraphs = paragraphs.map_err(|character| TextFault::NoGlyph { character })?;
        let (mut measured, mut extent) = (Vec::new(), [0.8_f64, 0.2_f64]);
        for paragraph in &paragraphs {
            let runs = paragraph.shape(0..paragraph.text().len());
            measured.push(words(paragraph.text(), clusters(&runs)));
            let faces = runs.iter().filter_map(|run| faces.get(run.face)).map(Face::extent);
            extent = faces.fold(extent, |[above, below], [a, b]| [above.max(a), below.max(b)]);
        }
        let too_long = |size| TextFault::TooLong { area, size };
        let sheet = Sheet { paragraphs: &paragraphs, measured: &measured, extent, area };
        let Some(size) = size else {
            // Lines as the template has them look best, as long as they can be read well.
            let whole = sheet.largest(Breaks::AsWritten).filter(|block| block.size >= COMFORTABLE);
            return whole.or_else(|| sheet.largest(Breaks::AsNeeded)).ok_or_else(|| too_long(SMALLEST));
        };
        sheet.set(size, Breaks::AsNeeded).ok_or_else(|| too_long(size))
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

/// A part that is not broken unless it is longer than a line. Lengths in ems, as they are in the whole paragraph.
struct Word {
    range: Range<usize>,
    /// Without the blanks behind it.
    ink: f64,
    /// With them.
    full: f64,
    /// What it is made of, for where it must be broken: the end and the width of each.
    parts: Vec<(usize, f64)>,
}

/// Where each cluster begins and how far it reaches, in the order of the text.
fn clusters(runs: &[Run]) -> Vec<(usize, f64)> {
    let clusters = runs.iter().flat_map(|run| &run.clusters);
    let mut clusters: Vec<_> = clusters.map(|cluster| (cluster.start, Cluster::width(cluster))).collect();
    clusters.sort_unstable_by_key(|(start, _)| *start);
    clusters
}

fn words(text: &str, clusters: Vec<(usize, f64)>) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut clusters = clusters.into_iter().peekable();
    let mut start = 0;
    for part in text.split_inclusive(' ') {
        let (end, blank) = (start + part.len(), start + part.trim_end_matches(' ').len());
        let mut word = Word { range: start..end, ink: 0.0, full: 0.0, parts: Vec::new() };
        while let Some((at, width)) = clusters.next_if(|(at, _)| *at < end) {
            let next = clusters.peek().map_or(end, |(next, _)| *next).min(end);
            word.full += width;
            if at < blank {
                word.ink += width;
            }
            word.parts.push((next, width));
        }
        start = end;
        match words.last_mut() {
            // A blank alone belongs to the word before it.
            Some(last) if part == " " => {
                last.full += word.full;
                last.range.end = end;
            }
            _ => words.push(word),
        }
    }
    words
}

/// What is to be set, and into what.
struct Sheet<'s> {
    paragraphs: &'s [Paragraph<'s>],
    measured: &'s [Vec<Word>],
    extent: [f64; 2],
    area: [f64; 2],
}

impl Sheet<'_> {
    /// In steps of a quarter of a point. The largest that fits by the widths of its words is found by halving, before anything is shaped
    /// again; a line may be a little longer than its words.
    fn largest(&self, breaks: Breaks) -> Option<TextBlock> {
        let size = |step: u32| SMALLEST + f64::from(step) * 0.25;
        let mut steps = 0..STEPS;
        while !steps.is_empty() {
            let step = steps.start + (steps.end - steps.start) / 2;
            match self.lines(size(step), breaks) {
                Some(_) => steps.start = step + 1,
                None => steps.end = step,
            }
        }
        (0..steps.start).rev().find_map(|step| self.set(size(step), breaks))
    }

    /// Where its lines are at this size; `None` when it does not fit.
    fn lines(&self, size: f64, breaks: Breaks) -> Option<Vec<(&Paragraph<'_>, Range<usize>)>> {
        let room = self.area[0] / size;
        let most = self.area[1] / ((self.extent[0] + self.extent[1]) * size) + 0.001;
        let mut lines = Vec::new();
        for (paragraph, words) in self.paragraphs.iter().zip(self.measured) {
            lines.extend(broken(words, room)?.into_iter().map(|range| (paragraph, range)));
            if lines.len() as f64 > most {
                return None;
            }
        }
        (breaks == Breaks::AsNeeded || lines.len() == self.paragraphs.len()).then_some(lines)
    }

    fn set(&self, size: f64, breaks: Breaks) -> Option<TextBlock> {
        let lines = self.lines(size, breaks)?.into_iter().map(|(paragraph, range)| {
            let text = paragraph.text().get(range.clone()).unwrap_or_default();
            let runs = paragraph.shape(range.start..range.start + text.trim_end_matches(' ').len());
            Line { width: width(&runs), runs, right_to_left: paragraph.is_right_to_left() }
        });
        let lines: Vec<Line> = lines.collect();
        let longest = lines.iter().map(|line| line.width).fold(0.0, f64::max);
        (longest <= self.area[0] / size + 1e-6).then_some(TextBlock { lines, size, extent: self.extent })
    }
}

/// Lines no longer than `room` ems; `None` when not even a character fits.
fn broken(words: &[Word], room: f64) -> Option<Vec<Range<usize>>> {
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
                    let (mut parts, length) = split(word, room)?;
                    let last = parts.pop()?;
                    lines.extend(parts);
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

/// Breaks a word that is longer than a line between its clusters, and says how long the last line is. A blank may stand beyond.
fn split(word: &Word, room: f64) -> Option<(Vec<Range<usize>>, f64)> {
    let mut lines = Vec::new();
    let (mut start, mut last, mut length, mut ink) = (word.range.start, word.range.start, 0.0, word.ink);
    for (end, width) in &word.parts {
        if length + width.min(ink) > room {
            if last == start {
                return None;
            }
            lines.push(start..last);
            (start, length) = (last, 0.0);
        }
        (last, ink) = (*end, ink - width);
        length += width;
    }
    lines.push(start..word.range.end);
    Some((lines, length))
}

/// In points. Less cannot be read.
const SMALLEST: f64 = 4.0;
/// What people read without effort.
const COMFORTABLE: f64 = 7.0;
/// Up to 14 points. More looks like a headline.
const STEPS: u32 = 41;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn fit(effort: &Effort, text: &str) -> Result<TextBlock, TextFault> {
        TextBlock::fit_with(effort, text, &[Face::built_in().unwrap()], [500.0, 700.0], None)
    }

    #[test]
    fn the_longest_texts_take_no_more_than_the_effort() {
        for text in ["a", "a b ", "ab\n", "שלום abc ", "один one ", "aб"] {
            let whole: String = text.chars().cycle().take(2000).collect();
            let effort = Effort::new();
            let _ = fit(&effort, &whole);
            assert!(!effort.is_spent(), "{text}");
        }
    }

    #[test]
    fn without_time_nothing_is_shaped() {
        let effort = Effort::of(Duration::ZERO);
        assert!(fit(&effort, "one line").is_ok_and(|block| block.lines.iter().all(|line| line.runs.is_empty())));
        assert!(effort.is_spent());
        let effort = Effort::of(Duration::from_secs(60));
        assert!(fit(&effort, "one line").is_ok_and(|block| block.lines.iter().all(|line| !line.runs.is_empty())));
        assert!(!effort.is_spent());
    }
}
