//! Canonical forms beside those of libxml2: whatever is read here is read there, and written alike.
#![no_main]

use fuzz::libxml2::{Mode, Refusal, form};
use libfuzzer_sys::fuzz_target;
use workers::xades::canonical_form;

const METHODS: [(&str, Mode, bool); 6] = [
    ("http://www.w3.org/2001/10/xml-exc-c14n#", Mode::Exclusive, false),
    ("http://www.w3.org/2001/10/xml-exc-c14n#WithComments", Mode::Exclusive, true),
    ("http://www.w3.org/TR/2001/REC-xml-c14n-20010315", Mode::Inclusive, false),
    ("http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments", Mode::Inclusive, true),
    ("http://www.w3.org/2006/12/xml-c14n11", Mode::Inclusive11, false),
    ("http://www.w3.org/2006/12/xml-c14n11#WithComments", Mode::Inclusive11, true),
];

fuzz_target!(|document: &[u8]| {
    let (uri, mode, comments) = METHODS[document.len() % 6];
    // The whole document, or one of its elements.
    let element = (document.len() / 6).checked_rem(7).unwrap_or(0).checked_sub(1);
    let listed = mode == Mode::Exclusive && document.len().is_multiple_of(4);
    let prefixes = if listed { vec!["a", "xsi"] } else { Vec::new() };
    let Ok(ours) = canonical_form(document, element, uri, listed.then_some("a xsi")) else { return };
    match (ours, form(document, element, mode, comments, &prefixes)) {
        (Some(ours), Ok(theirs)) => {
            let [ours, theirs] = [ours, theirs].map(|form| {
                let form = String::from_utf8_lossy(&form).into_owned();
                // libxml2 drops an empty one even where nothing around it is omitted; Canonical XML 1.1 does not.
                if mode == Mode::Inclusive11 { form.replace(" xml:base=\"\"", "") } else { form }
            });
            assert_eq!(ours, theirs, "{uri} of element {element:?}, ours and libxml2's");
        }
        (None, Err(Refusal::Element)) => {}
        (ours, theirs) => panic!("{uri} of element {element:?}: ours {}, libxml2's {theirs:?}", ours.is_some()),
    }
});
