//! Visible seals, rendered and read by poppler, checked by qpdf and veraPDF. The pictures stay in the folder that cargo gives tests,
//! for people to look at.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cryptotoken_api::KeySpec;
use workers::WorkerError;
use workers::pades::refusal::PdfRefusal;

use crate::pades_appearance_definitions::parse;
use crate::pades_verifiers::judge;
use crate::pdf::{EARLIER, LAST, PAGES, document, pdf, pdfsig, qpdf, qpdf_check};
use crate::software_key::{SoftwareKey, run};

/// Where pictures go.
fn gallery() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("visible-seals");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A font of the system, in base64.
pub(crate) fn font(path: &str) -> String {
    let octets = std::fs::read(Path::new("/usr/share/fonts").join(path));
    STANDARD.encode(octets.unwrap_or_else(|error| panic!("{path}: {error}; install it with scripts/install-tools")))
}

/// A sealed document in the gallery, with a picture of each page beside it.
pub(crate) struct Shown {
    name: String,
    file: PathBuf,
}

/// One page as poppler shows it.
pub(crate) struct Picture {
    width: usize,
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    fn read(path: &Path) -> Self {
        let mut reader =
            png::Decoder::new(std::io::BufReader::new(std::fs::File::open(path).unwrap())).read_info().unwrap();
        let mut samples = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut samples).unwrap();
        assert_eq!(frame.color_type, png::ColorType::Rgb);
        let pixels = samples[..frame.buffer_size()].chunks_exact(3).map(|pixel| pixel.try_into().unwrap()).collect();
        Self { width: frame.width as usize, pixels }
    }

    fn at(&self, x: usize, y: usize) -> [u8; 3] {
        self.pixels[y * self.width + x]
    }

    /// Left, top, right, bottom of what is nearly of this colour.
    pub(crate) fn bounds(&self, colour: [u8; 3]) -> [usize; 4] {
        let near = |pixel: &[u8; 3]| pixel.iter().zip(colour).all(|(one, other)| one.abs_diff(other) < 12);
        let places = self.pixels.iter().enumerate().filter(|(_, pixel)| near(pixel));
        let places = places.map(|(index, _)| (index % self.width, index / self.width));
        places.fold([usize::MAX, usize::MAX, 0, 0], |[left, top, right, bottom], (x, y)| {
            [left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1)]
        })
    }
}

impl Shown {
    pub(crate) fn new(name: &str, sealed: &[u8]) -> Self {
        let file = gallery().join(format!("{name}.pdf"));
        std::fs::write(&file, sealed).unwrap();
        Self { name: name.to_owned(), file }
    }

    /// A page at this many dots per inch.
    pub(crate) fn page(&self, number: usize, dots: usize) -> Picture {
        let stem = gallery().join(format!("{}-page{number}", self.name));
        let mut command = Command::new("pdftoppm");
        command.args(["-png", "-cropbox", "-singlefile", "-r", &dots.to_string()]);
        command.args(["-f", &number.to_string()]).arg(&self.file).arg(&stem);
        run(&mut command).unwrap();
        Picture::read(&stem.with_extension("png"))
    }

    /// What poppler reads, without the text of the pages themselves.
    pub(crate) fn text(&self) -> String {
        let text = run(Command::new("pdftotext").args(["-layout", "-nopgbrk"]).arg(&self.file).arg("-")).unwrap();
        // poppler puts marks of direction around lines that have both.
        let text = text.replace(['\u{202a}', '\u{202b}', '\u{202c}'], "");
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "Invoice 2026-1");
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Name and type of each font that is not Helvetica; all must be embedded, subset, and mapped to Unicode.
    fn fonts(&self) -> Vec<String> {
        let table = run(Command::new("pdffonts").arg(&self.file)).unwrap();
        let fonts = table.lines().skip(2).filter(|line| !line.starts_with("Helvetica"));
        fonts
            .map(|line| {
                let cells: Vec<&str> = line.split_whitespace().collect();
                assert_eq!(cells[cells.len() - 5..cells.len() - 2], ["yes", "yes", "yes"], "{table}");
                let kind = cells[1..cells.len() - 6].join(" ");
                format!("{}, {kind}", cells[0].split_once('+').unwrap().1)
            })
            .collect()
    }
}

fn sign(definition: &str, document: &[u8]) -> Result<Vec<u8>, WorkerError> {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    Ok(key.sign(&format!("kind = \"pades\"\n{definition}"), document)?.contiguous().into_owned())
}

/// Signs and lets poppler and qpdf judge.
fn shown(name: &str, definition: &str, document: &[u8]) -> Shown {
    let sealed = sign(definition, document).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(sealed.starts_with(document), "{name}: the document was altered");
    let shown = Shown::new(name, &sealed);
    qpdf_check(&shown.file).unwrap_or_else(|output| panic!("{name}: {output}"));
    assert_eq!(pdfsig(&shown.file).last(), Some(&LAST), "{name}");
    shown
}

fn refusal(definition: &str, document: &[u8]) -> String {
    match sign(definition, document) {
        Err(error @ (WorkerError::Pdf(PdfRefusal::Seal(_)) | WorkerError::Parameter { .. })) => error.to_string(),
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("the document was signed with {definition}"),
    }
}

#[test]
fn text_in_the_scripts_of_europe_is_shown_with_embedded_glyphs_and_can_be_read_again() {
    let definition = "reason = \"Kinnitatud: õige – Žižek\"\nlocation = \"Αθήνα, Київ\"\n\
        [appearance]\ntext = \"Sealed by {signer}, {organization}\\n{reason}\\n{location}\\n{custom.number}\\nfi ffi\"\n\
        custom = { number = \"№ 2026-17\" }\nborder_color = \"#203080\"\nbackground = \"#f0f4ff\"";
    let shown = shown("scripts", definition, &document("", &[]));
    let expected = "Sealed by Test Seal, Acme AS\nKinnitatud: õige – Žižek\nΑθήνα, Київ\n№ 2026-17\nfi ffi";
    assert_eq!(shown.text(), expected);
    assert_eq!(shown.fonts(), ["DejaVuSansCondensed, CID TrueType"]);
    shown.page(1, 150);
}

#[test]
fn other_scripts_are_shaped_with_the_font_that_is_given_and_written_in_their_direction() {
    let devanagari = font("truetype/lohit-devanagari/Lohit-Devanagari.ttf");
    let didot = font("opentype/didot/GFSDidot.otf");
    let cases = [
        ("devanagari", devanagari.as_str(), "सत्यमेव जयते\nहिन्दी 2026 क्षत्रिय\nSigillo", "Lohit-Devanagari, CID TrueType"),
        ("didot", didot.as_str(), "Ἐν ἀρχῇ ἦν ὁ λόγος\nfficient", "GFSDidot-Regular, CID Type 0C"),
        ("arabic", "", "مرحبا بالعالم\nתעודה 123 אבג", "DejaVuSansCondensed, CID TrueType"),
    ];
    for (name, font, text, expected) in cases {
        let font = if font.is_empty() { String::new() } else { format!("font = \"{font}\"\n") };
        let text_line = text.replace('\n', "\\n");
        let definition = format!("[appearance]\ntext = \"{text_line}\"\n{font}border_color = \"#000000\"");
        let shown = shown(name, &definition, &document("", &[]));
        // poppler has its own mind about blanks beside numbers that run against the line.
        let compact = |text: &str| text.replace(' ', "");
        assert_eq!(compact(&shown.text()), compact(text), "{name}");
        assert!(shown.fonts().contains(&expected.to_owned()), "{name}: {:?}", shown.fonts());
        shown.page(1, 150);
    }
}

#[test]
fn a_character_that_no_font_has_is_refused_by_name() {
    let plain = document("", &[]);
    let refused = refusal("reason = \"封印\"\n[appearance]\ntext = \"{reason}\"", &plain);
    assert!(refused.contains("no font has the character \"封\" (U+5C01)"), "{refused}");
    let config = parse("[appearance]\ntext = \"封 {signer}\"").unwrap_err();
    assert!(config.contains("no font has the character \"封\" (U+5C01)"), "{config}");
}

#[test]
fn pictures_of_every_kind_are_shown_in_their_colours() {
    let (red, blue) = ([200, 30, 40], [30, 60, 160]);
    let pale = [142, 157, 207];
    let grey = |colour: [u8; 3]| {
        let [red, green, blue] = colour.map(f64::from);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 255")]
        let light = (0.299 * red + 0.587 * green + 0.114 * blue).round() as u8;
        [light; 3]
    };
    let cases = [
        ("alpha.png", red, pale),
        ("palette.png", red, pale),
        ("grey-16.png", grey(red), grey(pale)),
        ("colours.jpg", red, pale),
        ("progressive.jpg", red, pale),
        ("grey.jpg", grey(red), grey(pale)),
        ("cmyk.jpg", red, pale),
    ];
    assert_ne!(blue, pale, "the lower half lets half of the paper through");
    for (file, above, below) in cases {
        let picture = STANDARD.encode(fixture(&format!("pictures/{file}")));
        for position in ["left", "above", "behind"] {
            let definition = format!(
                "[appearance]\ntext = \"Seal\"\nfont_size = 6\nimage = \"{picture}\"\nimage_position = \"{position}\"\n\
                 width = 150\nheight = 150\nborder_color = \"#008000\""
            );
            let shown = shown(&format!("{}-{position}", file.replace('.', "-")), &definition, &document("", &[]));
            assert_eq!(shown.text(), "Seal");
            let page = shown.page(1, 72);
            // Half an inch from the right and from below.
            let (left, top) = (595 - 36 - 150, 842 - 36 - 150);
            // Padding, border and the shares of the area: where the picture is, and how large.
            let (centre, side) = match position {
                "left" => ([left + 32, top + 75], 57),
                "above" => ([left + 75, top + 39], 71),
                _ => ([left + 75, top + 75], 143),
            };
            // Each reader makes its own colours of CMYK.
            let tolerance = if file == "cmyk.jpg" { 48 } else { 24 };
            let near = |one: [u8; 3], other: [u8; 3]| {
                one.iter().zip(other).all(|(one, other)| one.abs_diff(other) <= tolerance)
            };
            let colour = |x: usize, y: usize| page.at(x, y);
            let [x, y] = centre;
            assert!(
                near(colour(x, y - side * 2 / 5), above),
                "{file} {position} above: {:?}",
                colour(x, y - side * 2 / 5)
            );
            assert!(
                near(colour(x, y + side * 2 / 5), below),
                "{file} {position} below: {:?}",
                colour(x, y + side * 2 / 5)
            );
            if position != "behind" {
                assert_eq!(colour(x, y), [255; 3], "{file} {position} in the middle");
            }
        }
    }
}

/// What a reader of codes finds on the picture of the first page.
fn read_code(name: &str) -> String {
    let mut command = Command::new("zbarimg");
    let output = command.args(["-q", "--raw"]).arg(gallery().join(format!("{name}-page1.png"))).output();
    let output = output.unwrap_or_else(|error| panic!("zbarimg: {error}; install it with scripts/install-tools"));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_qr_code_says_its_address_with_the_values_of_the_seal() {
    let definition = "reason = \"Õige & hea\"\n[appearance]\ntext = \"{signer}\\n{time}\"\n\
        qr = \"https://verify.example/{custom.id}?r={reason}&h={document_sha256}\"\nqr_error_correction = \"L\"\n\
        width = 220\nheight = 80\ncustom = { id = \"2026-17\" }\nbackground = \"#ffe0a0\"";
    let plain = document("", &[]);
    let shown = shown("qr", definition, &plain);
    shown.page(1, 150);
    let digest = hex::encode(cryptotoken_api::DigestAlgorithm::Sha256.digest(&plain));
    assert_eq!(read_code("qr"), format!("https://verify.example/2026-17?r=%C3%95ige%20%26%20hea&h={digest}"));

    let missing = refusal("[appearance]\nqr = \"https://verify.example/{custom.id}\"", &plain);
    assert!(missing.contains("{custom.id} has no value"), "{missing}");
    let small = refusal("[appearance]\nqr = \"https://verify.example/{document_sha256}\"\nheight = 30", &plain);
    assert!(small.contains("make the seal larger"), "{small}");
}

/// A document of one page with these entries.
fn one_page(entries: &str) -> Vec<u8> {
    let page = format!("<</Type/Page/Parent 2 0 R/Resources<</Font<</F1 4 0 R>>>>/Contents 5 0 R{entries}>>");
    let tree = "<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 400 600]>>";
    pdf(&["<</Type/Catalog/Pages 2 0 R>>", tree, &page, PAGES[2], PAGES[3]])
}

const MARKED: &str =
    "background = \"#ffcc00\"\nborder_color = \"#ff0000\"\nborder_width = 1\ntext = \"Sealed upright\"\n";

#[test]
fn a_seal_is_upright_in_its_corner_however_the_page_is_turned_cropped_or_measured() {
    let cases = [
        ("rotate-0", "", [400, 600]),
        ("rotate-90", "/Rotate 90", [600, 400]),
        ("rotate-180", "/Rotate 180", [400, 600]),
        ("rotate-270", "/Rotate -90", [600, 400]),
        ("cropped", "/CropBox[50 100 350 550]", [300, 450]),
        ("cropped-90", "/CropBox[50 100 350 550]/Rotate 90", [450, 300]),
        ("cropped-270", "/CropBox[50 100 350 550]/Rotate 270/MediaBox[-20 -30 800 900]", [450, 300]),
        ("user-unit", "/UserUnit 2/MediaBox[0 0 200 300]", [400, 600]),
        ("user-unit-90", "/UserUnit 2/MediaBox[0 0 200 300]/Rotate 90", [600, 400]),
    ];
    let anchors = [("bottom-right", 1, 1), ("top-left", 0, 0)];
    for (name, entries, [width, height]) in cases {
        for (anchor, right, bottom) in anchors {
            let definition =
                format!("[appearance]\nanchor = \"{anchor}\"\nx = 20\ny = 30\nwidth = 120\nheight = 40\n{MARKED}");
            let shown = shown(&format!("{name}-{anchor}"), &definition, &one_page(entries));
            let page = shown.page(1, 72);
            // poppler draws pages without regard to their unit.
            let scale = if entries.contains("UserUnit") && page.width != width { 2 } else { 1 };
            assert_eq!((page.width * scale, page.pixels.len() / page.width * scale), (width, height), "{name}");
            let left = if right == 1 { width - 20 - 120 } else { 20 };
            let top = if bottom == 1 { height - 30 - 40 } else { 30 };
            let expected = [left, top, left + 120, top + 40];
            let found = page.bounds([255, 204, 0]).map(|place| place * scale);
            let off = expected.iter().zip(found).map(|(one, other)| one.abs_diff(other)).max().unwrap();
            assert!(off <= 2 * scale, "{name} {anchor}: {found:?} for {expected:?}");
            let words = run(Command::new("pdftotext").args(["-bbox", "-cropbox"]).arg(&shown.file).arg("-")).unwrap();
            let word = words.lines().find(|line| line.contains(">upright<")).unwrap();
            let side = |key: &str| word.split_once(key).unwrap().1.split('"').nth(1).unwrap().parse::<f64>().unwrap();
            assert!(side("xMax=") - side("xMin=") > side("yMax=") - side("yMin="), "{name} {anchor}: {word}");
        }
    }
}

#[test]
fn nothing_of_a_seal_is_cut_off() {
    let long = "Ågjpqy|ÄÖ ".repeat(20);
    let definition = format!(
        "reason = \"{}\"\n[appearance]\nanchor = \"center\"\nwidth = 160\nheight = 60\n\
         text = \"{{reason}}\\n{}\"\nbackground = \"#ffcc00\"\nborder_color = \"#ff0000\"\nborder_width = 2",
        long.trim(),
        "x".repeat(70)
    );
    let page = shown("full", &definition, &one_page("")).page(1, 144);
    let [left, top, right, bottom] = page.bounds([255, 0, 0]);
    assert_eq!((right - left, bottom - top), (320, 120));
    // Between border and text there is nothing but the background, and within there is text.
    for (x, y) in (left + 6..right - 6).flat_map(|x| [(x, top + 6), (x, bottom - 7)]) {
        assert_eq!(page.at(x, y), [255, 204, 0], "{x} {y}");
    }
    for (x, y) in (top + 6..bottom - 6).flat_map(|y| [(left + 6, y), (right - 7, y)]) {
        assert_eq!(page.at(x, y), [255, 204, 0], "{x} {y}");
    }
    let dark = page.pixels.iter().filter(|pixel| pixel.iter().all(|part| *part < 60)).count();
    assert!(dark > 2000, "{dark} dark pixels");

    let too_long = refusal("reason = \"Too long\"\n[appearance]\ntext = \"{reason}\"\nfont_size = 60", &one_page(""));
    assert!(too_long.contains("does not fit 194 × 54 points at 60 points"), "{too_long}");
    let nothing = refusal("[appearance]\ntext = \"{reason}\"", &one_page(""));
    assert!(nothing.contains("nothing to see"), "{nothing}");
}

#[test]
fn pages_are_counted_from_either_end_and_one_that_is_not_there_is_refused() {
    let document = qpdf(&document("", &[]), &["--object-streams=generate"]);
    for (page, number) in [("1", 1), ("2", 2), ("-1", 2), ("-2", 1), ("\"last\"", 2)] {
        let name = format!("page{}", page.trim_matches('"'));
        let shown = shown(&name, &format!("[appearance]\npage = {page}\nbackground = \"#ffcc00\""), &document);
        let is_there = |number| shown.page(number, 36).bounds([255, 204, 0])[2] > 0;
        assert!(is_there(number) && !is_there(3 - number), "{page}");
    }
    let refused = refusal("[appearance]\npage = 3", &document);
    assert!(refused.contains("page 3, and the document has 2"), "{refused}");
    refusal("[appearance]\npage = -3", &document);
    let large = refusal("[appearance]\nwidth = 590", &document);
    assert!(large.contains("do not fit the page of 595 × 842 points"), "{large}");
}

#[test]
fn a_named_field_is_filled_where_it_is() {
    let form = "/AcroForm<</Fields[7 0 R 8 0 R 9 0 R]>>";
    let field = |name: &str, rectangle: &str, more: &str| {
        format!("<</Type/Annot/Subtype/Widget/FT/Sig/T({name})/Rect[{rectangle}]{more}>>")
    };
    let fields = [
        field("seal", "300 400 350 600", "/F 2"),
        field("unseen", "0 0 0 0", "/P 4 0 R"),
        field("outside", "-500 0 -400 50", "/P 4 0 R"),
    ];
    let [first, _, font, content] = PAGES;
    let turned = "<</Type/Page/Parent 2 0 R/Resources<</Font<</F1 5 0 R>>>>/Contents 6 0 R/Rotate 90/Annots[7 0 R 8 0 R 9 0 R]>>";
    let catalog = format!("<</Type/Catalog/Pages 2 0 R{form}>>");
    let mut objects = vec![catalog.as_str(), crate::pdf::TREE, first, turned, font, content];
    objects.extend(fields.iter().map(String::as_str));
    let document = pdf(&objects);
    let definition = |field: &str| format!("field = \"{field}\"\n[appearance]\npage = 1\n{MARKED}");
    let shown = shown("field", &definition("seal"), &document);
    assert_eq!(shown.text(), "Sealed upright");
    // Turned by a quarter, the field is 200 wide and 50 high, its corner where the left side was.
    let [left, top, right, bottom] = shown.page(2, 72).bounds([255, 204, 0]);
    assert!(left.abs_diff(400) <= 2 && right.abs_diff(600) <= 2, "{left} {right}");
    assert!(top.abs_diff(300) <= 2 && bottom.abs_diff(350) <= 2, "{top} {bottom}");
    assert!(refusal(&definition("unseen"), &document).contains("has no area"));
    assert!(refusal(&definition("outside"), &document).contains("not on the visible part"));
}

#[test]
fn a_field_whose_widget_is_an_object_of_its_own_shows_the_seal_there() {
    let [first, second, font, content] = PAGES;
    let page = first.replace("/Contents", "/Annots[8 0 R]/Contents");
    let catalog = "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[7 0 R]>>>>";
    let field = "<</FT/Sig/T(seal)/Kids[8 0 R]>>";
    let widget = "<</Type/Annot/Subtype/Widget/Parent 7 0 R/Rect[100 100 300 150]>>";
    let document = pdf(&[catalog, crate::pdf::TREE, &page, second, font, content, field, widget]);
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let definition = format!("kind = \"pades\"\nfield = \"seal\"\n[appearance]\n{MARKED}");
    let shown = Shown::new("widget", &key.sign(&definition, &document).unwrap().contiguous());
    qpdf_check(&shown.file).unwrap();
    assert_eq!(shown.text(), "Sealed upright");
    // poppler looks for the signature in the widget, which is not where ISO 32000-2, 12.7.5.5 has it.
    let root = gallery().join("widget-root.pem");
    std::fs::write(&root, key.root.to_pem().unwrap()).unwrap();
    let (verdict, why) =
        judge("dss", "pades", "PAdES-BASELINE-B", &[root], std::slice::from_ref(&shown.file)).remove(0);
    assert_eq!(verdict, "valid", "{why}");
    let [left, _, right, _] = shown.page(1, 72).bounds([255, 204, 0]);
    assert!(left.abs_diff(100) <= 2 && right.abs_diff(300) <= 2, "{left} {right}");
}

#[test]
fn the_longest_text_is_set_without_delay() {
    let definition = format!(
        "[appearance]\nwidth = 500\nheight = 700\nx = 10\ntext = \"{}\"\ncustom = {{ a = \"{}\" }}",
        "{custom.a}".repeat(3),
        "W".repeat(500)
    );
    let start = std::time::Instant::now();
    let shown = shown("long", &definition, &document("", &[]));
    assert!(start.elapsed().as_secs() < 10, "it took {:?}", start.elapsed());
    assert_eq!(shown.text().matches('W').count(), 1500);
}

#[test]
fn seals_one_after_the_other_stand_side_by_side_and_all_hold() {
    let mut document = one_page("/Rotate 90");
    let key = SoftwareKey::generate(KeySpec::EcP256);
    for n in 1..=4 {
        let definition = format!("kind = \"pades\"\n[appearance]\ntext = \"Seal {n}\"\nborder_color = \"#000000\"");
        document = key.sign(&definition, &document).unwrap().contiguous().into_owned();
    }
    let shown = Shown::new("several", &document);
    assert_eq!(pdfsig(&shown.file), [EARLIER, EARLIER, EARLIER, LAST]);
    let mut lines: Vec<String> = shown.text().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["Seal 1", "Seal 2", "Seal 3", "Seal 4"]);
    shown.page(1, 72);
    let refused = (5..20).find_map(|_| match key.sign("kind = \"pades\"\n[appearance]", &document) {
        Ok(signed) => {
            document = signed.contiguous().into_owned();
            None
        }
        Err(error) => Some(error.to_string()),
    });
    assert!(refused.unwrap().contains("beside the earlier seals"));
}

#[test]
fn the_time_that_is_shown_is_the_time_that_is_claimed() {
    let definition = "[appearance]\ntext = \"{time}\"\ntime_format = \"%Y%m%d%H%M%S\"";
    let shown = shown("time", definition, &document("", &[]));
    let sealed = String::from_utf8_lossy(&std::fs::read(&shown.file).unwrap()).into_owned();
    let claimed = sealed.split_once("/M(D:").unwrap().1.split_once('+').unwrap().0.to_owned();
    assert_eq!(shown.text(), claimed);
}

#[test]
fn an_encrypted_document_shows_text_picture_and_code_too() {
    let picture = STANDARD.encode(fixture("pictures/alpha.png"));
    let definition = format!(
        "reason = \"Õige\"\n[appearance]\ntext = \"{{signer}}\\n{{reason}}\"\nimage = \"{picture}\"\nqr = \"https://verify.example/\"\n\
         border_color = \"#000000\"\nwidth = 240"
    );
    for bits in ["256", "128"] {
        let aes: &[&str] = if bits == "128" { &["--use-aes=y"] } else { &[] };
        let options = [&["--encrypt", "", "owner", bits], aes, &["--"]].concat();
        let shown = shown(&format!("encrypted-{bits}"), &definition, &qpdf(&document("", &[]), &options));
        assert_eq!(shown.text(), "Test Seal\nÕige");
        let page = shown.page(1, 144);
        assert!(page.bounds([200, 30, 40])[2] > 0, "the picture is not there");
        assert_eq!(read_code(&format!("encrypted-{bits}")), "https://verify.example/");
    }
}

#[test]
fn pdf_a_and_pdf_ua_stay_what_they_are() {
    let picture = |name: &str| STANDARD.encode(fixture(&format!("pictures/{name}")));
    let devanagari = font("truetype/lohit-devanagari/Lohit-Devanagari.ttf");
    let didot = font("opentype/didot/GFSDidot.otf");
    let looks = [
        ("text", "border_color = \"#203080\"\nbackground = \"#f0f4ff\"".to_owned()),
        ("alpha", format!("image = \"{}\"\nqr = \"https://verify.example/\"", picture("alpha.png"))),
        ("jpeg", format!("image = \"{}\"\nimage_position = \"behind\"", picture("colours.jpg"))),
        ("grey", format!("text = \"\"\nimage = \"{}\"", picture("grey.jpg"))),
        ("devanagari", format!("text = \"सत्यमेव जयते\\nקצר\"\nfont = \"{devanagari}\"")),
        ("cff", format!("text = \"Ἐν ἀρχῇ fficient\"\nfont = \"{didot}\"")),
    ];
    let claims =
        [("pdfa-1b", "PDF/A-1B"), ("pdfa-2b", "PDF/A-2B"), ("pdfa-3b", "PDF/A-3B"), ("tagged", "PDF/A-2A,PDF/UA-1")];
    let mut report = String::new();
    for (name, profile) in claims {
        let document = fixture(&format!("pdf/{name}.pdf"));
        let mut files = vec![gallery().join(format!("{name}-unsigned.pdf"))];
        std::fs::write(&files[0], &document).unwrap();
        for (look, keys) in &looks {
            let shown = shown(&format!("{name}-{look}"), &format!("[appearance]\n{keys}"), &document);
            shown.page(1, 72);
            files.push(shown.file);
        }
        for (file, (verdict, why)) in files.iter().zip(judge("verapdf", "pdf", profile, &[], &files)) {
            if verdict != "valid" {
                writeln!(report, "{}: {verdict} {why}", file.display()).unwrap();
            }
        }
    }
    assert!(report.is_empty(), "{report}");
    let cmyk = format!("[appearance]\nimage = \"{}\"", picture("cmyk.jpg"));
    assert!(refusal(&cmyk, &fixture("pdf/pdfa-2b.pdf")).contains("CMYK"));
}

/// Seals with everything, on the documents of the fixtures: name, definition, document.
pub(crate) fn rich_seals() -> Vec<(String, String, Vec<u8>)> {
    let picture = STANDARD.encode(fixture("pictures/alpha.png"));
    let definition = format!(
        "kind = \"pades\"\nreason = \"Kinnitatud õigesti\"\nlocation = \"Αθήνα\"\n[appearance]\npage = -1\n\
         image = \"{picture}\"\nqr = \"https://verify.example/{{document_sha256}}\"\nwidth = 300\nheight = 70"
    );
    let names = ["report", "report-xref-stream", "report-linearized", "report-encrypted", "form", "pdfa-1b", "tagged"];
    names.map(|name| (name.to_owned(), definition.clone(), fixture(&format!("pdf/{name}.pdf")))).into()
}

#[test]
fn the_field_of_a_seal_is_in_the_structure_of_a_tagged_document() {
    let sealed = shown("structure", "[appearance]\ntext = \"Sealed\\nhere\"", &fixture("pdf/tagged.pdf"));
    let structure = run(Command::new("pdfinfo").arg("-struct").arg(&sealed.file)).unwrap();
    assert!(
        structure.lines().any(|line| line.trim() == "Form (block)" || line.trim().starts_with("Form")),
        "{structure}"
    );
    let objects = run(Command::new("qpdf").args(["--json", "--json-key=qpdf"]).arg(&sealed.file)).unwrap();
    assert!(
        objects.contains("\"/Alt\": \"u:Sealed, here\"") && objects.contains("\"/TU\": \"u:Sealed, here\""),
        "{objects}"
    );
}

/// Where foreign PDFs are, if they are at hand.
fn corpus() -> Option<Vec<PathBuf>> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let folder = std::env::var_os("SIGILLO_CORPUS").map_or_else(beside, PathBuf::from).join("pdf");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).ok()?.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pdf"));
    paths.sort();
    Some(paths)
}

/// Whether poppler finds pages, and has not to draw every field anew as it thinks right.
fn shows_new_appearances(path: &Path) -> bool {
    let pages = run(Command::new("pdfinfo").arg(path)).is_ok_and(|text| !text.contains("wrong type"));
    let objects = Command::new("qpdf").args(["--json", "--json-key=acroform"]).arg(path).output().unwrap();
    pages && !String::from_utf8_lossy(&objects.stdout).contains("\"needappearances\": true")
}

#[test]
fn foreign_pdfs_that_take_a_seal_take_a_visible_one_where_it_fits() {
    let Some(paths) = corpus() else {
        crate::software_key::report("no corpus: nothing was sealed visibly; set SIGILLO_CORPUS to its folder");
        return;
    };
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signed.pdf");
    let (mut seen, mut no_place, mut wrong) = (0, Vec::new(), Vec::new());
    for path in paths {
        let document = std::fs::read(&path).unwrap();
        if key.sign("kind = \"pades\"", &document).is_err() || !shows_new_appearances(&path) {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let visible = "kind = \"pades\"\n[appearance]\npage = -1\ntext = \"Sigillo was here\"\nwidth = 90\nheight = 30\nx = 5\ny = 5";
        match key.sign(visible, &document) {
            Ok(signed) => {
                std::fs::write(&file, signed.contiguous()).unwrap();
                let text = run(Command::new("pdftotext").arg("-raw").arg(&file).arg("-")).unwrap_or_default();
                let intact = |file: &Path| pdfsig(file).iter().filter(|verdict| verdict.intact).count();
                if !pdfsig(&file).contains(&LAST) || intact(&file) != intact(&path) + 1 {
                    wrong.push(format!("{name}: rejected by poppler"));
                } else if qpdf_check(&file).is_err() && qpdf_check(&path).is_ok() {
                    wrong.push(format!("{name}: rejected by qpdf"));
                } else if !text.split_whitespace().collect::<Vec<_>>().join(" ").contains("Sigillo was here") {
                    wrong.push(format!("{name}: not to be seen"));
                } else {
                    seen += 1;
                }
            }
            Err(WorkerError::Pdf(refusal @ (PdfRefusal::Seal(_) | PdfRefusal::NewVisibleField))) => {
                no_place.push(format!("{name}: {refusal}"))
            }
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    crate::software_key::report(&format!("{seen} seen; no place: {no_place:#?}"));
    assert!(wrong.is_empty(), "{wrong:#?}");
}
