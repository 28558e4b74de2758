//! PDF forms with signature fields, written out so that every entry is what the test says.

use std::fmt::Write;

/// A page with these form fields; the value of `/Lock` and other entries of each is an indirect object where it must be.
pub(crate) struct Form {
    objects: Vec<String>,
    roots: Vec<usize>,
    widgets: Vec<usize>,
}

impl Form {
    pub(crate) fn new() -> Self {
        // Catalog and page are written last, when the fields are known.
        let content = "BT /F1 24 Tf 72 700 Td (Agreement) Tj ET";
        let objects = vec![
            String::new(),
            "<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 595 842]>>".to_owned(),
            String::new(),
            "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_owned(),
            format!("<</Length {}>>\nstream\n{content}\nendstream", content.len()),
        ];
        Self { objects, roots: Vec::new(), widgets: Vec::new() }
    }

    /// A signature field without an appearance. `entries` as they stand in its dictionary; `lock` and `seed` become objects.
    pub(crate) fn signature(mut self, name: &str, lock: &str, seed: &str) -> Self {
        let mut entries = String::new();
        for (key, value) in [("Lock", lock), ("SV", seed)] {
            if !value.is_empty() {
                let number = self.add(format!("<<{value}>>"));
                write!(entries, "/{key} {number} 0 R").expect("a string");
            }
        }
        let field = self.add(format!("<</FT/Sig/T({name}){entries}{WIDGET}>>"));
        self.roots.push(field);
        self.widgets.push(field);
        self
    }

    /// A signature field below another one that is none.
    pub(crate) fn below(mut self, parent: &str, name: &str) -> Self {
        let parent_number = self.objects.len() + 2;
        let field = self.add(format!("<</FT/Sig/T({name})/Parent {parent_number} 0 R{WIDGET}>>"));
        let parent = self.add(format!("<</T({parent})/Kids[{field} 0 R]>>"));
        assert_eq!(parent, parent_number);
        self.roots.push(parent);
        self.widgets.push(field);
        self
    }

    /// A text field.
    pub(crate) fn text(mut self, name: &str) -> Self {
        let field = self.add(format!("<</FT/Tx/T({name})/DA(/F1 12 Tf 0 g){WIDGET}>>"));
        self.roots.push(field);
        self.widgets.push(field);
        self
    }

    fn add(&mut self, object: String) -> usize {
        self.objects.push(object);
        self.objects.len()
    }

    pub(crate) fn pdf(mut self) -> Vec<u8> {
        let references = |numbers: &[usize]| numbers.iter().map(|number| format!("{number} 0 R ")).collect::<String>();
        self.objects[0] = format!(
            "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[{}]/DA(/F1 12 Tf 0 g)/DR<</Font<</F1 4 0 R>>>>>>>>",
            references(&self.roots)
        );
        self.objects[2] = format!(
            "<</Type/Page/Parent 2 0 R/Resources<</Font<</F1 4 0 R>>>>/Contents 5 0 R/Annots[{}]>>",
            references(&self.widgets)
        );
        let mut file = "%PDF-1.7\n%\u{e9}\u{e9}\n".to_owned();
        let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", self.objects.len() + 1);
        for (index, object) in self.objects.iter().enumerate() {
            writeln!(table, "{:010} 00000 n ", file.len()).expect("a string");
            write!(file, "{} 0 obj\n{object}\nendobj\n", index + 1).expect("a string");
        }
        let start = file.len();
        let id = "<00112233445566778899AABBCCDDEEFF>";
        let size = self.objects.len() + 1;
        write!(file, "{table}trailer\n<</Size {size}/Root 1 0 R/ID[{id}{id}]>>\nstartxref\n{start}\n%%EOF\n")
            .expect("a string");
        file.into_bytes()
    }
}

/// Without an area, so that no reader wants an appearance.
const WIDGET: &str = "/Type/Annot/Subtype/Widget/F 132/P 3 0 R/Rect[0 0 0 0]";
