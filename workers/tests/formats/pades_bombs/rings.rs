//! Documents in which something leads back to itself, is nested without end, or unpacks again and again.

use std::fmt::Write;

use lopdf::{Object, Stream, dictionary};

use super::documents::{entry, with_compressed, with_section};
use super::{CATALOG, scaled};
use crate::pdf::{PAGES, document, pdf};

/// Something nested in itself.
pub(super) fn deep(open: &str, close: &str) -> String {
    format!("{}{}", open.repeat(200_000), close.repeat(200_000))
}

/// Tables that each name the one before; the first names the last.
pub(super) fn sections_in_a_row(count: usize) -> Vec<u8> {
    let mut file = document("", &[]);
    let text = String::from_utf8_lossy(&file).into_owned();
    let mut previous = text.lines().rev().nth(1).unwrap().to_owned();
    for _ in 0..count {
        let start = file.len();
        let trailer = format!("trailer<</Size 7/Root 1 0 R/Prev {previous}>>");
        file.extend(format!("xref\n0 0\n{trailer}\nstartxref\n{start}\n%%EOF\n").as_bytes());
        previous = start.to_string();
    }
    file
}

/// Two object streams, each of which says that it extends the other; the page is in one.
pub(super) fn extensions() -> Vec<u8> {
    let stream = |content: &str, other: usize| {
        let dictionary = format!("<</Type/ObjStm/N 1/First 4/Extends {other} 0 R/Length {}>>", content.len());
        format!("{dictionary}\nstream\n{content}\nendstream")
    };
    let page = "3 0 <</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>";
    with_compressed(&[(5, stream(page, 6)), (6, stream("7 0 null", 5))], &[(3, 5, 0), (7, 6, 0)])
}

/// A page in an object stream, deep in which something is wrong.
pub(super) fn page_in_stream(more: &str) -> Vec<u8> {
    let content = format!("3 0 <</Type/Page/Parent 2 0 R{more}>>");
    let dictionary = format!("<</Type/ObjStm/N 1/First 4/Length {}>>", content.len());
    with_compressed(&[(5, format!("{dictionary}\nstream\n{content}\nendstream"))], &[(3, 5, 0)])
}

/// An object stream of so many objects, or that begin there.
pub(super) fn announced(count: &str, first: &str) -> Vec<u8> {
    let content = "3 0 <</Type/Page/Parent 2 0 R>>";
    let dictionary = format!("<</Type/ObjStm/N {count}/First {first}/Length {}>>", content.len());
    with_compressed(&[(5, format!("{dictionary}\nstream\n{content}\nendstream"))], &[(3, 5, 0)])
}

/// Nodes that each have the next as their only one.
pub(super) fn page_tree_of_depth(depth: usize) -> Vec<u8> {
    let mut objects = vec![CATALOG.to_owned()];
    for number in 2..depth + 2 {
        objects.push(format!("<</Type/Pages/Kids[{} 0 R]/Count 1/Parent {} 0 R>>", number + 1, number - 1));
    }
    objects.push(format!("<</Type/Page/Parent {} 0 R>>", depth + 1));
    pdf(&objects.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A page that inherits from itself all that it lacks, in a structure that contains itself.
pub(super) fn parents_in_a_ring() -> Vec<u8> {
    let [_, _, font, content] = PAGES;
    let catalog = "<</Type/Catalog/Pages 2 0 R/MarkInfo<</Marked true>>/StructTreeRoot 7 0 R>>";
    let tree = "<</Type/Pages/Kids[3 0 R]/Count 1/Parent 4 0 R>>";
    pdf(&[
        catalog,
        tree,
        "<</Type/Page/Parent 2 0 R/StructParents 0>>",
        "<</Type/Pages/Kids[2 0 R]/Parent 2 0 R>>",
        font,
        content,
        "<</Type/StructTreeRoot/K 8 0 R/ParentTree 9 0 R/ParentTreeNextKey 9223372036854775807>>",
        "<</S/Document/P 8 0 R/K[8 0 R 7 0 R]>>",
        "<</Kids[9 0 R 10 0 R]/Limits[0 9]>>",
        "<</Kids[9 0 R]/Nums[0 8 0 R]>>",
    ])
}

/// References to references, the last of which is to the first.
pub(super) fn references_in_a_ring(count: usize) -> Vec<u8> {
    let more: Vec<String> = (0..count).map(|number| format!("{} 0 R", 7 + (number + 1) % count)).collect();
    document("/AcroForm 7 0 R/Names 8 0 R", &more.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A form of one field that is a million levels deep.
pub(super) fn fields_of_depth(depth: usize) -> Vec<u8> {
    let kids: Vec<String> = (0..depth).map(|number| format!("<</T(a)/Kids[{} 0 R]>>", 8 + number)).collect();
    document("/AcroForm<</Fields[7 0 R]>>", &kids.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A cross-reference stream of which the first filter makes 60 MiB that all the others leave as they are.
pub(super) fn fixed_point(filters: usize) -> Vec<u8> {
    // "FF": the next octet twice (ISO 32000-2, 7.4.5).
    let content = vec![0xFF; scaled(60 << 20)];
    let widths: Vec<Object> = vec![1.into(), 4.into(), 2.into()];
    let mut stream = Stream::new(dictionary! {"Type" => "XRef", "Size" => 9, "W" => widths, "Root" => (1, 0)}, content);
    stream.compress().unwrap();
    let mut names = vec![Object::Name(b"FlateDecode".to_vec())];
    names.resize(filters, Object::Name(b"RunLengthDecode".to_vec()));
    stream.dict.set("Filter", names);
    with_section(stream)
}

/// A cross-reference stream that was compressed so many times over.
pub(super) fn compressed_over_and_over(times: usize) -> Vec<u8> {
    let mut content = vec![0; scaled(60 << 20)];
    for _ in 0..times {
        let mut stream = Stream::new(dictionary! {}, content);
        stream.compress().unwrap();
        content = stream.content;
    }
    let widths: Vec<Object> = vec![1.into(), 4.into(), 2.into()];
    let entries = dictionary! {"Type" => "XRef", "Size" => 9, "W" => widths, "Root" => (1, 0)};
    let mut stream = Stream::new(entries, content);
    stream.dict.set("Filter", vec![Object::Name(b"FlateDecode".to_vec()); times]);
    with_section(stream)
}

/// A cross-reference stream in this filter, whose content is this over and over.
pub(super) fn filtered(filter: &str, content: &[u8], times: usize) -> Vec<u8> {
    let widths: Vec<Object> = vec![1.into(), 4.into(), 2.into()];
    let entries = dictionary! {"Type" => "XRef", "Size" => 9, "W" => widths, "Root" => (1, 0)};
    let mut stream = Stream::new(entries, content.repeat(times));
    stream.compress().unwrap();
    let flate = Object::Name(b"FlateDecode".to_vec());
    stream.dict.set("Filter", vec![flate, Object::Name(filter.as_bytes().to_vec())]);
    with_section(stream)
}

/// A file of so many octets whose cross-reference stream has as many free numbers.
pub(super) fn free_numbers(count: usize) -> Vec<u8> {
    let [_, _, font, content] = PAGES;
    let tree = "<</Type/Pages/Kids[3 0 R]/Count 1>>";
    let mut file = b"%PDF-1.7\n".to_vec();
    let mut entries = entry(0, 0, 0).to_vec();
    for (number, object) in [CATALOG, tree, "<</Type/Page/Parent 2 0 R>>", font, content].iter().enumerate() {
        entries.extend(entry(1, file.len(), 0));
        file.extend(format!("{} 0 obj\n{object}\nendobj\n", number + 1).as_bytes());
    }
    file.extend(format!("%{}\n", " ".repeat(count)).as_bytes());
    let start = file.len();
    entries.extend(entry(1, start, 0));
    entries.resize(count * 6, 0);
    let widths: Vec<Object> = vec![1.into(), 4.into(), 1.into()];
    let size = i64::try_from(count).unwrap();
    let mut stream =
        Stream::new(dictionary! {"Type" => "XRef", "Size" => size, "W" => widths, "Root" => (1, 0)}, entries);
    stream.compress().unwrap();
    file.extend(b"6 0 obj\n");
    lopdf::Writer::write_object(&mut file, &Object::Stream(stream)).unwrap();
    file.extend(format!("\nendobj\nstartxref\n{start}\n%%EOF\n").as_bytes());
    file
}

/// Pairs for `/Index`.
pub(super) fn pairs(count: usize) -> String {
    let mut index = String::from("/W[1 1 1]/Size 9/Index[");
    for _ in 0..count {
        write!(index, "9 0 ").unwrap();
    }
    index + "]"
}

/// Signatures that each cover something else.
pub(super) fn signatures(count: usize) -> Vec<u8> {
    let fields: Vec<String> = (0..count).map(|number| format!("{} 0 R", 7 + number)).collect();
    let field = |number: usize| {
        let range = format!("[0 1 {} 1]", 2 + number);
        format!("<</FT/Sig/T(s{number})/V<</Type/Sig/SubFilter/ETSI.CAdES.detached/ByteRange{range}/Contents<00>>>>>")
    };
    let more: Vec<String> = (0..count).map(field).collect();
    let catalog = format!("/AcroForm<</SigFlags 3/Fields[{}]>>", fields.join(" "));
    document(&catalog, &more.iter().map(String::as_str).collect::<Vec<_>>())
}
