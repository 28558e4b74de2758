//! Reads a worker's definition. Where it names files, their content takes the place of the names, so that every node draws the same seal
//! and names the same policy: fonts and images of an appearance, and the digest of a signature policy.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cryptotoken_api::DigestAlgorithm;
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
    let mut found = false;
    if let Some(Value::Object(appearance)) = map.get_mut("appearance") {
        found |= with_pictures(appearance, folder)?;
    }
    if let Some(Value::Object(policy)) = map.get_mut("signature_policy") {
        found |= with_digest(policy, folder)?;
    }
    Ok(found.then(|| Value::Object(map).to_string()))
}

fn with_pictures(appearance: &mut Map<String, Value>, folder: &Path) -> Result<bool, Failure> {
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
    Ok(found)
}

/// A digest that stands there must be that of the file: a policy that nobody finds again makes a signature worth less.
fn with_digest(policy: &mut Map<String, Value>, folder: &Path) -> Result<bool, Failure> {
    let Some(Value::String(file)) = policy.get("file") else { return Ok(false) };
    let algorithm = match policy.get("digest_algorithm").map(|name| name.as_str().map(str::parse::<DigestAlgorithm>)) {
        None => DigestAlgorithm::Sha256,
        Some(Some(Ok(algorithm))) => algorithm,
        // Left to those who say what is wrong with it.
        Some(_) => return Ok(false),
    };
    let digest = STANDARD.encode(algorithm.digest(&read(&folder.join(file))?));
    if policy.get("digest").is_some_and(|stated| stated.as_str() != Some(&digest)) {
        return Err(Failure::refused(format!(
            "the {algorithm} digest of the signature policy in {file} is {digest}, and \"digest\" says another; \
             correct the one or the other, or leave \"digest\" out"
        )));
    }
    policy.remove("file");
    policy.insert("digest".to_owned(), Value::String(digest));
    Ok(true)
}
