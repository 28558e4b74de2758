//! Names and ids of new keys: what is taken, what the device chooses by itself.

use cryptoki_sys::*;
use serde::Deserialize;

use crate::foreign;
use crate::gate::{Call, real};
use crate::names::Code;
use crate::templates::Template;

/// `[naming]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Naming {
    /// How a new key with the `CKA_ID` of another of its class is refused. Absent: it is made.
    duplicate_id: Option<Code>,
    /// What becomes of a new key with the `CKA_LABEL` of another of its class. Absent: it is made.
    duplicate_label: Option<DuplicateLabel>,
    /// Whether new keys get 20 random bytes as `CKA_ID` instead of what their templates say.
    device_assigns_id: bool,
}

/// What becomes of a key whose label is taken.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum DuplicateLabel {
    Rename(Rename),
    Refuse(Code),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Rename {
    /// It is made under another label and nothing is said.
    Rename,
}

/// Makes the names in the templates of one key, or of both halves of a pair, what the device makes of them. The first template is of
/// `class`, in which names are looked for.
///
/// # Errors
/// The code of the configuration for a name that is taken; a code of the real module while looking.
pub(crate) fn settle(
    call: &Call,
    session: CK_SESSION_HANDLE,
    class: CK_OBJECT_CLASS,
    templates: &mut [&mut Template],
) -> Result<(), CK_RV> {
    let naming = &call.configuration.naming;
    if naming.device_assigns_id {
        let id = random(20)?;
        templates.iter_mut().for_each(|template| template.set(CKA_ID, id.clone()));
    }
    let Some(first) = templates.first() else { return Ok(()) };
    if let (Some(code), Some(id)) = (naming.duplicate_id, first.get(CKA_ID))
        && is_taken(call, session, class, CKA_ID, id)?
    {
        return Err(code.0);
    }
    let (Some(rule), Some(label)) = (&naming.duplicate_label, first.get(CKA_LABEL)) else { return Ok(()) };
    if !is_taken(call, session, class, CKA_LABEL, label)? {
        return Ok(());
    }
    match rule {
        DuplicateLabel::Refuse(code) => Err(code.0),
        DuplicateLabel::Rename(Rename::Rename) => {
            let mark = format!("@?!{}", hex::encode(random(4)?));
            let label = [b"\"", label, b"\"", mark.as_bytes()].concat();
            templates.iter_mut().for_each(|template| template.set(CKA_LABEL, label.clone()));
            Ok(())
        }
    }
}

fn random(length: usize) -> Result<Vec<u8>, CK_RV> {
    let mut octets = vec![0; length];
    openssl::rand::rand_bytes(&mut octets).map_err(|_| CKR_GENERAL_ERROR)?;
    Ok(octets)
}

fn is_taken(
    call: &Call,
    session: CK_SESSION_HANDLE,
    class: CK_OBJECT_CLASS,
    name: CK_ATTRIBUTE_TYPE,
    value: &[u8],
) -> Result<bool, CK_RV> {
    let class = class.to_ne_bytes();
    let mut wanted = [foreign::attribute(CKA_CLASS, &class), foreign::attribute(name, value)];
    let count = foreign::length(wanted.len());
    let code = real!(call, C_FindObjectsInit(session, wanted.as_mut_ptr(), count));
    if code != CKR_OK {
        return Err(code);
    }
    let (mut object, mut found) = (0, 0);
    let code = real!(call, C_FindObjects(session, &raw mut object, 1, &raw mut found));
    real!(call, C_FindObjectsFinal(session));
    if code == CKR_OK { Ok(found > 0) } else { Err(code) }
}
