//! Reads a worker's definition. Where its appearance names files, their content takes the place of the names, so that every
//! node draws the same seal.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::certificate::read;
use crate::failure::Failure;

/// The definition in this file, or on standard input for `-`.
pub(super) fn definition(path: &Path) -> Result<String, Failure> {
    let invalid = |error| std::io::Error::new(std::io::ErrorKind::InvalidData, error);
    let text = String::from_utf8(read(path)?).map_err(|error| Failure::file(path)(invalid(error)))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    Ok(with_content(&text, folder)?.unwrap_or(text))
}

/// The definition as JSON when it names files, which are looked for from its folder on. One that cannot be read is left to
/// those who say what is wrong with it.
fn with_content(text: &str, folder: &Path) -> Result<Option<String>, Failure> {
    let read_map = || -> Option<Map<String, Value>> {
        if text.trim_start().starts_with('{') { serde_json::from_str(text).ok() } else { toml::from_str(text).ok() }
    };
    let Some(mut map) = read_map() else { return Ok(None) };
    let Some(Value::Object(appearance)) = map.get_mut("appearance") else { return Ok(None) };
    let mut found = false;
    for (names, holds) in [("font_file", "font"), ("image_file", "image")] {
        let Some(Value::String(file)) = appearance.get(names) else { continue };
        if appearance.contains_key(holds) {
            return Err(Failure::refused(format!(
                "the appearance has both \"{names}\" and \"{holds}\"; leave one out"
            )));
        }
        let content = STANDARD.encode(read(&folder.join(file))?);
        appearance.remove(names);
        appearance.insert(holds.to_owned(), Value::String(content));
        found = true;
    }
    Ok(found.then(|| Value::Object(map).to_string()))
}
