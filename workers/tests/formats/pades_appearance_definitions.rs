//! What a definition and callers may say of a visible seal, and what damaged fonts and pictures come to.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cryptotoken_api::KeySpec;
use serde_json::{Value, json};
use workers::{DocumentContent, SigningParameters, WorkerConfig, WorkerError};

use crate::pades_appearance::{Shown, fixture, font};
use crate::pdf::document;
use crate::software_key::SoftwareKey;

pub(crate) fn parse(options: &str) -> Result<WorkerConfig, String> {
    let text = format!("name = \"a\"\ncredential = \"c\"\nkind = \"pades\"\n{options}");
    WorkerConfig::parse(&text).map_err(|error| error.to_string())
}

#[test]
fn a_definition_says_what_is_wrong_with_an_appearance() {
    let cases = [
        ("appearance = true", "appearance"),
        ("[appearance]\ncolour = \"#000000\"", "unknown key \"colour\""),
        ("[appearance]\ntext_colour = \"#000000\"", "did you mean \"text_color\"?"),
        ("[appearance]\ntext = \"{singer}\"", "did you mean {signer}?"),
        ("[appearance]\ntext = \"\"", "nothing to see"),
        ("[appearance]\npage = 0", "write 1 for the first page"),
        ("[appearance]\npage = \"frist\"", "write 1 for the first page"),
        ("[appearance]\nanchor = \"middle\"", "bottom-right"),
        ("[appearance]\nwidth = 0", "\"width\": 0 is not from 10"),
        ("[appearance]\nheight = nan", "appearance"),
        ("[appearance]\ntext_color = \"red\"", "write one such as \"#1a2b3c\""),
        ("[appearance]\nfont = \"AAAA\"", "no TrueType or OpenType font"),
        ("[appearance]\nfont = \"?\"", "not in base64"),
        ("[appearance]\nimage = \"AAAA\"", "neither a PNG nor a JPEG"),
        ("[appearance]\nqr_error_correction = \"X\"", "qr_error_correction"),
        ("[appearance]\ntime_zone = \"Europe/Tallinn\"", "no offset from UTC"),
        ("[appearance]\ncustom = { \"a b\" = \"c\" }", "is no name"),
        ("[appearance]\ncustom = { a = 1 }", "custom"),
    ];
    for (definition, expected) in cases {
        let error = parse(definition).unwrap_err();
        assert!(error.contains(expected), "{definition}: {error}");
    }
    let picture = STANDARD.encode(fixture("pictures/palette.png"));
    let config = parse(&format!(
        "[appearance]\npage = \"last\"\nanchor = \"top\"\nx = -5.5\nimage = \"{picture}\"\ncustom = {{ a = \"b\" }}"
    ));
    let config = config.unwrap();
    let stored = serde_json::to_string(&config.to_json().unwrap()).unwrap();
    assert_eq!(WorkerConfig::parse(&stored).unwrap(), config);
}

#[test]
fn callers_choose_keys_of_the_appearance_where_they_may() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let sign = |definition: &str, appearance: Value| {
        let content = DocumentContent::Memory(document("", &[]).into());
        let parameters = json!({ "appearance": appearance }).as_object().unwrap().clone();
        let definition = format!("kind = \"pades\"\n{definition}");
        key.sign_with(&definition, content, SigningParameters::new(parameters))
    };
    let open = "caller_may_set = [\"appearance\"]\n[appearance]\ntext = \"{signer} {custom.number}\"\nbackground = \"#ffcc00\"";
    let chosen = json!({ "page": -1, "custom": { "number": "17" } });
    let shown = Shown::new("chosen", &sign(open, chosen.clone()).unwrap().contiguous());
    assert_eq!(shown.text(), "Test Seal 17");
    assert!(
        shown.page(2, 36).bounds([255, 204, 0])[2] > 0,
        "the keys of the worker hold where the caller says nothing"
    );
    let shown = Shown::new("chosen-alone", &sign("caller_may_set = [\"appearance\"]", json!({})).unwrap().contiguous());
    assert!(shown.text().starts_with("Sealed by Test Seal\n"));

    for (definition, appearance, expected) in [
        ("", chosen, "fixes everything"),
        (open, json!("top"), "an object of keys"),
        (open, json!({ "txt": "x" }), "did you mean \"text\"?"),
        (open, json!({ "font": "AAAA" }), "no TrueType or OpenType font"),
        (open, json!({ "text": "x".repeat(1001) }), "more than 1000 characters"),
        (open, json!({ "custom": { "number": "a\nb" } }), "control characters"),
        (
            open,
            json!({ "text": "{custom.n}".repeat(10), "custom": { "n": "x".repeat(500) } }),
            "more than 2000 characters",
        ),
    ] {
        let error = sign(definition, appearance).unwrap_err();
        assert!(matches!(error, WorkerError::Parameter { .. }) && error.to_string().contains(expected), "{error}");
    }
}

/// Numbers that look random and are the same every time (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

/// The file with a few octets changed, most of them near its start, where the structure is.
fn damaged(file: &[u8], random: &mut Random) -> Vec<u8> {
    let mut file = file.to_vec();
    let near = file.len().min(3000);
    for _ in 0..=random.below(6) {
        let within = if random.below(3) == 0 { file.len() } else { near };
        let place = random.below(within);
        file[place] = [0, 0xff, 0x7f, 0x80, u8::try_from(random.below(256)).unwrap()][random.below(5)];
    }
    if random.below(10) == 0 {
        file.truncate(random.below(file.len()));
    }
    if file.starts_with(b"\x89PNG") {
        repair_checksums(&mut file);
    }
    file
}

/// Whoever makes a bad PNG gives it good checksums (PNG, annex D).
fn repair_checksums(file: &mut [u8]) {
    let mut start = 8;
    while let Some(length) = file.get(start..start + 4) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        let Some(chunk) = start.checked_add(8 + length).and_then(|end| file.get(start + 4..end)) else { return };
        let checksum = chunk.iter().fold(u32::MAX, |sum, octet| {
            (0..8).fold(sum ^ u32::from(*octet), |sum, _| (sum >> 1) ^ (0xedb8_8320 * (sum & 1)))
        });
        let end = start + 8 + length;
        let Some(place) = file.get_mut(end..end + 4) else { return };
        place.copy_from_slice(&(!checksum).to_be_bytes());
        start = end + 4;
    }
}

#[test]
fn damaged_fonts_and_pictures_are_refused_or_drawn_and_never_break_the_worker() {
    let rounds = std::env::var("SIGILLO_MUTATIONS").map_or(40, |rounds| rounds.parse().unwrap());
    let system = |path: &str| STANDARD.decode(font(path)).unwrap();
    let files = [
        ("font", system("truetype/lohit-devanagari/Lohit-Devanagari.ttf")),
        ("font", system("opentype/didot/GFSDidot.otf")),
        ("image", fixture("pictures/alpha.png")),
        ("image", fixture("pictures/palette.png")),
        ("image", fixture("pictures/progressive.jpg")),
        ("image", fixture("pictures/cmyk.jpg")),
    ];
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let plain = document("", &[]);
    let seed = std::env::var("SIGILLO_MUTATIONS_SEED").map_or(0, |seed| seed.parse().unwrap());
    let mut random = Random(0x5eed_5ea1 + seed);
    let (mut drawn, mut refused) = (0, 0);
    for (name, file) in files {
        for _ in 0..rounds {
            let octets = STANDARD.encode(damaged(&file, &mut random));
            let appearance = json!({ "text": "सत्यमेव क्षत्रिय fficient Ἐν", name: octets });
            let parameters = json!({ "appearance": appearance }).as_object().unwrap().clone();
            let content = DocumentContent::Memory(plain.clone().into());
            let definition = "kind = \"pades\"\ncaller_may_set = [\"appearance\"]";
            let start = std::time::Instant::now();
            match key.sign_with(definition, content, SigningParameters::new(parameters)) {
                Ok(_) => drawn += 1,
                Err(WorkerError::Parameter { .. }) => refused += 1,
                Err(other) => panic!("{other}"),
            }
            assert!(start.elapsed().as_secs() < 5, "it took {:?}", start.elapsed());
        }
    }
    assert!(drawn > 0 && refused > 0, "{drawn} drawn, {refused} refused");
    crate::software_key::report(&format!("damaged fonts and pictures: {drawn} drawn, {refused} refused"));
}

fn octets(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// The built-in font with so many lookups, all of which are this one, instead of its own.
fn with_lookups(count: u16, lookup: &[u8]) -> String {
    with_rules(&vec![0; count.into()], &[lookup])
}

/// The built-in font with these lookups instead of its own, which are applied in this order (OpenType, table GSUB).
fn with_rules(applied: &[usize], lookups: &[&[u8]]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pades/appearance/fonts/DejaVuSansCondensed.ttf");
    let mut font = std::fs::read(path).unwrap();
    let count = u16::try_from(applied.len()).unwrap();
    let mut rules = octets(&[1, 0, 10, 30, 10 + 20 + 12 + 2 * count]);
    rules.extend([octets(&[1]), b"DFLT".to_vec(), octets(&[8, 4, 0, 0, 0xffff, 1, 0])].concat());
    rules.extend([octets(&[1]), b"ccmp".to_vec(), octets(&[8, 0, count])].concat());
    rules.extend((0..count).flat_map(u16::to_be_bytes));
    // Those that others call by number come after all.
    let order: Vec<usize> = applied.iter().copied().chain(0..lookups.len()).collect();
    let start = |lookup: usize| lookups[..lookup].iter().map(|lookup| lookup.len()).sum::<usize>();
    let starts = order.iter().map(|lookup| u16::try_from(2 + 2 * order.len() + start(*lookup)).unwrap());
    rules.extend(octets(&[u16::try_from(order.len()).unwrap()]));
    rules.extend(starts.flat_map(u16::to_be_bytes));
    rules.extend(lookups.concat());
    let record = font.windows(4).position(|tag| tag == b"GSUB").unwrap();
    let start = u32::try_from(font.len()).unwrap();
    font[record + 8..record + 12].copy_from_slice(&start.to_be_bytes());
    font[record + 12..record + 16].copy_from_slice(&u32::try_from(rules.len()).unwrap().to_be_bytes());
    font.extend(rules);
    STANDARD.encode(font)
}

const GLYPHS: u16 = 5000;
const NO_GLYPH: u16 = 0xfffe;

/// A lookup that makes sixty-four glyphs of each glyph (OpenType, lookup type 2).
fn multiplying() -> Vec<u8> {
    // One sequence for all glyphs, and what it is for: all glyphs.
    let (sequence, coverage) = (6 + 2 * GLYPHS, 6 + 2 * GLYPHS + 2 + 128);
    let mut lookup = octets(&[2, 0, 1, 8, 1, coverage, GLYPHS]);
    lookup.extend((0..GLYPHS).flat_map(|_| sequence.to_be_bytes()));
    lookup.extend(octets(&[64]));
    lookup.extend((0..64).flat_map(|_| 40_u16.to_be_bytes()));
    lookup.extend(octets(&[2, 1, 0, GLYPHS - 1, 0]));
    lookup
}

/// A lookup of one subtable, named so often, of one ligature, named so often, that is tried for each glyph and is never there (OpenType,
/// lookup type 4).
fn ligatures(subtables: u16, ligatures: u16) -> Vec<u8> {
    let mut lookup = octets(&[4, 0, subtables]);
    lookup.extend((0..subtables).flat_map(|_| (6 + 2 * subtables).to_be_bytes()));
    let (set, ligature) = (6 + 2 * GLYPHS, 2 + 2 * ligatures);
    lookup.extend(octets(&[1, set + ligature + 8, GLYPHS]));
    lookup.extend((0..GLYPHS).flat_map(|_| set.to_be_bytes()));
    lookup.extend(octets(&[ligatures]));
    lookup.extend((0..ligatures).flat_map(|_| ligature.to_be_bytes()));
    lookup.extend(octets(&[5, 3, 0xfffd, 0xfffe]));
    lookup.extend(octets(&[2, 1, 0, GLYPHS - 1, 0]));
    lookup
}

/// A lookup of one rule, named so often, that is tried for each of these glyphs and looks for three more, the last of which is never there
/// (OpenType, lookup type 6).
fn chains(times: u16, glyphs: [u16; 2], ahead: [u16; 2]) -> Vec<u8> {
    let mut lookup = octets(&[6, 0, times]);
    lookup.extend((0..times).flat_map(|_| (6 + 2 * times).to_be_bytes()));
    lookup.extend(octets(&[3, 0, 1, 18, 3, 28, 28, 38, 0]));
    for [first, last] in [glyphs, ahead, [NO_GLYPH; 2]] {
        lookup.extend(octets(&[2, 1, first, last, 0]));
    }
    lookup
}

/// A lookup that has these applied to every glyph (OpenType, lookup type 5).
fn calling(lookups: &[u16]) -> Vec<u8> {
    let count = u16::try_from(lookups.len()).unwrap();
    let mut lookup = octets(&[5, 0, 1, 8, 3, 1, count, 8 + 4 * count]);
    lookup.extend(lookups.iter().flat_map(|called| octets(&[0, *called])));
    lookup.extend(octets(&[2, 1, 0, GLYPHS - 1, 0]));
    lookup
}

/// The refusal, and how long it took the processor.
fn set_text(key: &SoftwareKey, text: &str, font: &str) -> (Result<(), WorkerError>, std::time::Duration) {
    let appearance = json!({ "text": text, "font": font, "width": 500, "height": 700 });
    let parameters = json!({ "appearance": appearance }).as_object().unwrap().clone();
    let content = DocumentContent::Memory(document("", &[]).into());
    let definition = "kind = \"pades\"\ncaller_may_set = [\"appearance\"]";
    let start = crate::software_key::processor_time();
    let set = key.sign_with(definition, content, SigningParameters::new(parameters)).map(drop);
    (set, crate::software_key::processor_time() - start)
}

fn is_too_much_work(set: &Result<(), WorkerError>) -> bool {
    matches!(set, Err(WorkerError::Parameter { reason, .. }) if reason.contains("too much work"))
}

#[test]
fn a_font_whose_rules_multiply_every_glyph_costs_a_caller_the_seal_and_the_worker_seconds() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let font = with_lookups(50, &multiplying());
    for text in ["a b ", "ab", "a\n"] {
        let (refused, time) = set_text(&key, &text.repeat(900 / text.len()), &font);
        assert!(is_too_much_work(&refused), "{refused:?}");
        assert!(time.as_secs() < 10, "it took {time:?}");
    }
}

/// Each rule alone is harmless; what one makes is work for the other.
#[test]
fn a_font_that_multiplies_glyphs_and_looks_at_each_for_long_is_given_up_in_time() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let (text, costly) = ("a b ".repeat(225), chains(4000, [0, GLYPHS], [0, GLYPHS]));
    let fonts = [
        ("multiplied, then looked at", with_rules(&[0, 1], &[&multiplying(), &costly])),
        ("both called by one", with_rules(&[0], &[&calling(&[2, 3]), &multiplying(), &costly])),
    ];
    for (name, font) in fonts {
        let (refused, time) = set_text(&key, &text, &font);
        crate::software_key::report(&format!("{name}: {time:?}"));
        assert!(is_too_much_work(&refused), "{name}: {refused:?}");
        assert!(time.as_secs() < 10, "{name}: it took {time:?}");
    }
}

/// Characters that are not seen are passed over, all of them for each rule.
#[test]
fn a_font_whose_rules_look_past_a_thousand_characters_is_given_up_in_time() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    // Glyph 2883 of the built-in font is that of the word joiner, 68 and 69 are letters.
    let font = with_rules(&[0], &[&chains(4000, [2883; 2], [68, 69])]);
    let (refused, time) = set_text(&key, &format!("{}abc", "\u{2060}".repeat(990)), &font);
    assert!(is_too_much_work(&refused), "{refused:?}");
    assert!(time.as_secs() < 10, "it took {time:?}");
}

#[test]
fn a_font_whose_one_lookup_has_a_million_ligatures_is_refused_unread() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let (refused, time) = set_text(&key, "ab", &with_lookups(1, &ligatures(1000, 1000)));
    assert!(is_too_much_work(&refused), "{refused:?}");
    assert!(time.as_secs() < 5, "it took {time:?}");
}

/// As Noto Serif Tibetan is: most of its lookups are for what is not in the text.
#[test]
fn a_font_of_many_harmless_lookups_sets_long_texts() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let text = "один one ".repeat(100);
    // One ligature of a glyph that no character has.
    let rare = octets(&[4, 0, 1, 8, 1, 20, 1, 8, 1, 4, 5, 3, 0xfffd, 0xfffe, 1, 1, 0xfff0]);
    let (set, _) = set_text(&key, &text, &with_lookups(1200, &rare));
    set.unwrap();
    let (set, _) = set_text(&key, &text, &with_lookups(1, &ligatures(5, 40)));
    set.unwrap();
}
