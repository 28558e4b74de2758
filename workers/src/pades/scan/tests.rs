//! Objects are found wherever they are, and not in what only looks like one.

use super::*;

fn scan(text: &str) -> Scan {
    Scan::read(text.as_bytes()).unwrap()
}

fn offsets(text: &str) -> Vec<(u32, usize, u16)> {
    let found = scan(text).objects;
    found.into_iter().map(|(number, found)| (number, found.offset, found.generation)).collect()
}

#[test]
fn objects_are_found_after_anything_that_may_precede_them() {
    assert_eq!(offsets("1 0 obj<</A 1>>endobj 2 0 obj[]endobj3 0 obj 7 endobj"), [(1, 0, 0), (2, 22, 0), (3, 37, 0)]);
    assert_eq!(offsets("%PDF-1.4 1 0 obj()\n%%EOF2 1 obj()"), [(1, 9, 0), (2, 24, 1)]);
    assert_eq!(offsets("xref\n0 2\n0000000000 65535 f \n% 8 0 obj()\r9  0\nobj()"), [(9, 41, 0)]);
}

#[test]
fn the_last_definition_counts_unless_its_generation_is_lower() {
    assert_eq!(offsets("1 0 obj 1 endobj 1 0 obj 2 endobj"), [(1, 17, 0)]);
    assert_eq!(offsets("1 3 obj 1 endobj 1 0 obj 2 endobj"), [(1, 0, 3)]);
}

#[test]
fn what_is_in_a_stream_or_a_string_is_no_object() {
    let inner = "2 0 obj()endobj trailer<</Root 2 0 R>> endstream";
    let stream = format!("<</Length {}>>stream\n{inner}\nendstream", inner.len());
    let indirect = format!("<</Length 9 0 R>>stream\n{inner}\nendstream endobj 9 0 obj {} endobj", inner.len());
    for text in [format!("1 0 obj{stream}"), format!("1 0 obj{indirect}"), "1 0 obj(2 0 obj)".into()] {
        let found = scan(&text);
        assert!(!found.objects.contains_key(&2) && found.objects.contains_key(&1), "{text}");
        assert!(found.trailers.is_empty(), "{text}");
    }
}

#[test]
fn what_only_some_readers_take_for_an_object_or_a_trailer_is_told() {
    let disputed = |text: &str| scan(text).disputed.map(|Disputed { offset, what }| (offset, what));
    for text in [
        "1 0 obj(2 0 obj)",
        "1 0 obj<<>>stream\n2  0\nobj endstream",
        "%2 0 obj\n",
        "x2 0 obj",
        "trailer<</A(2 0 obj)>>",
        "1 0 obj()endobj%2 0 obj",
    ] {
        let end = text.rfind("obj").unwrap() + 3;
        assert_eq!(disputed(text), Some((end, "an object")), "{text}");
    }
    assert_eq!(disputed("1 0 obj<<>>stream\ntrailer <<>>endstream"), Some((25, "a trailer")));
    for text in
        ["1 0 obj()endobj 2 0 obj()endobj", "1 0 obj(a trailer, 0 0 obj, endobj, obj)", "trailer<<>>", "trailer"]
    {
        assert_eq!(disputed(text), None, "{text}");
    }
}

#[test]
fn a_stream_of_wrong_length_ends_at_its_keyword_or_that_of_its_object() {
    for (length, end) in [("5", "endstream endobj"), ("99999", "endstream"), ("(x)", "endobj")] {
        let text = format!("1 0 obj<</Length {length}>>stream\nwhatever is in it {end} 2 0 obj()");
        assert_eq!(scan(&text).objects.len(), 2, "{text}");
    }
    let cut_off = Scan::read(b"1 0 obj<</Length 5>>stream\nwhatever is in it").err();
    assert_eq!(cut_off, Some(PdfRefusal::CutOff { object: 1 }));
}

#[test]
fn trailers_and_references_are_found() {
    let text = "1 0 obj<</Type/XRef/Root 3 0 R>>stream\nendstream trailer <</Root 4 0 R/Info 77 0 R>> [1 0 R 12 0 Rx]";
    let found = scan(text);
    assert_eq!((found.trailers.len(), found.has_section_streams, found.highest_reference), (2, true, 77));
}

#[test]
fn objects_that_never_end_cost_no_more_than_others() {
    let text = "1 0 obj<<".repeat(100_000);
    assert_eq!(Scan::read(text.as_bytes()).err(), Some(PdfRefusal::TooLarge("its objects overlap")));
}
