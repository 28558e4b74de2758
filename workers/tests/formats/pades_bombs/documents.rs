//! The documents that are bombs.

use std::fmt::Write;

use lopdf::{Object, Stream, dictionary};

use super::{CATALOG, PAGE};
use crate::pdf::{TREE, document, pdf};

pub(super) fn with_page(page: &str) -> Vec<u8> {
    pdf(&[CATALOG, TREE.replace(" 4 0 R", "").as_str(), page])
}

pub(super) fn tree(tree: &str) -> Vec<u8> {
    pdf(&[CATALOG, tree, PAGE])
}

/// Something more in the catalog.
pub(super) fn catalog(more: &str) -> Vec<u8> {
    document(more, &[])
}

/// Something more in the trailer, where `STARTXREF` is the offset of its own section.
pub(super) fn document_with(more: &str) -> Vec<u8> {
    let text = String::from_utf8(document("", &[])).unwrap();
    let start = text.lines().rev().nth(1).unwrap();
    text.replace("/Root 1 0 R", &format!("/Root 1 0 R{}", more.replace("STARTXREF", start))).into_bytes()
}

pub(super) fn document_with_size(size: &str) -> Vec<u8> {
    String::from_utf8(document("", &[])).unwrap().replace("/Size 7", &format!("/Size {size}")).into_bytes()
}

/// A table in place of that of three objects.
pub(super) fn table(entries: &str) -> Vec<u8> {
    let mut text = String::from_utf8(pdf(&[CATALOG, "<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE])).unwrap();
    let start = text.find("xref\n").unwrap();
    let end = text.find("trailer").unwrap();
    let listed = text[start + 9..end].split_once("f \n").unwrap().1.to_owned();
    text.replace_range(start..end, &format!("xref\n{entries}1 3\n{listed}"));
    text.into_bytes()
}

/// A file of nothing but a cross-reference stream, or one that counts itself alone.
pub(super) fn section_stream(entries: &str, content: &[u8]) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n".to_vec();
    for (number, object) in [CATALOG, "<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE].iter().enumerate() {
        file.extend(format!("{} 0 obj\n{object}\nendobj\n", number + 1).as_bytes());
    }
    let (plain, start) = (file.clone(), file.len());
    let dictionary = format!("<</Type/XRef{entries}/Root 1 0 R/Length {}/Prev PREVIOUS>>", content.len());
    // The objects themselves are in a table before it.
    let mut table = "xref\n0 4\n0000000000 65535 f \n".to_owned();
    for number in 1..4 {
        let header = format!("{number} 0 obj");
        let offset = plain.windows(header.len()).position(|window| window == header.as_bytes()).unwrap();
        writeln!(table, "{offset:010} 00000 n ").unwrap();
    }
    write!(table, "trailer\n<</Size 4/Root 1 0 R>>\n").unwrap();
    file.extend(table.as_bytes());
    let section = file.len();
    let dictionary = dictionary.replace("PREVIOUS", &start.to_string());
    file.extend(format!("9 0 obj\n{dictionary}\nstream\n").as_bytes());
    file.extend(content);
    file.extend(format!("\nendstream\nendobj\nstartxref\n{section}\n%%EOF\n").as_bytes());
    file
}

/// Object 3, the page, and object 7, a number, in object stream 5, whose length is what is said.
pub(super) fn compressed(length: &str, more: &str) -> Vec<u8> {
    let page = format!("{PAGE} 60 {more}");
    let index = format!("3 0 7 {} ", PAGE.len() + 1);
    let content = format!("{index}{page}");
    let stream = format!("<</Type/ObjStm/N 2/First {}/Length {length}>>\nstream\n{content}\nendstream", index.len());
    with_compressed(&[(5, stream)], &[(3, 5, 0), (7, 5, 1)])
}

/// Catalog, tree, these streams, and these compressed objects: number, stream, place.
pub(super) fn with_compressed(streams: &[(usize, String)], inside: &[(usize, usize, u8)]) -> Vec<u8> {
    let tree = "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned();
    let objects = [(1, CATALOG.to_owned()), (2, tree)];
    let mut file = b"%PDF-1.7\n".to_vec();
    let highest = streams.iter().map(|each| each.0).chain(inside.iter().map(|each| each.0)).max().unwrap();
    let mut entries = vec![[0_u8; 6]; highest + 2];
    for (number, text) in objects.iter().chain(streams) {
        entries[*number] = entry(1, file.len(), 0);
        file.extend(format!("{number} 0 obj\n{text}\nendobj\n").as_bytes());
    }
    for (number, stream, place) in inside {
        entries[*number] = entry(2, *stream, *place);
    }
    let start = file.len();
    entries[highest + 1] = entry(1, start, 0);
    let content = entries.concat();
    let dictionary = format!("<</Type/XRef/W[1 4 1]/Size {}/Root 1 0 R/Length {}>>", highest + 2, content.len());
    file.extend(format!("{} 0 obj\n{dictionary}\nstream\n", highest + 1).as_bytes());
    file.extend(content);
    file.extend(format!("\nendstream\nendobj\nstartxref\n{start}\n%%EOF\n").as_bytes());
    file
}

pub(super) fn entry(kind: u8, second: usize, third: u8) -> [u8; 6] {
    let [a, b, c, d] = u32::try_from(second).unwrap().to_be_bytes();
    [kind, a, b, c, d, third]
}

/// The length of each object stream is in the next one.
pub(super) fn streams_for_streams() -> Vec<u8> {
    let count = 50_000;
    let (mut streams, mut inside) = (Vec::new(), vec![(3, 10, 0)]);
    for number in 0..count {
        let (stream, length) = (10 + 2 * number, 11 + 2 * number);
        // The page in the first; in each other one, the length of the one before.
        let (held, text) = if number == 0 { (3, PAGE.to_owned()) } else { (length - 2, "9".to_owned()) };
        let index = format!("{held} 0 ");
        let dictionary = format!("<</Type/ObjStm/N 1/First {}/Length {length} 0 R>>", index.len());
        streams.push((stream, format!("{dictionary}\nstream\n{index}{text}\nendstream")));
        inside.push((length, stream + 2, 0));
    }
    inside.pop();
    with_compressed(&streams, &inside)
}

pub(super) fn stream_in_itself() -> Vec<u8> {
    with_compressed(&[], &[(3, 5, 0), (5, 5, 1)])
}

/// Each trailer holds a string, which holds the next section.
pub(super) fn trailers_in_trailers() -> Vec<u8> {
    let (count, width) = (40_000, 60);
    let mut file = b"%PDF-1.7\n".to_vec();
    let start = file.len();
    for number in 0..count {
        let text = format!("xref\n0 0\ntrailer <</Root 1 0 R/Prev {}/S(", start + (number + 1) * width);
        file.extend(format!("{text:width$}").as_bytes());
    }
    file.extend(")>>".repeat(count).as_bytes());
    file.extend(format!("\nstartxref\n{start}\n%%EOF\n").as_bytes());
    file
}

pub(super) fn with_section(stream: Stream) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n1 0 obj\n".to_vec();
    lopdf::Writer::write_object(&mut file, &Object::Stream(stream)).unwrap();
    file.extend(b"\nendobj\nstartxref\n9\n%%EOF\n");
    file
}

pub(super) fn predictor(columns: i64) -> Vec<u8> {
    let parameters = dictionary! {"Predictor" => 12, "Columns" => columns, "Colors" => 32, "BitsPerComponent" => 16};
    let widths: Vec<Object> = vec![1.into(), 4.into(), 2.into()];
    let entries = dictionary! {"Type" => "XRef", "Size" => 9, "W" => widths, "Root" => (1, 0)};
    let mut stream = Stream::new(entries, vec![0; 1 << 20]);
    stream.compress().unwrap();
    stream.dict.set("DecodeParms", parameters);
    with_section(stream)
}

pub(super) fn filters(count: usize) -> Vec<u8> {
    let widths: Vec<Object> = vec![1.into(), 4.into(), 2.into()];
    let mut stream = Stream::new(dictionary! {"Type" => "XRef", "Size" => 9, "W" => widths}, vec![0; 60 << 20]);
    stream.compress().unwrap();
    let names = ["FlateDecode", "ASCIIHexDecode", "ASCII85Decode", "LZWDecode"];
    let filters: Vec<Object> = (0..count).map(|number| Object::Name(names[number % 4].into())).collect();
    stream.dict.set("Filter", filters);
    with_section(stream)
}

/// The kids of the page tree are in object streams that each unpack to 60 MiB.
pub(super) fn many_bombs() -> Vec<u8> {
    let index: String = (0..100).map(|number| format!("{} 0 ", 200 + number)).collect();
    let mut content = format!("{index}<</Type/Pages/Kids[]>>").into_bytes();
    content.resize(60 << 20, b' ');
    let first = i64::try_from(index.len()).unwrap();
    let mut stream = Stream::new(dictionary! {"Type" => "ObjStm", "N" => 100, "First" => first}, content);
    stream.compress().unwrap();
    let mut text = Vec::new();
    lopdf::Writer::write_object(&mut text, &Object::Stream(stream)).unwrap();
    let mut file = b"%PDF-1.7\n".to_vec();
    let kids: Vec<String> = (0..100).map(|number| format!("{} 0 R", 200 + number)).collect();
    let mut entries = vec![[0_u8; 6]; 401];
    for (number, object) in [(1, CATALOG.to_owned()), (2, format!("<</Type/Pages/Kids[{}]/Count 1>>", kids.join(" ")))]
    {
        entries[number] = entry(1, file.len(), 0);
        file.extend(format!("{number} 0 obj\n{object}\nendobj\n").as_bytes());
    }
    for number in 0..100 {
        entries[300 + number] = entry(1, file.len(), 0);
        entries[200 + number] = entry(2, 300 + number, u8::try_from(number).unwrap());
        file.extend(format!("{} 0 obj\n", 300 + number).as_bytes());
        file.extend(&text);
        file.extend(b"\nendobj\n");
    }
    let start = file.len();
    entries[400] = entry(1, start, 0);
    let content = entries.concat();
    let dictionary = format!("<</Type/XRef/W[1 4 1]/Size 401/Root 1 0 R/Length {}>>", content.len());
    file.extend(format!("400 0 obj\n{dictionary}\nstream\n").as_bytes());
    file.extend(content);
    file.extend(format!("\nendstream\nendobj\nstartxref\n{start}\n%%EOF\n").as_bytes());
    file
}

/// A field with so many kids that are fields.
pub(super) fn fields(name: &str, count: usize) -> Vec<u8> {
    let kids: Vec<String> = (0..count).map(|number| format!("{} 0 R", 5 + number)).collect();
    let parent = format!("<</FT/Tx/T({name})/Kids[{}]>>", kids.join(" "));
    let kids: Vec<String> = (0..count).map(|number| format!("<</T(a{number})/Parent 4 0 R>>")).collect();
    let catalog = "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[4 0 R]>>>>";
    let mut objects = vec![catalog, "<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE, parent.as_str()];
    objects.extend(kids.iter().map(String::as_str));
    pdf(&objects)
}

/// A signature with 100,000 references to the same parameters, which list 100,000 fields, in a field of 1000 kids.
pub(super) fn shared_locks() -> Vec<u8> {
    let kids: Vec<String> = (0..1000).map(|number| format!("{} 0 R", 8 + number)).collect();
    let parent = format!("<</FT/Sig/T(p)/V 5 0 R/Kids[{}]>>", kids.join(" "));
    let signature = format!("<</Type/Sig/Reference[{}]>>", "6 0 R ".repeat(100_000));
    let parameters = format!("<</Action/Include/Fields[{}]>>", "(b)".repeat(100_000));
    let kids: Vec<String> = (0..1000).map(|number| format!("<</T(a{number})>>")).collect();
    let catalog = "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[4 0 R]>>>>";
    let reference = "<</TransformMethod/FieldMDP/TransformParams 7 0 R>>";
    let mut objects =
        vec![catalog, "<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE, &parent, &signature, reference, &parameters];
    objects.extend(kids.iter().map(String::as_str));
    pdf(&objects)
}
