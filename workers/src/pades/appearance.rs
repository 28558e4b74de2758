//! Visible seals: the appearance of a signature field (ISO 32000-2, 12.5.5 and 12.7.5.5).
//!
//! A definition or a request says how a seal looks ([`definition`]); `prepare` finds its place, draws it and refuses what
//! cannot be shown, before the key is used. The drawing is a form of its own with everything that it needs inside: glyphs,
//! pictures, colours. It changes nothing of the page but its list of annotations.
//!
//! Decision of 2026-11-21: fonts and pictures stand in the definition, in base64, so that all nodes draw alike and the version
//! that the audit names says what a seal looked like. Rejected: names of files on each node.

mod colour;
mod conformance;
mod definition;
mod drawing;
mod embedding;
mod font;
mod layout_cost;
mod objects;
mod picture;
mod placement;
mod qr_code;
mod shaping;
mod structure;
mod template;
mod text_block;
mod time_text;

use std::borrow::Cow;
use std::collections::HashSet;

use cryptotoken_api::Certificate;
use lopdf::{Object, ObjectId};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::edits::Edits;
use super::fields::{self, Field, TargetField};
use super::file::PdfFile;
use super::refusal::PdfRefusal;
use super::{pages, permissions};
use crate::config::ConfigError;
use crate::error::WorkerError;
use conformance::{ArchivalPart, is_accessible};
use definition::{Design, TableFault};
use drawing::Drawing;
pub(super) use objects::NewObjects;
use objects::reference;
use placement::{Placement, Rectangle};
use structure::TaggedField;
use template::Values;

/// Key `appearance` of a definition.
#[derive(Clone, Debug)]
pub struct AppearanceConfig {
    // As written, so that what is stored is what was applied, and a caller's keys can take the place of some.
    table: Map<String, Value>,
    design: Design,
}

impl PartialEq for AppearanceConfig {
    fn eq(&self, other: &Self) -> bool {
        self.table == other.table
    }
}

impl Serialize for AppearanceConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.table.serialize(serializer)
    }
}

impl AppearanceConfig {
    /// Checks the table of a definition.
    pub(super) fn parse(table: Map<String, Value>) -> Result<Self, ConfigError> {
        match Design::read(&table) {
            Ok(design) => Ok(Self { table, design }),
            Err(TableFault::UnknownKey { key, nearest }) => Err(ConfigError::UnknownKey { key, line: None, nearest }),
            Err(TableFault::Value { key, reason }) => {
                Err(ConfigError::Value { key: "appearance", reason: format!("\"{key}\": {reason}") })
            }
        }
    }

    /// This appearance with a caller's keys in place of its own; `fixed` is that of the worker.
    ///
    /// # Errors
    /// [`WorkerError::Parameter`].
    pub(super) fn chosen<'f>(
        fixed: Option<&'f Self>,
        chosen: Option<&Value>,
    ) -> Result<Option<Cow<'f, Self>>, WorkerError> {
        let Some(chosen) = chosen else { return Ok(fixed.map(Cow::Borrowed)) };
        let Value::Object(chosen) = chosen else { return Err(unacceptable("it must be an object of keys".into())) };
        let mut table = fixed.map(|fixed| fixed.table.clone()).unwrap_or_default();
        table.extend(chosen.clone());
        let design = Design::read(&table).map_err(|fault| match fault {
            TableFault::Value { key, reason } => unacceptable(format!("\"{key}\": {reason}")),
            TableFault::UnknownKey { key, nearest } => unacceptable(match nearest {
                Some(nearest) => format!("unknown key \"{key}\"; did you mean \"{nearest}\"?"),
                None => format!("unknown key \"{key}\""),
            }),
        })?;
        Ok(Some(Cow::Owned(Self { table, design })))
    }
}

fn unacceptable(reason: String) -> WorkerError {
    WorkerError::Parameter { name: "appearance".into(), reason }
}

/// What a seal says beside its fixed text.
pub(super) struct SealFacts<'c> {
    pub(super) certificate: &'c Certificate,
    pub(super) signing_time: OffsetDateTime,
    pub(super) reason: Option<&'c str>,
    pub(super) location: Option<&'c str>,
    /// The document before the seal.
    pub(super) document: &'c [u8],
}

/// A seal that is drawn and has its place, ready to be written.
pub(super) struct VisibleSeal<'a> {
    /// Its page.
    pub(super) page: ObjectId,
    /// The widget that shows it, where there is one already.
    pub(super) widget: Option<ObjectId>,
    design: &'a Design,
    drawing: Drawing,
    placement: Placement,
    part: ArchivalPart,
    /// Whether the document may get new tags.
    takes_tags: bool,
    /// What its page is called to those who cannot see it.
    description: String,
}

impl<'a> VisibleSeal<'a> {
    /// Finds the place and draws.
    ///
    /// # Errors
    /// [`PdfRefusal::Seal`] when the document has no such place, [`WorkerError::Parameter`] when the seal cannot be drawn.
    pub(super) fn new(
        file: &PdfFile<'_>,
        fields: &[Field<'_>],
        target: &TargetField,
        config: &'a AppearanceConfig,
        facts: &SealFacts<'_>,
    ) -> Result<Self, WorkerError> {
        let design = &config.design;
        let (page, widget, placement) = match target {
            TargetField::New { .. } => {
                let page = pages::numbered(file, design.page)?;
                let placement = design.place.on(&page, &seals_on(file, fields, page.id))?;
                (page.id, None, placement)
            }
            TargetField::Existing { id, .. } => {
                let widget = fields::widgets_below(file, *id).first().copied().unwrap_or(*id);
                let page = pages::with_annotation(file, widget)?;
                let dictionary = file.dictionary(widget).ok_or(PdfRefusal::MissingObject(widget))?;
                let rectangle = pages::rectangle(file, file.value(dictionary, b"Rect")).unwrap_or_default();
                (page.id, Some(widget), Placement::in_rectangle(&page, rectangle)?)
            }
        };
        let values = Values {
            certificate: facts.certificate,
            time: design.time.write(facts.signing_time),
            reason: facts.reason,
            location: facts.location,
            custom: &design.custom,
            document: facts.document,
        };
        let part = ArchivalPart::of(file);
        if let Some(objection) = design.picture.as_ref().and_then(|picture| picture.objection(part)) {
            return Err(PdfRefusal::Seal(objection.into()).into());
        }
        let drawing = Drawing::new(design, &values, placement.size).map_err(unacceptable)?;
        let description = values.in_one_line(design.text.as_ref());
        let takes_tags = !permissions::is_signed(fields);
        let has_tag = |widget: ObjectId| file.dictionary(widget).is_some_and(|widget| widget.has(b"StructParent"));
        if !takes_tags && !widget.is_some_and(has_tag) && is_accessible(file) {
            return Err(PdfRefusal::Seal(NO_NEW_TAG.into()).into());
        }
        Ok(Self { page, widget, design, drawing, placement, part, takes_tags, description })
    }

    /// Writes the drawing, and puts the field into the structure of a tagged document.
    ///
    /// # Errors
    /// [`PdfRefusal`].
    pub(super) fn write(
        &self,
        field: ObjectId,
        edits: &mut Edits<'_>,
        objects: &mut NewObjects<'_, '_>,
    ) -> Result<Shown, PdfRefusal> {
        let form = self.write_form(objects)?;
        let is_tagged = objects.file.dictionary(field).is_some_and(|widget| widget.has(b"StructParent"));
        let tagged = TaggedField { field, page: self.page, description: &self.description };
        let tag = if self.takes_tags && !is_tagged { tagged.tag(edits, objects) } else { None };
        Ok(Shown { form, tag })
    }

    fn write_form(&self, objects: &mut NewObjects<'_, '_>) -> Result<ObjectId, PdfRefusal> {
        let profile = objects.stream("/N 3/Alternate/DeviceRGB", colour::srgb_profile())?;
        let mut fonts = String::new();
        for (index, face, subset, file) in self.drawing.faces(self.design) {
            let font = subset.write(face, file.to_vec(), self.part == ArchivalPart::First, objects)?;
            fonts.push_str(&format!("/F{index} {}", reference(font)));
        }
        let pictures = match &self.design.picture {
            Some(picture) => format!("/I0 {}", reference(picture.write(self.part, profile, objects)?)),
            None => String::new(),
        };
        let [width, height] = self.placement.size.map(number);
        let form = format!(
            "/Type/XObject/Subtype/Form/BBox[0 0 {width} {height}]/Matrix[{}]\
             /Resources<</ColorSpace<</CS0[/ICCBased {}]>>/Font<<{fonts}>>/XObject<<{pictures}>>>>",
            numbers(&self.placement.matrix),
            reference(profile)
        );
        objects.stream(&form, self.drawing.content.clone().into_bytes())
    }

    /// `/Rect` of a new field.
    pub(super) fn rectangle(&self) -> String {
        numbers(&self.placement.rectangle)
    }

    /// What it says, in one line.
    pub(super) fn description(&self) -> &str {
        &self.description
    }
}

/// What a field gets by which it is seen.
pub(super) struct Shown {
    form: ObjectId,
    tag: Option<i64>,
}

impl Shown {
    /// A form in which nothing is drawn, where one must be: PDF/A-1 wants an appearance of every field, also of one without an area
    /// (ISO 19005-1, 6.9). Elsewhere it would make more of a document timestamp than the maintenance that a certification allows.
    ///
    /// # Errors
    /// [`PdfRefusal::UnsupportedEncryption`].
    pub(super) fn nothing(objects: &mut NewObjects<'_, '_>) -> Result<Option<Self>, PdfRefusal> {
        if ArchivalPart::of(objects.file) != ArchivalPart::First {
            return Ok(None);
        }
        // Whatever it draws, in no area nothing of it is seen; a new drawing would be more than that maintenance.
        let form = match drawing_of_signature(objects.file) {
            Some(form) => form,
            None => objects.stream("/Type/XObject/Subtype/Form/BBox[0 0 1 1]", Vec::new())?,
        };
        Ok(Some(Self { form, tag: None }))
    }

    /// Entries of the field's widget: keys and values.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'static str, String)> {
        let appearance = ("AP", format!("<</N {}>>", reference(self.form)));
        [Some(appearance), self.tag.map(|tag| ("StructParent", tag.to_string()))].into_iter().flatten()
    }
}

/// The drawing of an earlier signature, best of one that is not seen either.
fn drawing_of_signature(file: &PdfFile<'_>) -> Option<ObjectId> {
    let fields = fields::all(file).ok()?;
    let drawings = fields.iter().filter(|field| field.signature().is_some()).filter_map(|field| {
        let appearances = file.value(field.dictionary, b"AP").as_dict().ok()?;
        let form = appearances.get(b"N").and_then(Object::as_reference).ok()?;
        file.dictionary(form)?.has(b"BBox").then_some(())?;
        Some((pages::rectangle(file, file.value(field.dictionary, b"Rect")).is_some(), form))
    });
    drawings.min_by_key(|(seen, _)| *seen).map(|(_, form)| form)
}

/// Where seals are on this page that can be seen.
fn seals_on(file: &PdfFile<'_>, fields: &[Field<'_>], page: ObjectId) -> Vec<Rectangle> {
    let annotations = file.dictionary(page).map(|page| file.value(page, b"Annots"));
    let annotations = annotations.and_then(|all| all.as_array().ok()).map(Vec::as_slice).unwrap_or_default();
    let on_page: HashSet<ObjectId> = annotations.iter().filter_map(|one| one.as_reference().ok()).collect();
    let seals = fields.iter().filter(|field| field.kind == Some(b"Sig"));
    let seals = seals.filter(|field| field.id.is_some_and(|id| on_page.contains(&id)));
    seals.filter_map(|field| pages::rectangle(file, file.value(field.dictionary, b"Rect"))).collect()
}

/// PDF/UA wants every annotation that is seen in the structure, and verifiers no change of that after a signature.
const NO_NEW_TAG: &str = "the document is PDF/UA and signed already, so that its structure cannot get a place for it; make the seal \
                          without an appearance, or in a field that the structure has";

fn numbers(numbers: &[f64]) -> String {
    numbers.iter().map(|value| number(*value)).collect::<Vec<_>>().join(" ")
}

/// A number as PDF writes it: no exponent, four decimals at most.
fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.to_owned() }
}
