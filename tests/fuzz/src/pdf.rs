//! Write PDFs of some hundred octets, with cross-reference data of each kind.

/// Documents of some hundred octets, in which a changed octet is more likely to matter.
#[must_use]
pub fn small() -> Vec<(&'static str, Vec<u8>)> {
    let page = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Annots[5 0 R]>>";
    let field = "<</Type/Annot/Subtype/Widget/FT/Sig/T(seal)/Rect[1 1 9 9]/F 4/P 3 0 R>>";
    let objects = [
        "<</Type/Catalog/Pages 2 0 R/AcroForm 4 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        page,
        "<</Fields[5 0 R]/SigFlags 1>>",
        field,
    ];
    let plain = ["<</Type/Catalog/Pages 2 0 R>>", objects[1], "<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>"];
    let table = with_table(&objects);
    let mut moved = table.clone();
    moved.splice(9..9, *b"% so that nothing is where the table says\n");
    let at = |word: &[u8]| table.windows(word.len()).position(|window| window == word).expect("a word");
    let trailer = &table[at(b"trailer")..at(b"startxref")];
    vec![
        ("table", with_table(&plain)),
        ("table-form", table.clone()),
        ("stream-form", with_stream(&objects)),
        ("compressed-form", compressed(&objects)),
        ("stream", with_stream(&plain)),
        ("compressed", compressed(&plain)),
        ("hybrid", hybrid(&objects)),
        ("updated", updated(&table)),
        ("preceded", [b"junk before it\n", table.as_slice()].concat()),
        ("damaged-moved", moved),
        ("damaged-no-table", [&table[..at(b"xref\n")], trailer].concat()),
        ("damaged-nothing", table[..at(b"xref\n")].to_vec()),
        ("damaged-startxref", [&table[..at(b"startxref")], b"startxref\n7\n%%EOF\n"].concat()),
        (
            "damaged-compressed",
            compressed(&objects).into_iter().map(|each| if each == b'W' { b'V' } else { each }).collect(),
        ),
    ]
}

/// What opens the documents among the seeds that a password opens.
pub const PASSWORD: &str = "open sesame";

/// A page of A4.
#[must_use]
pub fn page() -> Vec<u8> {
    let page = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Rotate 90>>";
    with_table(&["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>", page])
}

const ID: &str = "/ID[<00112233445566778899AABBCCDDEEFF><00112233445566778899AABBCCDDEEFF>]";

fn body(objects: &[&str]) -> (Vec<u8>, Vec<usize>) {
    let (mut file, mut offsets) = (b"%PDF-1.7\n".to_vec(), Vec::new());
    for (number, object) in (1..).zip(objects) {
        offsets.push(file.len());
        file.extend(format!("{number} 0 obj\n{object}\nendobj\n").as_bytes());
    }
    (file, offsets)
}

fn with_table(objects: &[&str]) -> Vec<u8> {
    let (mut file, offsets) = body(objects);
    let (start, size) = (file.len(), offsets.len() + 1);
    file.extend(format!("xref\n0 {size}\n0000000000 65535 f \n").as_bytes());
    for offset in offsets {
        file.extend(format!("{offset:010} 00000 n \n").as_bytes());
    }
    file.extend(format!("trailer\n<</Size {size}/Root 1 0 R{ID}>>\nstartxref\n{start}\n%%EOF\n").as_bytes());
    file
}

fn with_stream(objects: &[&str]) -> Vec<u8> {
    let (mut file, mut offsets) = body(objects);
    offsets.push(file.len());
    let entries: Vec<u8> = offsets.iter().flat_map(|offset| entry(1, *offset, 0)).collect();
    finish(&mut file, &offsets, [entry(0, 0, 255).to_vec(), entries].concat());
    file
}

/// The last object is found by readers of cross-reference streams only (ISO 32000-2, 7.5.8.4).
fn hybrid(objects: &[&str]) -> Vec<u8> {
    let (mut file, offsets) = body(objects);
    let (size, last) = (offsets.len() + 1, offsets.len());
    let stream = file.len();
    let entries = entry(1, offsets[last - 1], 0);
    let dictionary = format!("<</Type/XRef/W[1 2 1]/Index[{last} 1]/Size {size}/Length {}>>", entries.len());
    file.extend(format!("{size} 0 obj\n{dictionary}\nstream\n").as_bytes());
    file.extend(entries);
    file.extend(b"\nendstream\nendobj\n");
    let start = file.len();
    file.extend(format!("xref\n0 {size}\n0000000000 65535 f \n").as_bytes());
    for offset in &offsets[..last - 1] {
        file.extend(format!("{offset:010} 00000 n \n").as_bytes());
    }
    file.extend(b"0000000000 00000 f \n");
    let trailer = format!("trailer\n<</Size {}/Root 1 0 R/XRefStm {stream}{ID}>>\n", size + 1);
    file.extend(format!("{trailer}startxref\n{start}\n%%EOF\n").as_bytes());
    file
}

/// With an update that has the second object anew, and one more.
fn updated(file: &[u8]) -> Vec<u8> {
    let before = String::from_utf8_lossy(file).rsplit_once("startxref\n").map(|(_, rest)| rest.to_owned());
    let before = before.and_then(|rest| rest.lines().next().map(str::to_owned)).expect("an offset");
    let (second, new) = (file.len(), file.len() + 63);
    let mut all = file.to_vec();
    all.extend(format!("{:62}\n", "2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj").as_bytes());
    all.extend(b"6 0 obj\n(new)\nendobj\n");
    let start = all.len();
    all.extend(format!("xref\n2 1\n{second:010} 00000 n \n6 1\n{new:010} 00000 n \n").as_bytes());
    let trailer = format!("trailer\n<</Size 7/Root 1 0 R/Prev {before}{ID}>>\n");
    all.extend(format!("{trailer}startxref\n{start}\n%%EOF\n").as_bytes());
    all
}

/// All objects in one stream.
fn compressed(objects: &[&str]) -> Vec<u8> {
    let (mut index, mut content) = (String::new(), String::new());
    for (number, object) in (1..).zip(objects) {
        index.push_str(&format!("{number} {} ", content.len()));
        content.push_str(object);
        content.push(' ');
    }
    let container = objects.len() + 1;
    let mut file = b"%PDF-1.7\n".to_vec();
    let (first, length) = (index.len(), index.len() + content.len());
    let dictionary = format!("<</Type/ObjStm/N {}/First {first}/Length {length}>>", objects.len());
    file.extend(format!("{container} 0 obj\n{dictionary}\nstream\n{index}{content}\nendstream\nendobj\n").as_bytes());
    let mut entries = entry(0, 0, 255).to_vec();
    entries.extend((0..objects.len()).flat_map(|index| entry(2, container, index)));
    entries.extend(entry(1, 9, 0));
    let offsets = vec![0; container + 1];
    entries.extend(entry(1, file.len(), 0));
    finish(&mut file, &offsets, entries);
    file
}

fn entry(kind: u8, second: usize, third: usize) -> [u8; 4] {
    let [high, low] = u16::try_from(second).expect("a small file").to_be_bytes();
    [kind, high, low, u8::try_from(third).expect("few objects")]
}

fn finish(file: &mut Vec<u8>, offsets: &[usize], entries: Vec<u8>) {
    let (start, number) = (file.len(), offsets.len());
    let dictionary = format!("<</Type/XRef/W[1 2 1]/Size {}/Root 1 0 R/Length {}{ID}>>", number + 1, entries.len());
    file.extend(format!("{number} 0 obj\n{dictionary}\nstream\n").as_bytes());
    file.extend(entries);
    file.extend(format!("\nendstream\nendobj\nstartxref\n{start}\n%%EOF\n").as_bytes());
}
