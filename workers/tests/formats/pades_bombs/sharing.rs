//! Documents in which many objects share one list, or one rest of the file, which is long, or trailers hold very many values.

use lopdf::{Object, Stream, dictionary};

use super::documents::*;
use super::{CATALOG, PAGE};
use crate::pdf::{document, pdf};

/// Each list of kids is in an object of its own, and every kid of one has all of the next.
pub(super) fn kids_of_kids() -> Vec<u8> {
    let catalog = "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields 4 0 R>>>>";
    let lists: Vec<String> = (5..30).map(|next| format!("[{}]", format!("<</Kids {next} 0 R>>").repeat(10))).collect();
    let mut objects = vec![catalog, "<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE];
    objects.extend(lists.iter().map(String::as_str));
    pdf(&objects)
}

/// So many objects, each of which has the same so many others.
pub(super) const SHARED: usize = if cfg!(debug_assertions) { 20_000 } else { 100_000 };

pub(super) fn shared_kids() -> Vec<u8> {
    let catalog = "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields 4 0 R>>>>";
    let roots: String = (0..SHARED).map(|number| format!("{} 0 R ", 6 + number)).collect();
    let (roots, kids) = (format!("[{roots}]"), format!("[{}]", "<</Kids[]>>".repeat(SHARED)));
    let mut objects = vec![catalog, "<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE, &roots, &kids];
    objects.extend(std::iter::repeat_n("<</Kids 5 0 R>>", SHARED));
    pdf(&objects)
}

pub(super) fn shared_references() -> Vec<u8> {
    let catalog = "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields 4 0 R>>>>";
    let signature = "<</FT/Sig/V<</Reference 5 0 R>>>>";
    let (fields, references) = (format!("[{}]", signature.repeat(SHARED)), format!("[{}]", "6 0 R ".repeat(SHARED)));
    let reference = "<</TransformMethod/DocMDP/TransformParams<</P 2>>>>";
    pdf(&[catalog, "<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE, &fields, &references, reference])
}

/// Pages and their parents, in which all have the same object as this entry.
pub(super) fn shared_pages(entry: &str) -> Vec<u8> {
    let kids: String = (0..SHARED).map(|number| format!("{} 0 R ", 6 + number)).collect();
    let kids = format!("[{kids}]");
    let node = format!("<</Parent 2 0 R/{entry} 4 0 R>>");
    let mut objects = vec![CATALOG, "<</Type/Pages/Kids 4 0 R/Count 1>>", PAGE, &kids, "null"];
    objects.extend(std::iter::repeat_n(node.as_str(), SHARED));
    pdf(&objects)
}

/// Field 4, which is on no page, and pages with the same annotations.
pub(super) fn shared_annotations() -> Vec<u8> {
    let kids: String = (0..SHARED).map(|number| format!("{} 0 R ", 6 + number)).collect();
    let tree = format!("<</Type/Pages/Kids[{kids}]/Count {SHARED}>>");
    let annotations = format!("[{}]", "3 0 R ".repeat(SHARED));
    let catalog = "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[4 0 R]>>>>";
    let field = "<</FT/Sig/T(seal)/Subtype/Widget/Rect[9 9 99 99]>>";
    let mut objects = vec![catalog, tree.as_str(), "null", field, annotations.as_str()];
    objects.extend(std::iter::repeat_n("<</Type/Page/Parent 2 0 R/Annots 5 0 R>>", SHARED));
    pdf(&objects)
}

/// With a table that says wrong.
pub(super) fn damaged(document: &[u8]) -> Vec<u8> {
    let mut document = document.to_vec();
    let table = document.windows(5).rposition(|window| window == b"xref\n").unwrap();
    let table = document[..table - 5].windows(5).rposition(|window| window == b"xref\n").unwrap_or(table);
    document[table..table + 4].copy_from_slice(b"XREF");
    document
}

pub(super) fn tree_in_itself() -> Vec<u8> {
    damaged(&pdf(&[CATALOG, "<</Type/Pages/Kids 4 0 R>>", PAGE, "[<</Kids 4 0 R>>]"]))
}

/// Four of them one after the other, the last of which counts.
pub(super) fn trailers_of_values() -> Vec<u8> {
    let mut file = document("", &[]);
    let start = String::from_utf8_lossy(&file).lines().rev().nth(1).unwrap().to_owned();
    for _ in 0..3 {
        let begin = file.len();
        let values = "0 ".repeat(1_500_000);
        file.extend(format!("xref\n0 0\ntrailer\n<</Size 7/Root 1 0 R/Prev {start}/A[{values}]>>\n").as_bytes());
        file.extend(format!("startxref\n{begin}\n%%EOF\n").as_bytes());
    }
    file
}

/// Each is compressed, and what comes after it is taken for more of it.
pub(super) fn endless_streams() -> Vec<u8> {
    fields_in_streams(&["null".into()], without_length, b"")
}

/// The same, and none can be decoded.
pub(super) fn endless_unknown_streams() -> Vec<u8> {
    let unknown = |stream: &mut Stream| {
        without_length(stream);
        stream.dict.set("Filter", "Unknown");
    };
    fields_in_streams(&["null".into()], unknown, b"")
}

fn without_length(stream: &mut Stream) {
    stream.dict.set("Length", 1 << 30);
}

/// Decoded by the same parameters: a dictionary of very many entries.
pub(super) fn shared_parameters() -> Vec<u8> {
    fields_in_streams(&[many_entries()], with_parameters, b"endstream\nendobj\n")
}

/// Decoded by the same parameters: a list, each of which is that dictionary.
pub(super) fn shared_lists_of_parameters() -> Vec<u8> {
    let list = format!("[{}]", "6 0 R ".repeat(SHARED));
    fields_in_streams(&[list, many_entries()], with_parameters, b"endstream\nendobj\n")
}

/// Decoded by the same parameters: a list, each of which is the next list, and so on.
pub(super) fn shared_nested_lists_of_parameters() -> Vec<u8> {
    let list = |next: usize| format!("[{}]", format!("{next} 0 R ").repeat(SHARED / 10));
    fields_in_streams(&[list(6), list(7), list(8), many_entries()], with_parameters, b"endstream\nendobj\n")
}

fn many_entries() -> String {
    let entries: String = (0..SHARED).map(|number| format!("/A{number} 0")).collect();
    format!("<<{entries}>>")
}

fn with_parameters(stream: &mut Stream) {
    stream.dict.set("DecodeParms", Object::Reference((5, 0)));
}

/// Fields each in an object stream of its own, and more objects from number 5 on.
fn fields_in_streams(more: &[String], change: impl Fn(&mut Stream), end: &[u8]) -> Vec<u8> {
    let (count, first) = (SHARED / 5, 5 + more.len());
    let mut stream = Stream::new(dictionary! {"Type" => "ObjStm", "N" => 1, "First" => 0}, Vec::new());
    let fields: String = (0..count).map(|number| format!("{} 0 R ", first + number)).collect();
    let catalog = "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields 4 0 R>>>>";
    let fields = format!("[{fields}]");
    let mut file = b"%PDF-1.7\n".to_vec();
    let mut entries = vec![[0_u8; 6]; first + 2 * count + 1];
    let objects = [catalog, "<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE, &fields];
    for (number, object) in (1..).zip(objects.into_iter().chain(more.iter().map(String::as_str))) {
        entries[number] = entry(1, file.len(), 0);
        file.extend(format!("{number} 0 obj\n{object} ").as_bytes());
    }
    for number in 0..count {
        let (field, container) = (first + number, first + count + number);
        let index = format!("{field} 0 ");
        stream.set_plain_content(format!("{index}<</T(a{number})>>{}", " ".repeat(99)).into_bytes());
        stream.compress().unwrap();
        stream.dict.set("First", i64::try_from(index.len()).unwrap());
        change(&mut stream);
        (entries[field], entries[container]) = (entry(2, container, 0), entry(1, file.len(), 0));
        let mut text = Vec::new();
        lopdf::Writer::write_object(&mut text, &Object::Stream(stream.clone())).unwrap();
        file.extend(format!("{container} 0 obj\n").as_bytes());
        file.extend(text.strip_suffix(b"endstream").unwrap());
        file.extend(end);
    }
    let (start, last) = (file.len(), entries.len() - 1);
    entries[last] = entry(1, start, 0);
    let content = entries.concat();
    let dictionary = format!("<</Type/XRef/W[1 4 1]/Size {}/Root 1 0 R/Length {}>>", last + 1, content.len());
    file.extend(format!("{last} 0 obj\n{dictionary}\nstream\n").as_bytes());
    file.extend(content);
    file.extend(format!("\nendstream\nendobj\nstartxref\n{start}\n%%EOF\n").as_bytes());
    file
}

/// Streams whose length is that up to a gap, in which there is no end of a stream.
pub(super) fn lengths_to_white_space() -> Vec<u8> {
    let (gap, count) = (if cfg!(debug_assertions) { 1 << 20 } else { 10 << 20 }, SHARED);
    let mut objects = vec![CATALOG.to_owned(), "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(), PAGE.to_owned()];
    let stream = |number: usize| {
        // From the content of this stream to the end of all.
        let rest = (count - number) * 72;
        format!("{:50}", format!("<</Length {rest}>>\nstream\n\nendstream"))
    };
    objects.extend((0..count).map(stream));
    objects.push(format!("{}(a)", " ".repeat(gap)));
    let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
    damaged(&pdf(&objects))
}
