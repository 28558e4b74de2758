//! Where a seal stands: from what an operator writes to a rectangle of the page (ISO 32000-2, 14.11.2 and 12.5.5).
//!
//! Places are those of the page as a reader shows it: cropped, turned by `/Rotate`, in points of 1/72 inch whatever the unit
//! of the page. The seal is upright there.

use serde::{Deserialize, Serialize};

use super::super::pages::Page;
use super::super::refusal::PdfRefusal;

/// Where on the page as shown the distances count from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Anchor {
    TopLeft,
    Top,
    TopRight,
    Left,
    Center,
    Right,
    BottomLeft,
    Bottom,
    #[default]
    BottomRight,
}

/// A place on the edge or in the middle.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Low,
    Middle,
    High,
}

impl Anchor {
    const fn horizontal(self) -> Side {
        match self {
            Self::TopLeft | Self::Left | Self::BottomLeft => Side::Low,
            Self::Top | Self::Center | Self::Bottom => Side::Middle,
            Self::TopRight | Self::Right | Self::BottomRight => Side::High,
        }
    }

    /// A margin of half an inch at the edges, none in the middle.
    pub(super) fn default_offset(self) -> [f64; 2] {
        [self.horizontal(), self.vertical()].map(|side| if side == Side::Middle { 0.0 } else { 36.0 })
    }

    const fn vertical(self) -> Side {
        match self {
            Self::BottomLeft | Self::Bottom | Self::BottomRight => Side::Low,
            Self::Left | Self::Center | Self::Right => Side::Middle,
            Self::TopLeft | Self::Top | Self::TopRight => Side::High,
        }
    }
}

/// What the definition says of the place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) anchor: Anchor,
    /// From the anchor's edge inwards; from the middle to the right and upwards. Points.
    pub(super) offset: [f64; 2],
    /// Width and height in points.
    pub(super) size: [f64; 2],
}

/// A rectangle: left, bottom, right, top.
pub(in super::super) type Rectangle = [f64; 4];

/// A seal's rectangle, and what turns its content upright.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Placement {
    /// In the page's own coordinates.
    pub(super) rectangle: Rectangle,
    /// Width and height of the content in points.
    pub(super) size: [f64; 2],
    /// `/Matrix` of the content.
    pub(super) matrix: [f64; 6],
}

impl Place {
    /// The place on this page. Where an earlier seal stands, the next free place: from the bottom upwards, else downwards.
    ///
    /// # Errors
    /// [`PdfRefusal::Seal`] when the seal does not fit the page.
    pub(super) fn on(&self, page: &Page, taken: &[Rectangle]) -> Result<Placement, PdfRefusal> {
        let shown = shown_size(page);
        let [width, height] = self.size;
        let at = |side, offset: f64, room: f64| match side {
            Side::Low => offset,
            Side::Middle => room / 2.0 + offset,
            Side::High => room - offset,
        };
        let left = at(self.anchor.horizontal(), self.offset[0], shown[0] - width);
        let mut bottom = at(self.anchor.vertical(), self.offset[1], shown[1] - height);
        let step = if self.anchor.vertical() == Side::High { -1.0 } else { 1.0 };
        let mut moved = false;
        // Each move passes one earlier seal.
        for _ in 0..=taken.len() {
            let inside = |low: f64, length: f64, room: f64| low >= -TOLERANCE && low + length <= room + TOLERANCE;
            if !inside(left, width, shown[0]) || !inside(bottom, height, shown[1]) {
                return Err(PdfRefusal::Seal(does_not_fit(self.size, shown, moved)));
            }
            let rectangle = in_page(page, [left, bottom, left + width, bottom + height]);
            let Some(other) = taken.iter().find(|other| overlap(&rectangle, other)) else {
                return Ok(Placement { rectangle, size: self.size, matrix: matrix(page.rotation, self.size) });
            };
            let [_, low, _, high] = as_shown(page, *other);
            bottom = if step > 0.0 { high + GAP } else { low - GAP - height };
            moved = true;
        }
        Err(PdfRefusal::Seal(does_not_fit(self.size, shown, moved)))
    }
}

impl Placement {
    /// The whole rectangle of a field that is there already.
    ///
    /// # Errors
    /// [`PdfRefusal::Seal`] when it has no area, or lies outside of the page.
    pub(super) fn in_rectangle(page: &Page, rectangle: Rectangle) -> Result<Self, PdfRefusal> {
        let [left, bottom, right, top] = as_shown(page, rectangle);
        let size = [right - left, top - bottom];
        let shown = shown_size(page);
        if size.iter().any(|length| *length < SMALLEST) {
            return Err(PdfRefusal::Seal("the field has no area on its page; sign it without an appearance".into()));
        }
        if left < -TOLERANCE || bottom < -TOLERANCE || right > shown[0] + TOLERANCE || top > shown[1] + TOLERANCE {
            return Err(PdfRefusal::Seal("the field is not on the visible part of its page".into()));
        }
        Ok(Self { rectangle, size, matrix: matrix(page.rotation, size) })
    }
}

fn does_not_fit([width, height]: [f64; 2], [page_width, page_height]: [f64; 2], moved: bool) -> String {
    let beside = if moved { " beside the earlier seals" } else { "" };
    let size = format!("{width:.0} × {height:.0} points");
    format!(
        "{size} do not fit the page of {page_width:.0} × {page_height:.0} points there{beside}; choose another place or size"
    )
}

fn overlap(one: &Rectangle, other: &Rectangle) -> bool {
    one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3]
}

/// Width and height of the page in points as a reader shows it.
fn shown_size(page: &Page) -> [f64; 2] {
    let [left, bottom, right, top] = page.area;
    let [width, height] = [(right - left) * page.unit, (top - bottom) * page.unit];
    if page.rotation.is_multiple_of(180) { [width, height] } else { [height, width] }
}

/// From the page as shown, in points, to the page's own coordinates.
fn in_page(page: &Page, [left, bottom, right, top]: Rectangle) -> Rectangle {
    let [page_left, page_bottom, page_right, page_top] = page.area;
    let [left, bottom, right, top] = [left, bottom, right, top].map(|length| length / page.unit);
    match page.rotation {
        90 => [page_right - top, page_bottom + left, page_right - bottom, page_bottom + right],
        180 => [page_right - right, page_top - top, page_right - left, page_top - bottom],
        270 => [page_left + bottom, page_top - right, page_left + top, page_top - left],
        _ => [page_left + left, page_bottom + bottom, page_left + right, page_bottom + top],
    }
}

/// The reverse of [`in_page`].
fn as_shown(page: &Page, [left, bottom, right, top]: Rectangle) -> Rectangle {
    let [page_left, page_bottom, page_right, page_top] = page.area;
    let shown = match page.rotation {
        90 => [bottom - page_bottom, page_right - right, top - page_bottom, page_right - left],
        180 => [page_right - right, page_top - top, page_right - left, page_top - bottom],
        270 => [page_top - top, left - page_left, page_top - bottom, right - page_left],
        _ => [left - page_left, bottom - page_bottom, right - page_left, top - page_bottom],
    };
    shown.map(|length| length * page.unit)
}

/// Turns content of this size back by what the page is turned, and its corner to the origin.
const fn matrix(rotation: u16, [width, height]: [f64; 2]) -> [f64; 6] {
    match rotation {
        90 => [0.0, 1.0, -1.0, 0.0, height, 0.0],
        180 => [-1.0, 0.0, 0.0, -1.0, width, height],
        270 => [0.0, -1.0, 1.0, 0.0, 0.0, width],
        _ => [1.0, 0.0, 0.0, 1.0, 0.0, 0.0],
    }
}

/// Sizes of pages are rounded in files.
const TOLERANCE: f64 = 0.5;
/// Between a seal and the next, in points.
const GAP: f64 = 6.0;
/// Nothing can be read in less, in points.
const SMALLEST: f64 = 4.0;

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: [f64; 2] = [100.0, 40.0];

    fn page(rotation: u16, unit: f64) -> Page {
        Page { id: (3, 0), area: [10.0, 20.0, 610.0, 820.0], rotation, unit }
    }

    fn place(anchor: Anchor) -> Place {
        Place { anchor, offset: [36.0, 18.0], size: SIZE }
    }

    #[test]
    fn a_corner_is_that_of_the_page_as_shown() {
        let rectangle = |rotation| place(Anchor::BottomRight).on(&page(rotation, 1.0), &[]).unwrap().rectangle;
        assert_eq!(rectangle(0), [474.0, 38.0, 574.0, 78.0]);
        assert_eq!(rectangle(90), [552.0, 684.0, 592.0, 784.0]);
        assert_eq!(rectangle(180), [46.0, 762.0, 146.0, 802.0]);
        assert_eq!(rectangle(270), [28.0, 56.0, 68.0, 156.0]);
    }

    #[test]
    fn a_field_is_shown_where_it_was_placed() {
        for rotation in [0, 90, 180, 270] {
            let page = page(rotation, 2.0);
            for anchor in [Anchor::TopLeft, Anchor::Center, Anchor::Right, Anchor::Bottom] {
                let placed = place(anchor).on(&page, &[]).unwrap();
                assert_eq!(Placement::in_rectangle(&page, placed.rectangle).unwrap(), placed);
            }
        }
    }

    #[test]
    fn seals_stand_one_above_the_other_until_the_page_is_full() {
        let page = page(90, 1.0);
        let mut taken = Vec::new();
        while let Ok(placed) = place(Anchor::BottomLeft).on(&page, &taken) {
            assert!(taken.iter().all(|other| !overlap(&placed.rectangle, other)));
            taken.push(placed.rectangle);
        }
        assert_eq!(taken.len(), 12);
    }
}
