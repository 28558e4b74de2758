//! Forms that ask readers to draw their fields anew, and fields whose widgets are objects of their own.

use cryptotoken_api::KeySpec;
use workers::SignedDocument;

use crate::pades_appearance::Shown;
use crate::pades_verifiers::Samples;
use crate::pdf::{self, LAST, PAGES, TREE, pdf, pdfsig, pdftotext, qpdf_check};
use crate::software_key::SoftwareKey;

const SEEN: &str = "kind = \"pades\"\nappearance = { text = \"Sealed\", background = \"#ffcc00\" }";

/// A document with a form of these fields, on the first page, from object 7 on.
fn form(entries: &str, fields: &[&str], more: &[&str]) -> Vec<u8> {
    let references: Vec<String> = (0..fields.len()).map(|index| format!("{} 0 R", 7 + index)).collect();
    let references = references.join(" ");
    let catalog = format!(
        "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[{references}]/DA(/F1 12 Tf 0 g){entries}/DR<</Font<</F1 5 0 R>>>>>>>>"
    );
    let page =
        format!("<</Type/Page/Parent 2 0 R/Resources<</Font<</F1 5 0 R>>>>/Contents 6 0 R/Annots[{references}]>>");
    let [_, second, font, content] = PAGES;
    let mut objects = vec![catalog.as_str(), TREE, &page, second, font, content];
    objects.extend(fields);
    objects.extend(more);
    pdf(&objects)
}

fn field(kind: &str, entries: &str) -> String {
    format!("<</Type/Annot/Subtype/Widget/F 4/P 3 0 R/Rect[72 600 300 620]/FT/{kind}/T(name){entries}>>")
}

/// A drawing of a field with this text.
fn drawing(text: &str) -> String {
    let content = format!("/Tx BMC BT /F1 12 Tf 2 5 Td ({text}) Tj ET EMC");
    let head = "/Type/XObject/Subtype/Form/BBox[0 0 228 20]/Resources<</Font<</F1 5 0 R>>>>";
    format!("<<{head}/Length {}>>\nstream\n{content}\nendstream", content.len())
}

/// Whether the update says that nothing need be drawn.
fn takes_it_back(signed: &SignedDocument) -> bool {
    String::from_utf8_lossy(&signed.segments[1]).replace(' ', "").contains("/NeedAppearancesfalse")
}

const ASKS: &str = "/NeedAppearances true";
/// Of field 7.
const WIDGET: &str = "<</Type/Annot/Subtype/Widget/F 4/P 3 0 R/Rect[72 600 300 620]/Parent 7 0 R>>";

#[test]
fn a_form_with_nothing_to_draw_no_longer_asks_for_it_so_that_the_seal_is_seen() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let mut samples = Samples::new();
    samples.trust(&key);
    let nothing = [
        ("no fields", vec![]),
        ("an empty field", vec![field("Tx", "")]),
        ("a signature field", vec![field("Sig", "/AP<</N 8 0 R>>"), drawing("")]),
        ("a widget apart", vec!["<</FT/Tx/T(name)/Kids[8 0 R]>>".into(), WIDGET.into()]),
    ];
    for (name, objects) in nothing {
        let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
        let (fields, more) = objects.split_at(objects.len().min(1));
        let signed = key.sign(SEEN, &form(ASKS, fields, more)).unwrap();
        assert!(takes_it_back(&signed), "{name}");
        let shown = Shown::new(&format!("drawn-{}", name.replace(' ', "-")), &signed.contiguous());
        assert!(shown.page(1, 36).bounds([255, 204, 0])[2] > 0, "{name}: the seal is not seen");
        samples.add(name.to_owned(), &signed.contiguous());
        let twice = key.sign(SEEN, &signed.contiguous()).unwrap();
        samples.add(format!("{name}, twice"), &twice.contiguous());
    }
    samples.are_accepted();
}

#[test]
fn what_readers_draw_or_show_of_a_form_is_the_same_under_the_seal() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let mut samples = Samples::new();
    samples.trust(&key);
    let drawn = field("Tx", "/V(Pay 100 EUR)/AP<</N 8 0 R>>");
    let parent = "<</FT/Tx/T(name)/Kids[8 0 R]/V(Pay 100 EUR)>>";
    let signature = "<</FT/Sig/T(name)/Kids[8 0 R]>>";
    let other = WIDGET.replace("/Parent", "/FT/Tx/V(Pay 100 EUR)/Parent");
    let matters = [
        ("no drawing", ASKS, field("Tx", "/V(Acme AS)"), drawing("")),
        ("an empty drawing", ASKS, drawn.clone(), drawing("")),
        ("the drawing of the value", ASKS, drawn.clone(), drawing("Pay 100 EUR")),
        ("the drawing of another value", ASKS, drawn.clone(), drawing("Pay 900000 EUR")),
        ("a drawing without a value", ASKS, field("Tx", "/AP<</N 8 0 R>>"), drawing("PAID")),
        ("hidden", ASKS, drawn.replace("/F 4", "/F 2"), drawing("")),
        ("ticked", ASKS, field("Btn", "/V/Yes/AS/Yes/AP<</N<</Yes 8 0 R>>>>"), drawing("x")),
        ("a list", ASKS, field("Ch", "/Opt[(Pay 100 EUR)]"), drawing("")),
        ("an inherited value", ASKS, parent.into(), WIDGET.into()),
        ("a widget of another kind", ASKS, signature.into(), other),
        ("nobody asks", "", drawn, drawing("Acme AS")),
    ];
    for (name, asks, field, more) in matters {
        let document = form(asks, &[&field], &[&more]);
        let signed = key.sign("kind = \"pades\"", &document).unwrap();
        assert!(!takes_it_back(&signed), "{name}");
        assert_eq!(pdftotext(&document).unwrap(), pdftotext(&signed.contiguous()).unwrap(), "{name}");
        samples.add(name.to_owned(), &signed.contiguous());
    }
    samples.are_accepted();
}

#[test]
fn a_form_behind_many_references_keeps_its_fields_or_is_refused() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    for references in [1, 31, 32, 33, 40] {
        // Objects of tests are numbered from 7. The first reference is that in the catalog.
        let chain = (1..references).map(|number| format!("{} 0 R", 7 + number));
        let field = 7 + references;
        let objects: Vec<String> =
            chain.chain([format!("<</Fields[{field} 0 R]>>"), "<</FT/Tx/T(amount)/V(100)>>".into()]).collect();
        let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
        let document = pdf::document("/AcroForm 7 0 R", &objects);
        match key.sign("kind = \"pades\"", &document) {
            Ok(signed) => {
                let update = String::from_utf8_lossy(&signed.contiguous()[document.len()..]).into_owned();
                assert!(
                    references <= 32 && update.contains(&format!("/Fields [{field} 0 R ")),
                    "{references}: {update}"
                );
            }
            Err(refusal) => assert!(references > 1, "{refusal}"),
        }
    }
}

#[test]
fn a_field_whose_widget_is_an_object_of_its_own_is_sealed_in_the_field() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let mut samples = Samples::new();
    samples.trust(&key);
    let widget = "<</Type/Annot/Subtype/Widget/F 4/P 3 0 R/Rect[72 500 300 560]/Parent 7 0 R>>";
    let document = form("", &["<</FT/Sig/T(seal)/Kids[8 0 R]>>"], &[widget]);
    let document = String::from_utf8_lossy(&document).replace("/Annots[7 0 R]", "/Annots[8 0 R]").into_bytes();
    for definition in ["kind = \"pades\"", SEEN] {
        let definition = definition.replacen('\n', "\nfield = \"seal\"\n", 1);
        let definition = if definition.contains("field") { definition } else { definition + "\nfield = \"seal\"" };
        let signed = key.sign(&definition, &document).unwrap();
        samples.add(definition.clone(), &signed.contiguous());
        samples.add(
            format!("{definition}, twice"),
            &key.sign("kind = \"pades\"", &signed.contiguous()).unwrap().contiguous(),
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signed.pdf");
    std::fs::write(&file, key.sign("kind = \"pades\"\nfield = \"seal\"", &document).unwrap().contiguous()).unwrap();
    qpdf_check(&file).unwrap();
    assert_eq!(pdfsig(&file), [LAST]);
    samples.are_accepted();
}
