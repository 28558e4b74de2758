//! Counter-signatures: over the value of a signature that is there, among the unsigned properties of that one
//! (EN 319 132-1, clause 5.2.7).
//!
//! What is there was verified before, and stays as it is.

use bytes::Bytes;

use super::XadesConfig;
use super::algorithm::Collector;
use super::assemble::Place;
use super::augment::{AugmentableXades, inserted, verify, verify_timestamps};
use super::canonicalization::{EXCLUSIVE, Sink};
use super::document::{InternalSubset, XmlDocument};
use super::earlier::Survey;
use super::prepare::{NewCollector, Request, Subject, media_type};
use super::reader::{Scope, XmlReader, is_ncname};
use super::received::{ReceivedSignature, in_counter_signature};
use super::references::Surroundings;
use super::signature::{COUNTERSIGNED_TYPE, DataObject};
use super::unsigned::{contained, counter_signature};
use super::xml_error::{XmlError, XmlFault, shortened};
use crate::augmentation::AugmentationFault;
use crate::error::{Discrepancy, WorkerError};
use crate::worker::SigningParameters;

impl XadesConfig {
    /// The value of the signature that is to be counter-signed, and the place for it.
    pub(super) fn signature_value(
        &self,
        octets: &Bytes,
        request: &Request<'_>,
        collect: NewCollector<'_>,
    ) -> Result<Subject, WorkerError> {
        let media_type = media_type(request.document.media_type.as_deref())?;
        let joined = Joined::read(octets, self.signature_id(request.parameters)?.as_deref(), self.internal_subset())?;
        let xml = XmlDocument::decode_with(octets, self.internal_subset())?;
        let survey = survey(&xml)?;
        if !survey.is_unique(&joined.value_id) {
            return Err(XmlError::at_start(XmlFault::AmbiguousId { id: shortened(&joined.value_id) }).into());
        }
        self.refuse_known_ids(&survey, request)?;
        let mut form: Collector = collect();
        form.take(&joined.value);
        let (before, after) = joined.frame();
        Ok(Subject {
            objects: vec![DataObject::value(&joined.value_id, &EXCLUSIVE, form.finish())],
            contents: Vec::new(),
            place: Place::at(octets, joined.place, xml.width()).between(&before, &after),
            // All is canonicalised exclusively: what is around says nothing.
            scope: Scope::default(),
            media_type,
        })
    }

    /// The signature that is to be counter-signed, where there are several.
    pub(super) fn signature_id(&self, parameters: &SigningParameters) -> Result<Option<String>, WorkerError> {
        Ok(parameters.text("signature_id")?.map(str::to_owned).or_else(|| self.signature_id.clone()))
    }
}

/// The signature that is counter-signed.
struct Joined {
    value_id: String,
    /// The canonical form of the element with its value.
    value: Vec<u8>,
    /// Where in the octets the counter-signature goes.
    place: usize,
    /// Whether there are unsigned properties.
    has_unsigned: bool,
}

impl Joined {
    /// Reads and verifies what is there.
    fn read(octets: &Bytes, id: Option<&str>, internal_subset: InternalSubset) -> Result<Self, AugmentationFault> {
        let detached = |fault| match fault {
            AugmentationFault::NoDocument => AugmentationFault::Detached,
            other => other,
        };
        let read = AugmentableXades::read(octets.clone(), None, internal_subset).map_err(detached)?;
        let is_meant = |signature: &&ReceivedSignature| id.is_none() || signature.tree.attribute("Id") == id;
        let mut meant = read.signatures().iter().filter(is_meant);
        let signature = match (meant.next(), meant.next(), id) {
            (Some(one), None, _) => one,
            (None, ..) => return Err(AugmentationFault::Malformed("no signature in it has that signature_id")),
            (Some(_), Some(_), None) => {
                return Err(AugmentationFault::Malformed("there are several signatures; name one by signature_id"));
            }
            _ => return Err(AugmentationFault::Malformed("several signatures have that signature_id")),
        };
        let value = signature.value()?;
        // It is written as it is into a reference.
        let is_plain = |id: &&str| id.is_ascii() && is_ncname(id);
        let value_id = value.attribute("Id").filter(is_plain).ok_or(AugmentationFault::Malformed(
            "the value of the signature has no identifier (Id) that a counter-signature could refer to",
        ))?;
        let xml = XmlDocument::decode_with(octets, internal_subset)?;
        let (offset, has_unsigned) = signature.insertion()?;
        let this = Self {
            value_id: value_id.to_owned(),
            value: Surroundings { xml: &xml, beside: None }.canonical(signature, value, &EXCLUSIVE)?,
            place: xml.octet_offset(offset),
            has_unsigned,
        };
        // What is there must not mind: tried with an empty element in the place.
        let (before, after) = this.frame();
        let tried = inserted(octets.clone(), &[(this.place, xml.width().encode_ascii(&(before + &after)))]);
        AugmentableXades::read(tried, None, internal_subset)
            .map_err(|_| AugmentationFault::Malformed("a signature in it covers the place of a counter-signature"))?;
        Ok(this)
    }

    /// What stands before and after the counter-signature.
    fn frame(&self) -> (String, String) {
        let (before, after) = counter_signature();
        let whole =
            if self.has_unsigned { format!("{before}\0{after}") } else { contained(&format!("{before}\0{after}")) };
        whole.split_once('\0').map(|(before, after)| (before.to_owned(), after.to_owned())).unwrap_or_default()
    }
}

fn survey<'t>(xml: &'t XmlDocument<'_>) -> Result<Survey<'t>, XmlError> {
    let mut survey = Survey::of_signatures();
    let mut reader = XmlReader::new(xml);
    while let Some(event) = reader.next()? {
        survey.take(&event, &reader)?;
    }
    Ok(survey)
}

/// The counter-signature in the output, read and verified as a stranger would, when the rest is the input.
pub(super) fn check(
    config: &XadesConfig,
    octets: &Bytes,
    input: &Bytes,
    parameters: &SigningParameters,
    judge: impl FnOnce(&ReceivedSignature) -> Result<(), Discrepancy>,
) -> Result<(), Discrepancy> {
    let odd = |what: &str| Discrepancy::Unreadable(what.to_owned());
    let fault = Discrepancy::Augmentation;
    let id = config.signature_id(parameters).map_err(|error| Discrepancy::Unreadable(error.to_string()))?;
    let joined = Joined::read(input, id.as_deref(), config.internal_subset()).map_err(fault)?;
    let (start, end) = input.split_at(joined.place);
    if octets.len() < input.len() || !octets.starts_with(start) || !octets.ends_with(end) {
        return Err(odd("more was changed than a counter-signature added"));
    }
    let read = AugmentableXades::read(octets.clone(), None, config.internal_subset()).map_err(fault)?;
    let outer = read
        .signatures()
        .iter()
        .find(|each| each.value().is_ok_and(|value| value.attribute("Id") == Some(joined.value_id.as_str())));
    let added = outer.and_then(|outer| outer.unsigned().last()).and_then(in_counter_signature);
    let offset = added.map(|signature| signature.offset).ok_or_else(|| odd("it has no counter-signature"))?;
    let xml = XmlDocument::decode_with(octets, config.internal_subset()).map_err(|error| fault(error.into()))?;
    let signature = ReceivedSignature::at(&xml, offset).map_err(fault)?;
    let signature = signature.ok_or_else(|| odd("the counter-signature cannot be read"))?;
    let surroundings = Surroundings { xml: &xml, beside: None };
    let digests = surroundings.referenced(&[&signature], None).map_err(fault)?.concat();
    verify(surroundings, &signature, &digests, 1).map_err(fault)?;
    verify_timestamps(surroundings, &signature, 1).map_err(fault)?;
    let references = signature.references().map_err(fault)?;
    let is_over_value = references.first().is_some_and(|first| {
        first.attribute("Type") == Some(COUNTERSIGNED_TYPE)
            && first.attribute("URI").and_then(|uri| uri.strip_prefix('#')) == Some(joined.value_id.as_str())
    });
    if !is_over_value {
        return Err(odd("the counter-signature is not over the value of the signature"));
    }
    judge(&signature)
}
