//! Cross-reference tables and streams are read as written, and damaged ones are refused.

use std::fmt::Write;

use super::*;

const fn at(offset: usize) -> Location {
    Location::Offset { offset, generation: 0 }
}

fn read(text: &str) -> Result<CrossReference, PdfRefusal> {
    CrossReference::read(text.as_bytes().into())
}

fn reason(text: &str) -> String {
    read(text).map_or_else(|refusal| refusal.to_string(), |read| read.defect.unwrap_or_default())
}

fn end(start: usize) -> String {
    format!("startxref\n{start}\n%%EOF\n")
}

/// A cross-reference stream of fields of one byte each, in hexadecimal.
fn stream(number: u32, entries: &str, dictionary: &str) -> String {
    let filter = "/Filter/ASCIIHexDecode";
    format!("{number} 0 obj<</Type/XRef/W[1 1 1]{dictionary}{filter}>>stream\n{entries}>\nendstream\nendobj\n")
}

#[test]
fn a_later_section_wins_over_an_earlier_one_also_when_it_frees_an_object() {
    let first = "xref\n0 3\n0000000000 65535 f \n0000000010 00000 n \n0000000020 00000 n \ntrailer<</Size 3>>\n";
    let second = "xref\n1 1\n0000000000 00001 f \n3 1\n0000000030 00000 n \ntrailer<</Size 4/Prev 0/Root 2 0 R>>\n";
    let read = read(&format!("{first}{second}{}", end(first.len()))).unwrap();
    assert_eq!((read.kind, read.start), (SectionKind::Table, first.len()));
    assert!(read.trailer.has(b"Root"));
    let expected = [(0, Location::Free), (1, Location::Free), (2, at(20)), (3, at(30))];
    assert_eq!(read.locations, expected);
}

#[test]
fn a_stream_of_a_hybrid_file_shows_what_its_table_hides_and_nothing_else() {
    let stream = stream(9, "01 10 00  02 07 03  01 40 00", "/Size 10/Index[1 3]");
    let table = "xref\n0 3\n0000000000 65535 f \n0000000005 00000 n \n0000000000 65535 f \n";
    let trailer = "trailer<</Size 10/XRefStm 0>>\n";
    let read = read(&format!("{stream}{table}{trailer}{}", end(stream.len()))).unwrap();
    assert_eq!(read.kind, SectionKind::Table);
    let compressed = Location::Compressed { container: 7, index: 3 };
    assert_eq!(read.locations, [(0, Location::Free), (1, at(5)), (2, compressed), (3, at(0x40))]);
}

#[test]
fn a_stream_without_a_type_field_lists_objects_in_use() {
    let stream = stream(2, "10 00 20 00", "/Size 2").replace("/W[1 1 1]", "/W[0 1 1]");
    let read = read(&format!("{stream}{}", end(0))).unwrap();
    assert_eq!((read.kind, read.locations), (SectionKind::Stream, vec![(0, at(0x10)), (1, at(0x20))]));
}

#[test]
fn every_defect_is_named() {
    let table = "xref\n0 1\n0000000000 65535 f \ntrailer<</Size 1>>\n";
    let zeros = stream(1, "01 00 00", "/Size 1").replace("/W[1 1 1]", "/W[0 0 0]");
    let first = "% \nxref\n1 1\n0000000010 00000 n \ntrailer<</Size 3/Prev 59>>\n";
    let second = "xref\n2 1\n0000000020 00000 n \ntrailer<</Size 3/Prev 3>>\n";
    assert_eq!(first.len(), 59);
    let mut long = String::new();
    write!(long, "xref\n0 1\n0000000000 65535 f \n8388608 1\n0000000010 00000 n \ntrailer<<>>\n{}", end(0)).unwrap();
    let cases = [
        (table.to_owned(), "there is no startxref"),
        (format!("{table}startxref\nx\n%%EOF"), "startxref names no offset"),
        (format!("{table}startxref\n0\n"), "not followed by %%EOF"),
        (format!("{table}{}", end(1)), "no section begins at offset 1"),
        (format!("{table}{}", end(9999)), "no section begins at offset 9999"),
        (format!("xref\n0 1\n0000000000 65535 x \ntrailer<<>>\n{}", end(0)), "the table at offset 0 is malformed"),
        (format!("xref\n0 1\n0000000000 65535 f \ntrailer<<\n{}", end(0)), "the table at offset 0 is malformed"),
        (format!("{zeros}{}", end(0)), "the stream at offset 0 is malformed"),
        (long, "object numbers beyond 8388607"),
        (format!("{first}{second}{}", end(59)), "lead back to one another"),
    ];
    for (text, expected) in cases {
        let reason = reason(&text);
        assert!(reason.contains(expected), "expected \"{expected}\": {reason}");
    }
}
