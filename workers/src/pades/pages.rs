//! Finds the page that a signature field belongs to (ISO 32000-2, 7.7.3).

use std::collections::HashSet;

use lopdf::{Dictionary, Object, ObjectId};

use super::file::PdfFile;
use super::refusal::PdfRefusal;

/// A page as far as a seal is concerned.
#[derive(Clone, Debug)]
pub(super) struct Page {
    /// Its object.
    pub(super) id: ObjectId,
    /// What of it is shown, in its own units: left, bottom, right, top.
    pub(super) area: [f64; 4],
    /// Degrees by which it is turned clockwise when shown: 0, 90, 180 or 270.
    pub(super) rotation: u16,
    /// The length of its unit in points.
    pub(super) unit: f64,
}

/// The first page.
///
/// # Errors
/// [`PdfRefusal::NoPages`] when the page tree has no leaf that can be found.
pub(super) fn first(file: &PdfFile<'_>) -> Result<ObjectId, PdfRefusal> {
    Ok(Leaves::new(file, Order::Forwards)?.next()?.ok_or(PdfRefusal::NoPages)?.id)
}

/// The page of this number: 1 is the first, -1 the last.
///
/// # Errors
/// [`PdfRefusal::Seal`] when there are fewer.
pub(super) fn numbered(file: &PdfFile<'_>, number: i32) -> Result<Page, PdfRefusal> {
    let order = if number < 0 { Order::Backwards } else { Order::Forwards };
    let mut leaves = Leaves::new(file, order)?;
    let mut count = 0;
    while let Some(leaf) = leaves.next()? {
        count += 1;
        if count == number.unsigned_abs() {
            return leaf.page(file);
        }
    }
    match count {
        0 => Err(PdfRefusal::NoPages),
        _ => Err(PdfRefusal::Seal(format!("it is to stand on page {number}, and the document has {count}"))),
    }
}

/// How many pages come before this one.
///
/// # Errors
/// [`PdfRefusal::MissingObject`] when it is not among the pages.
pub(super) fn position(file: &PdfFile<'_>, page: ObjectId) -> Result<usize, PdfRefusal> {
    let mut leaves = Leaves::new(file, Order::Forwards)?;
    let mut before = 0;
    while let Some(leaf) = leaves.next()? {
        if leaf.id == page {
            return Ok(before);
        }
        before += 1;
    }
    Err(PdfRefusal::MissingObject(page))
}

/// The page that has this annotation.
///
/// # Errors
/// [`PdfRefusal::Seal`] when there is none.
pub(super) fn with_annotation(file: &PdfFile<'_>, annotation: ObjectId) -> Result<Page, PdfRefusal> {
    let mut leaves = Leaves::new(file, Order::Forwards)?;
    while let Some(leaf) = leaves.next()? {
        let annotations = file.dictionary(leaf.id).and_then(|page| file.value(page, b"Annots").as_array().ok());
        // Many pages may share one list.
        file.charge(annotations.map_or(0, Vec::len))?;
        if annotations.is_some_and(|all| all.iter().any(|one| one.as_reference().ok() == Some(annotation))) {
            return leaf.page(file);
        }
    }
    Err(PdfRefusal::Seal("the field is on no page".into()))
}

/// The page's annotations, where another page has the same list: what is added to that is seen on both.
///
/// # Errors
/// [`PdfRefusal::Seal`] when one of them is no object of its own, which only one list can have.
pub(super) fn shared_annotations(file: &PdfFile<'_>, page: ObjectId) -> Result<Option<Vec<ObjectId>>, PdfRefusal> {
    let list = |page| file.dictionary(page)?.get(b"Annots").and_then(Object::as_reference).ok();
    let Some(own) = list(page) else { return Ok(None) };
    // Other pages need not be readable.
    let shared = file.if_readable(|| {
        let mut leaves = Leaves::new(file, Order::Forwards).ok()?;
        for _ in 0..COMPARED_PAGES {
            let leaf = leaves.next().ok()??;
            if leaf.id != page && list(leaf.id) == Some(own) {
                return Some(());
            }
        }
        None
    });
    match (shared, file.resolve(&Object::Reference(own))) {
        (Some(()), Object::Array(annotations)) => {
            let ids: Result<_, _> = annotations.iter().map(Object::as_reference).collect();
            ids.map(Some).map_err(|_| PdfRefusal::Seal("pages share their list of annotations".into()))
        }
        _ => Ok(None),
    }
}

/// Reading more of them would take from the seal what may be read for it.
const COMPARED_PAGES: usize = 10_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Forwards,
    Backwards,
}

/// The page tree, leaf by leaf.
struct Leaves<'f> {
    file: &'f PdfFile<'f>,
    order: Order,
    seen: HashSet<ObjectId>,
    open: Vec<Leaf<'f>>,
}

/// A node with what it inherits (ISO 32000-2, table 31).
#[derive(Clone)]
struct Leaf<'f> {
    id: ObjectId,
    media_box: Option<&'f Object>,
    crop_box: Option<&'f Object>,
    rotation: Option<&'f Object>,
}

impl<'f> Leaves<'f> {
    fn new(file: &'f PdfFile<'f>, order: Order) -> Result<Self, PdfRefusal> {
        let id = file.catalog()?.get(b"Pages").and_then(Object::as_reference).map_err(|_| PdfRefusal::NoPages)?;
        let root = Leaf { id, media_box: None, crop_box: None, rotation: None };
        Ok(Self { file, order, seen: HashSet::new(), open: vec![root] })
    }

    fn next(&mut self) -> Result<Option<Leaf<'f>>, PdfRefusal> {
        let file = self.file;
        while let Some(mut leaf) = self.open.pop() {
            // A tree has no node twice; a file in which one is its own ancestor would never end.
            if !self.seen.insert(leaf.id) {
                return Err(PdfRefusal::Malformed("the page tree has a cycle".into()));
            }
            // Null is a page nowhere.
            let Some(node) = file.dictionary(leaf.id) else { continue };
            leaf.inherit(file, node);
            match file.value(node, b"Kids").as_array() {
                Ok(kids) => {
                    let kids = kids.iter().filter_map(|kid| kid.as_reference().ok());
                    let kids = kids.map(|id| Leaf { id, ..leaf.clone() });
                    let first = self.open.len();
                    self.open.extend(kids);
                    // The last comes off first.
                    if let (Order::Forwards, Some(added)) = (self.order, self.open.get_mut(first..)) {
                        added.reverse();
                    }
                }
                // Readers go by the kids rather than by `/Type`, which some programs forget.
                Err(_)
                    if node.has(b"Kids") || file.value(node, b"Type").as_name().is_ok_and(|kind| kind == b"Pages") =>
                {
                    return Err(PdfRefusal::Malformed(format!("object {} in the page tree is no page", leaf.id.0)));
                }
                Err(_) => return Ok(Some(leaf)),
            }
        }
        Ok(None)
    }
}

impl<'f> Leaf<'f> {
    fn inherit(&mut self, file: &'f PdfFile<'f>, node: &'f Dictionary) {
        let places = [
            (&mut self.media_box, b"MediaBox".as_slice()),
            (&mut self.crop_box, b"CropBox"),
            (&mut self.rotation, b"Rotate"),
        ];
        for (inherited, key) in places {
            let own = file.value(node, key);
            if !own.is_null() {
                *inherited = Some(own);
            }
        }
    }

    fn page(&self, file: &PdfFile<'_>) -> Result<Page, PdfRefusal> {
        let node = file.dictionary(self.id).ok_or(PdfRefusal::MissingObject(self.id))?;
        // Readers take US Letter where there is no size.
        let media = self.media_box.and_then(|object| rectangle(file, object)).unwrap_or([0.0, 0.0, 612.0, 792.0]);
        let crop = self.crop_box.and_then(|object| rectangle(file, object)).unwrap_or(media);
        let shown = [crop[0].max(media[0]), crop[1].max(media[1]), crop[2].min(media[2]), crop[3].min(media[3])];
        // A crop box beside the page is not believed.
        let area = if shown[0] < shown[2] && shown[1] < shown[3] { shown } else { media };
        let unit = real(file.value(node, b"UserUnit")).filter(|unit| (0.001..=1e6).contains(unit)).unwrap_or(1.0);
        let turned = self.rotation.and_then(|object| object.as_i64().ok()).unwrap_or(0).rem_euclid(360);
        let rotation = u16::try_from(turned).ok().filter(|degrees| degrees % 90 == 0).unwrap_or(0);
        Ok(Page { id: self.id, area, rotation, unit })
    }
}

/// A rectangle with an area, its corners in order (ISO 32000-2, 7.9.5).
pub(super) fn rectangle(file: &PdfFile<'_>, object: &Object) -> Option<[f64; 4]> {
    let numbers: Vec<f64> = object.as_array().ok()?.iter().map_while(|number| real(file.resolve(number))).collect();
    let [x1, y1, x2, y2] = *numbers.as_slice() else { return None };
    let ordered = [x1.min(x2), y1.min(y2), x1.max(x2), y1.max(y2)];
    (ordered[0] < ordered[2] && ordered[1] < ordered[3]).then_some(ordered)
}

fn real(object: &Object) -> Option<f64> {
    object.as_float().ok().map(f64::from).filter(|number| number.is_finite())
}
