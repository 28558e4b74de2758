//! What a signature locks: form fields, and the whole document (ISO 32000-2, 12.7.5.5, table 236, and 12.8.2.4, table 259).
//!
//! The author of a form says it in `/Lock` of the field, the signer in the parameters of the transform method FieldMDP.

use lopdf::{Dictionary, Object};
use serde::{Deserialize, Serialize};

use super::Certification;
use super::file::PdfFile;
use super::signature_dictionary::text_string;

/// Form fields that may not change any more. A name stands for all fields below it too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockedFields {
    /// Every one.
    All,
    /// Those named.
    Include(Vec<String>),
    /// All but those named.
    Exclude(Vec<String>),
}

/// Fields that are locked, with what may happen to the document otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldLock {
    /// Which fields.
    pub(super) fields: LockedFields,
    /// What the document still allows (PDF 2.0), where it is said.
    pub(super) level: Option<Certification>,
}

/// The dictionary says neither which fields it locks nor that it locks all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl LockedFields {
    /// Whether the field of this full name may not change.
    pub(super) fn contains(&self, field: &str) -> bool {
        let below = |name: &String| {
            field.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        match self {
            Self::All => true,
            Self::Include(names) => names.iter().any(below),
            Self::Exclude(names) => !names.iter().any(below),
        }
    }

    /// The names that are in it.
    pub(super) fn names(&self) -> &[String] {
        match self {
            Self::All => &[],
            Self::Include(names) | Self::Exclude(names) => names,
        }
    }
}

impl FieldLock {
    /// Reads `/Lock`, or the parameters of FieldMDP, which has the same entries.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub(super) fn read(file: &PdfFile<'_>, dictionary: &Dictionary) -> Result<Self, Unreadable> {
        let names = || {
            let names = file.value(dictionary, b"Fields").as_array().map_err(|_| Unreadable)?;
            let name = |name| lopdf::decode_text_string(file.resolve(name)).map_err(|_| Unreadable);
            names.iter().map(name).collect::<Result<Vec<_>, _>>()
        };
        let fields = match file.value(dictionary, b"Action").as_name() {
            Ok(b"All") => LockedFields::All,
            Ok(b"Include") => LockedFields::Include(names()?),
            Ok(b"Exclude") => LockedFields::Exclude(names()?),
            _ => return Err(Unreadable),
        };
        let level = match file.value(dictionary, b"P") {
            Object::Null => None,
            level => Some(read_level(level).ok_or(Unreadable)?),
        };
        Ok(Self { fields, level })
    }

    /// The entries of the dictionary; `string` writes a name.
    ///
    /// # Errors
    /// Those of `string`.
    pub(super) fn entries<E>(&self, string: impl Fn(Vec<u8>) -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
        let action: &[u8] = match self.fields {
            LockedFields::All => b"/Action/All",
            LockedFields::Include(_) => b"/Action/Include/Fields[",
            LockedFields::Exclude(_) => b"/Action/Exclude/Fields[",
        };
        let mut text = action.to_vec();
        for name in self.fields.names() {
            text.extend(string(text_string(name))?);
        }
        if self.fields != LockedFields::All {
            text.push(b']');
        }
        if let Some(level) = self.level {
            text.extend(format!("/P {}", level.level()).as_bytes());
        }
        Ok(text)
    }
}

/// `/P` of a lock or of DocMDP; `None` when it is none of the three levels.
pub(super) fn read_level(level: &Object) -> Option<Certification> {
    Certification::try_from(u8::try_from(level.as_i64().ok()?).ok()?).ok()
}

impl From<LockedFields> for FieldLock {
    fn from(fields: LockedFields) -> Self {
        Self { fields, level: None }
    }
}
