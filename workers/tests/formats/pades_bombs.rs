//! PDFs made to take memory or time beyond measure: each is refused, or sealed, in little of both. Every one has a process of its own,
//! because the kernel counts the peak of a whole process.

use std::fmt::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use cryptotoken_api::KeySpec;
use lopdf::{Object, Stream, dictionary};

use crate::pdf::{TREE, document, pdf};
use crate::software_key::{SoftwareKey, report, run};

const CATALOG: &str = "<</Type/Catalog/Pages 2 0 R>>";
const PAGE: &str = "<</Type/Page/Parent 2 0 R>>";

/// Where the cross-reference data is wrong, and it depends on the rest whether it can be made anew.
const EITHER: &str = "*";

/// Name, the document, and what the refusal says; nothing where it is sealed.
type Bomb = (&'static str, fn() -> Vec<u8>, &'static str);

const BOMBS: [Bomb; 38] = [
    ("an object stream whose length is in itself", || compressed("7 0 R", "<</T 0>>"), "MissingObject"),
    ("an object stream whose length is in the next, and so on", streams_for_streams, "MissingObject"),
    ("an object stream that is in itself", stream_in_itself, EITHER),
    ("a length that is its own stream", || compressed("5 0 R", "<</T 0>>"), "MissingObject"),
    ("trailers in trailers", trailers_in_trailers, EITHER),
    ("sections in a ring", || document_with("/Prev STARTXREF"), ""),
    ("a section that is its own supplement", || document_with("/XRefStm STARTXREF"), EITHER),
    ("a size of 2^31", || document_with_size("2147483648"), "no object numbers left"),
    ("a size of 2^63", || document_with_size("9223372036854775807"), "no object numbers left"),
    ("a table of 2^60 entries", || table("0 1152921504606846976\n0000000000 65535 f \n"), EITHER),
    ("a table from 2^63 on", || table("9223372036854775807 2\n0000000009 00000 n \n0000000009 00000 n \n"), EITHER),
    ("a section stream of size 2^31", || section_stream("/W[1 4 2]/Size 2147483648", &[1; 7000]), EITHER),
    ("a section stream of wide fields", || section_stream("/W[1 9223372036854775807 2]/Size 9", &[1; 700]), EITHER),
    ("a section stream of fields without width", || section_stream("/W[0 0 0]/Size 9", &[1; 700]), EITHER),
    (
        "a section stream with a huge index",
        || section_stream("/W[1 1 1]/Size 9/Index[9 9223372036854775807]", &[0; 90]),
        "",
    ),
    ("a predictor of 2^40 columns", || predictor(1 << 40), EITHER),
    ("a predictor of 2^31 columns", || predictor((1 << 31) - 1), EITHER),
    ("a thousand filters", || filters(1000), EITHER),
    ("a bomb in each of a hundred object streams", many_bombs, "128 MiB"),
    ("a name of 100 MB", || with_page(&format!("<</Type/Page/Parent 2 0 R/A/{}>>", "a".repeat(LONG))), ""),
    ("a number of 100 MB", || with_page(&format!("<</Type/Page/Parent 2 0 R/A {}>>", "1".repeat(LONG))), ""),
    (
        "ten million annotations",
        || with_page(&format!("<</Type/Page/Parent 2 0 R/Annots[{}]>>", "5 0 R ".repeat(MANY))),
        "two million",
    ),
    ("ten million kids", || tree(&format!("<</Type/Pages/Kids[{}]/Count 1>>", "3 0 R ".repeat(MANY))), "two million"),
    ("millions of fields", || fields("", MANY / 4), "two million"),
    ("a name of 10 MB that 100,000 fields inherit", || fields(&"n".repeat(10 << 20), 100_000), "overlap"),
    ("references that many fields share, and names that many references share", shared_locks, "overlap"),
    ("fields that are kids of kids, ten each", kids_of_kids, "overlap"),
    ("fields that share their kids", shared_kids, "overlap"),
    ("signatures that share their references", shared_references, "overlap"),
    ("damaged, with pages that share their kids", || damaged(&shared_pages("Kids")), "overlap"),
    ("damaged, with pages that share their contents", || damaged(&shared_pages("Contents")), "overlap"),
    ("damaged, with a page tree that is in itself", tree_in_itself, "overlap"),
    ("damaged, with lengths that lead to white space", lengths_to_white_space, ""),
    ("damaged, with trailers of a million values", || damaged(&trailers_of_values()), "values"),
    ("trailers of a million values", trailers_of_values, EITHER),
    ("fields in object streams that do not end", endless_streams, "overlap"),
    ("a visible seal in a field, where pages share their annotations", shared_annotations, "overlap"),
    ("a comment of 100 MB", || with_page(&format!("%{}\n<</Type/Page/Parent 2 0 R>>", "c".repeat(LONG))), ""),
];

/// Code that is not optimised gets less to do.
const LONG: usize = if cfg!(debug_assertions) { 1 << 20 } else { 100 << 20 };
const MANY: usize = if cfg!(debug_assertions) { 2_100_000 } else { 10_000_000 };

fn with_page(page: &str) -> Vec<u8> {
    pdf(&[CATALOG, TREE.replace(" 4 0 R", "").as_str(), page])
}

fn tree(tree: &str) -> Vec<u8> {
    pdf(&[CATALOG, tree, PAGE])
}

/// Something more in the trailer, where `STARTXREF` is the offset of its own section.
fn document_with(more: &str) -> Vec<u8> {
    let text = String::from_utf8(document("", &[])).unwrap();
    let start = text.lines().rev().nth(1).unwrap();
    text.replace("/Root 1 0 R", &format!("/Root 1 0 R{}", more.replace("STARTXREF", start))).into_bytes()
}

fn document_with_size(size: &str) -> Vec<u8> {
    String::from_utf8(document("", &[])).unwrap().replace("/Size 7", &format!("/Size {size}")).into_bytes()
}

/// A table in place of that of three objects.
fn table(entries: &str) -> Vec<u8> {
    let mut text = String::from_utf8(pdf(&[CATALOG, "<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE])).unwrap();
    let start = text.find("xref\n").unwrap();
    let end = text.find("trailer").unwrap();
    let listed = text[start + 9..end].split_once("f \n").unwrap().1.to_owned();
    text.replace_range(start..end, &format!("xref\n{entries}1 3\n{listed}"));
    text.into_bytes()
}

/// A file of nothing but a cross-reference stream, or one that counts itself alone.
fn section_stream(entries: &str, content: &[u8]) -> Vec<u8> {
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
fn compressed(length: &str, more: &str) -> Vec<u8> {
    let page = format!("{PAGE} 60 {more}");
    let index = format!("3 0 7 {} ", PAGE.len() + 1);
    let content = format!("{index}{page}");
    let stream = format!("<</Type/ObjStm/N 2/First {}/Length {length}>>\nstream\n{content}\nendstream", index.len());
    with_compressed(&[(5, stream)], &[(3, 5, 0), (7, 5, 1)])
}

/// Catalog, tree, these streams, and these compressed objects: number, stream, place.
fn with_compressed(streams: &[(usize, String)], inside: &[(usize, usize, u8)]) -> Vec<u8> {
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

fn entry(kind: u8, second: usize, third: u8) -> [u8; 6] {
    let [a, b, c, d] = u32::try_from(second).unwrap().to_be_bytes();
    [kind, a, b, c, d, third]
}

/// The length of each object stream is in the next one.
fn streams_for_streams() -> Vec<u8> {
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

fn stream_in_itself() -> Vec<u8> {
    with_compressed(&[], &[(3, 5, 0), (5, 5, 1)])
}

/// Each trailer holds a string, which holds the next section.
fn trailers_in_trailers() -> Vec<u8> {
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

fn with_section(stream: Stream) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n1 0 obj\n".to_vec();
    lopdf::Writer::write_object(&mut file, &Object::Stream(stream)).unwrap();
    file.extend(b"\nendobj\nstartxref\n9\n%%EOF\n");
    file
}

fn predictor(columns: i64) -> Vec<u8> {
    let parameters = dictionary! {"Predictor" => 12, "Columns" => columns, "Colors" => 32, "BitsPerComponent" => 16};
    let widths: Vec<Object> = vec![1.into(), 4.into(), 2.into()];
    let entries = dictionary! {"Type" => "XRef", "Size" => 9, "W" => widths, "Root" => (1, 0)};
    let mut stream = Stream::new(entries, vec![0; 1 << 20]);
    stream.compress().unwrap();
    stream.dict.set("DecodeParms", parameters);
    with_section(stream)
}

fn filters(count: usize) -> Vec<u8> {
    let widths: Vec<Object> = vec![1.into(), 4.into(), 2.into()];
    let mut stream = Stream::new(dictionary! {"Type" => "XRef", "Size" => 9, "W" => widths}, vec![0; 60 << 20]);
    stream.compress().unwrap();
    let names = ["FlateDecode", "ASCIIHexDecode", "ASCII85Decode", "LZWDecode"];
    let filters: Vec<Object> = (0..count).map(|number| Object::Name(names[number % 4].into())).collect();
    stream.dict.set("Filter", filters);
    with_section(stream)
}

/// The kids of the page tree are in object streams that each unpack to 60 MiB.
fn many_bombs() -> Vec<u8> {
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
fn fields(name: &str, count: usize) -> Vec<u8> {
    let kids: Vec<String> = (0..count).map(|number| format!("{} 0 R", 5 + number)).collect();
    let parent = format!("<</FT/Tx/T({name})/Kids[{}]>>", kids.join(" "));
    let kids: Vec<String> = (0..count).map(|number| format!("<</T(a{number})/Parent 4 0 R>>")).collect();
    let catalog = "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[4 0 R]>>>>";
    let mut objects = vec![catalog, "<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE, parent.as_str()];
    objects.extend(kids.iter().map(String::as_str));
    pdf(&objects)
}

/// A signature with 100,000 references to the same parameters, which list 100,000 fields, in a field of 1000 kids.
fn shared_locks() -> Vec<u8> {
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

/// Each list of kids is in an object of its own, and every kid of one has all of the next.
fn kids_of_kids() -> Vec<u8> {
    let catalog = "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields 4 0 R>>>>";
    let lists: Vec<String> = (5..30).map(|next| format!("[{}]", format!("<</Kids {next} 0 R>>").repeat(10))).collect();
    let mut objects = vec![catalog, "<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE];
    objects.extend(lists.iter().map(String::as_str));
    pdf(&objects)
}

/// So many objects, each of which has the same so many others.
const SHARED: usize = if cfg!(debug_assertions) { 20_000 } else { 100_000 };

fn shared_kids() -> Vec<u8> {
    let catalog = "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields 4 0 R>>>>";
    let roots: String = (0..SHARED).map(|number| format!("{} 0 R ", 6 + number)).collect();
    let (roots, kids) = (format!("[{roots}]"), format!("[{}]", "<</Kids[]>>".repeat(SHARED)));
    let mut objects = vec![catalog, "<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE, &roots, &kids];
    objects.extend(std::iter::repeat_n("<</Kids 5 0 R>>", SHARED));
    pdf(&objects)
}

fn shared_references() -> Vec<u8> {
    let catalog = "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields 4 0 R>>>>";
    let signature = "<</FT/Sig/V<</Reference 5 0 R>>>>";
    let (fields, references) = (format!("[{}]", signature.repeat(SHARED)), format!("[{}]", "6 0 R ".repeat(SHARED)));
    let reference = "<</TransformMethod/DocMDP/TransformParams<</P 2>>>>";
    pdf(&[catalog, "<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE, &fields, &references, reference])
}

/// Pages and their parents, in which all have the same object as this entry.
fn shared_pages(entry: &str) -> Vec<u8> {
    let kids: String = (0..SHARED).map(|number| format!("{} 0 R ", 6 + number)).collect();
    let kids = format!("[{kids}]");
    let node = format!("<</Parent 2 0 R/{entry} 4 0 R>>");
    let mut objects = vec![CATALOG, "<</Type/Pages/Kids 4 0 R/Count 1>>", PAGE, &kids, "null"];
    objects.extend(std::iter::repeat_n(node.as_str(), SHARED));
    pdf(&objects)
}

/// Field 4, which is on no page, and pages with the same annotations.
fn shared_annotations() -> Vec<u8> {
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
fn damaged(document: &[u8]) -> Vec<u8> {
    let mut document = document.to_vec();
    let table = document.windows(5).rposition(|window| window == b"xref\n").unwrap();
    let table = document[..table - 5].windows(5).rposition(|window| window == b"xref\n").unwrap_or(table);
    document[table..table + 4].copy_from_slice(b"XREF");
    document
}

fn tree_in_itself() -> Vec<u8> {
    damaged(&pdf(&[CATALOG, "<</Type/Pages/Kids 4 0 R>>", PAGE, "[<</Kids 4 0 R>>]"]))
}

/// Four of them one after the other, the last of which counts.
fn trailers_of_values() -> Vec<u8> {
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
fn endless_streams() -> Vec<u8> {
    let count = SHARED / 5;
    let mut stream = Stream::new(dictionary! {"Type" => "ObjStm", "N" => 1, "First" => 0}, Vec::new());
    let fields: String = (0..count).map(|number| format!("{} 0 R ", 6 + number)).collect();
    let catalog = "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields 4 0 R>>>>";
    let mut file = b"%PDF-1.7\n".to_vec();
    let mut entries = vec![[0_u8; 6]; 6 + 2 * count + 1];
    for (number, object) in
        [catalog, "<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE, &format!("[{fields}]")].iter().enumerate()
    {
        entries[number + 1] = entry(1, file.len(), 0);
        file.extend(format!("{} 0 obj\n{object} ", number + 1).as_bytes());
    }
    for number in 0..count {
        let (field, container) = (6 + number, 6 + count + number);
        let index = format!("{field} 0 ");
        stream.set_plain_content(format!("{index}<</T(a{number})>>{}", " ".repeat(99)).into_bytes());
        stream.compress().unwrap();
        stream.dict.set("First", i64::try_from(index.len()).unwrap());
        stream.dict.set("Length", 1 << 30);
        (entries[field], entries[container]) = (entry(2, container, 0), entry(1, file.len(), 0));
        let mut text = Vec::new();
        lopdf::Writer::write_object(&mut text, &Object::Stream(stream.clone())).unwrap();
        file.extend(format!("{container} 0 obj\n").as_bytes());
        file.extend(text.strip_suffix(b"endstream").unwrap());
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
fn lengths_to_white_space() -> Vec<u8> {
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

/// Which of them a process is to seal.
const NUMBER: &str = "SIGILLO_BOMB";

#[test]
fn one_bomb_in_a_process_of_its_own() {
    // Says nothing unless the test below asks.
    let Ok(number) = std::env::var(NUMBER) else { return };
    let (name, document, expected) = BOMBS[number.parse::<usize>().unwrap()];
    let (document, key) = (document(), SoftwareKey::generate(KeySpec::EcP256));
    // The kernel counts the peak from here on.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, start) = (memory("VmRSS:"), Instant::now());
    let visible = if name.contains("visible") { "field = \"seal\"\n[appearance]\ntext = \"seal\"" } else { "" };
    let result = key.sign(&format!("kind = \"pades\"\n{visible}"), &document);
    let (took, peak) = (start.elapsed(), memory("VmHWM:").saturating_sub(before));
    let outcome = match &result {
        Ok(_) => String::new(),
        Err(error) => format!("{error} {error:?}"),
    };
    println!("\nbomb: {} KiB, {} ms, {} KiB: {outcome:.200}", document.len() >> 10, took.as_millis(), peak >> 10);
    let right = match expected {
        EITHER => true,
        "" => outcome.is_empty(),
        expected => outcome.contains(expected),
    };
    assert!(right, "{outcome:.1000}");
    // What optimised code takes a second for at most, and the size of the file allows.
    let times = if cfg!(debug_assertions) { 120 } else { 1 };
    assert!(took < Duration::from_secs(times), "{took:?}");
    let allowed = 512 * (1 << 20) + 3 * document.len() as u64;
    assert!(peak < allowed, "{} MiB", peak >> 20);
}

/// A figure of `/proc/self/status`, in octets.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn bombs_are_refused_or_sealed_in_little_time_and_memory() {
    let mut failed = Vec::new();
    for (number, (name, ..)) in BOMBS.iter().enumerate() {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "pades_bombs::one_bomb_in_a_process_of_its_own", "--nocapture"]);
        let result = run(child.env(NUMBER, number.to_string()));
        let (Ok(output) | Err(output)) = &result;
        let line = output.lines().find_map(|line| line.strip_prefix("bomb: ")).unwrap_or("no answer");
        report(&format!("{name}: {line}"));
        if result.is_err() {
            failed.push(format!("{name}: {output}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
