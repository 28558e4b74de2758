//! Dictionaries and arrays are edited without touching the rest of them, and what is broken is an error.

use super::*;

#[test]
fn an_entry_is_added_without_touching_the_others() {
    let page = b"<</Type/Page % a comment >>\n/MediaBox[0 0 595.275634765 841.88977]/T(a\\)>>)/P 3 0 R>>";
    let changed = with_entry(page, "Annots", b"[9 0 R]").unwrap();
    let (kept, _) = page.split_at(page.len() - 2);
    assert_eq!(changed, [kept, b"/Annots [9 0 R]>>"].concat());
}

#[test]
fn an_entry_is_replaced_whatever_delimits_it() {
    assert_eq!(with_entry(b"<</A/B/SigFlags 1/C 2>>", "SigFlags", b"3").unwrap(), b"<</A/B/SigFlags  3 /C 2>>");
    assert_eq!(with_entry(b"<</V null>>", "V", b"7 0 R").unwrap(), b"<</V  7 0 R >>");
    assert_eq!(with_entry(b"<</A 1 0 R/V(x)>>", "V", b"7 0 R").unwrap(), b"<</A 1 0 R/V 7 0 R >>");
}

#[test]
fn keys_are_compared_with_their_escapes_resolved() {
    assert_eq!(entry(b"<</Ann#6fts 4 0 R>>", b"Annots").unwrap().unwrap(), b"4 0 R");
}

#[test]
fn a_key_that_occurs_twice_is_refused() {
    assert_eq!(with_entry(b"<</Annots 1 0 R/Annots 2 0 R>>", "Annots", b"[]"), Err(SyntaxError));
}

#[test]
fn an_element_is_added_at_the_end_of_an_array() {
    assert_eq!(with_element(b"[1 0 R [2 0 R]]", b"3 0 R").unwrap(), b"[1 0 R [2 0 R] 3 0 R]");
    assert_eq!(with_element(b"[]", b"3 0 R").unwrap(), b"[ 3 0 R]");
    assert!(with_element(b"<<>>", b"3 0 R").is_err());
}

#[test]
fn a_reference_is_one_object_and_two_numbers_are_not() {
    assert_eq!(object_end(b"12 0 R/X", 0), Ok(6));
    assert_eq!(object_end(b"12 0 /X", 0), Ok(2));
    assert_eq!(object_end(b"12 0 Rx", 0), Ok(2));
}

#[test]
fn broken_nesting_is_an_error_and_deep_nesting_is_not() {
    for text in [&b"<<"[..], b"<</A[>>", b"<</A(>>", b"<</A<41>>", b"<</A", b"<<A 1>>", b"", b"<</A>>"] {
        assert!(dictionary(text).is_err(), "{}", String::from_utf8_lossy(text));
    }
    let deep = [vec![b'['; 200_000], vec![b']'; 200_000]].concat();
    assert_eq!(object_end(&deep, 0), Ok(deep.len()));
}

#[test]
fn strings_are_decoded_as_the_standard_says() {
    let text = b"<</A(a\\(b\\)\\101\\12\\\n(c)\r\nd)/B<4 1 4>/C<<>>/D(\\7x)>>";
    let mut seen = Vec::new();
    let result = with_strings::<SyntaxError>(text, |value| {
        seen.push(value);
        Ok(b"<00>".to_vec())
    });
    assert_eq!(result.unwrap(), b"<</A<00>/B<00>/C<<>>/D<00>>>");
    assert_eq!(seen, [&b"a(b)A\n(c)\nd"[..], b"A@", b"\x07x"]);
}
