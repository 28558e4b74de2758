//! What a document claims to be, which limits what a seal may add.

use lopdf::Object;

use super::super::file::PdfFile;

/// The part of ISO 19005 (PDF/A) that the document says it follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArchivalPart {
    /// None.
    None,
    /// PDF/A-1: nothing transparent, and a list of glyphs with each font.
    First,
    /// PDF/A-2 and later.
    Later,
}

impl ArchivalPart {
    /// As the metadata of the document claim (ISO 19005-1, 6.7.11).
    pub(super) fn of(file: &PdfFile<'_>) -> Self {
        metadata(file).map_or(Self::None, |content| Self::in_metadata(&content))
    }

    fn in_metadata(metadata: &[u8]) -> Self {
        let claims = metadata.windows(CLAIM.len()).enumerate().filter(|(_, window)| *window == CLAIM);
        // `<pdfaid:part>1<` or `pdfaid:part="1"`.
        let parts = claims.filter_map(|(at, _)| {
            let rest = metadata.get(at + CLAIM.len()..)?;
            rest.iter().copied().find(|byte| !b">=\"' \t\r\n".contains(byte))
        });
        match parts.filter(u8::is_ascii_digit).min() {
            None => Self::None,
            Some(b'1') => Self::First,
            Some(_) => Self::Later,
        }
    }
}

/// Whether the document says that it follows a part of ISO 14289 (PDF/UA).
pub(super) fn is_accessible(file: &PdfFile<'_>) -> bool {
    metadata(file).is_some_and(|metadata| metadata.windows(ACCESSIBLE.len()).any(|window| window == ACCESSIBLE))
}

fn metadata(file: &PdfFile<'_>) -> Option<Vec<u8>> {
    let id = file.catalog().ok()?.get(b"Metadata").and_then(Object::as_reference).ok()?;
    file.stream(id).map(|(_, content)| content)
}

const CLAIM: &[u8] = b"pdfaid:part";
const ACCESSIBLE: &[u8] = b"pdfuaid:part";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_claim_is_read_from_an_element_and_from_an_attribute() {
        let part = |text: &str| ArchivalPart::in_metadata(text.as_bytes());
        assert_eq!(part("<pdfaid:part>1</pdfaid:part>"), ArchivalPart::First);
        assert_eq!(part("<x pdfaid:part = '2' pdfaid:conformance='B'/>"), ArchivalPart::Later);
        assert_eq!(part("<pdf:Producer>x</pdf:Producer>"), ArchivalPart::None);
        assert_eq!(part("pdfaid:part"), ArchivalPart::None);
    }
}
