//! The document security store: what a verifier needs in the long term, beside the signatures (EN 319 142-1, clause 5.4.2).
//!
//! One store serves all signatures of a document. What earlier revisions put there stays; `/VRI`, which says what belongs to which
//! signature, is optional and is not written.

use std::collections::HashSet;

use cryptotoken_api::Certificate;

use super::edits::Edits;
use super::file::PdfFile;
use super::incremental_update::IncrementalUpdate;
use super::layout::reference;
use super::refusal::PdfRefusal;
use crate::revocation::RevocationEvidence;
use crate::validation_data::ValidationData;

const CERTIFICATES: &str = "Certs";
const OCSP_RESPONSES: &str = "OCSPs";
const CRLS: &str = "CRLs";

/// The certificates in the store that can be read.
pub(super) fn certificates(file: &PdfFile<'_>) -> Vec<Certificate> {
    entries(file, CERTIFICATES).iter().filter_map(|der| Certificate::from_der(der).ok()).collect()
}

/// The revocation information in the store.
pub(super) fn evidence(file: &PdfFile<'_>) -> Vec<RevocationEvidence> {
    let ocsp = entries(file, OCSP_RESPONSES).into_iter().map(|der| RevocationEvidence::Ocsp(der.into()));
    ocsp.chain(entries(file, CRLS).into_iter().map(|der| RevocationEvidence::Crl(der.into()))).collect()
}

/// The update that adds what is not there yet; none when everything is.
///
/// # Errors
/// [`PdfRefusal`] when the catalog or the store cannot be extended.
pub(super) fn update(file: &PdfFile<'_>, data: &ValidationData) -> Result<Option<Vec<u8>>, PdfRefusal> {
    let certificates = data.certificates.iter().map(Certificate::der).collect();
    let ocsp_responses = data.ocsp_responses.iter().map(AsRef::as_ref).collect();
    let crls = data.crls.iter().map(AsRef::as_ref).collect();
    let groups: [(&str, Vec<&[u8]>); 3] =
        [(CERTIFICATES, certificates), (OCSP_RESPONSES, ocsp_responses), (CRLS, crls)];

    let mut numbers = file.next_object_number()?..;
    let mut new_id = || (numbers.next().unwrap_or(u32::MAX), 0);
    let (mut update, mut edits) = (IncrementalUpdate::new(file), Edits::new(file));
    let catalog = file.catalog_id();
    let is_new = file.value(file.catalog()?, b"DSS").is_null();
    let mut store = Vec::new();
    let mut added = false;
    for (key, values) in groups {
        let there = entries(file, key);
        let mut references = Vec::new();
        for value in values.iter().filter(|value| !there.iter().any(|each| each == *value)) {
            let id = new_id();
            update.write(id, &file.new_stream(id, value.to_vec())?);
            references.push(reference(id));
        }
        added |= !references.is_empty();
        if !is_new {
            for each in &references {
                edits.push(catalog, &[("DSS", b"<<>>"), (key, b"[]")], each)?;
            }
        } else if !references.is_empty() {
            store.push([b"/", key.as_bytes(), b"[", &references.join(&b' '), b"]"].concat());
        }
    }
    if !added {
        return Ok(None);
    }
    if is_new {
        let id = new_id();
        update.write(id, &[b"<</Type/DSS".to_vec(), store.concat(), b">>".to_vec()].concat());
        edits.set(catalog, &[], "DSS", &reference(id))?;
    }
    for (id, text) in edits.into_texts() {
        update.write(id, &text);
    }
    let (next, _) = new_id();
    update.finish(next).map(Some)
}

/// The contents of the streams in an array of the store.
fn entries(file: &PdfFile<'_>, key: &str) -> Vec<Vec<u8>> {
    let Ok(catalog) = file.catalog() else { return Vec::new() };
    let Ok(store) = file.value(catalog, b"DSS").as_dict() else { return Vec::new() };
    let Ok(array) = file.value(store, key.as_bytes()).as_array() else { return Vec::new() };
    // One that is listed a hundred thousand times is read once.
    let mut seen = HashSet::new();
    let streams = array.iter().filter_map(|each| each.as_reference().ok()).filter(|id| seen.insert(*id));
    streams.filter_map(|id| file.stream(id)).map(|(_, content)| content).collect()
}
