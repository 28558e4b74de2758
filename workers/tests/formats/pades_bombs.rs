//! PDFs made to take memory or time beyond measure: each is refused, or sealed, in little of both. Every one has a process of its own,
//! because the kernel counts the peak of a whole process.

use std::process::Command;
use std::time::Duration;

use cryptotoken_api::KeySpec;
use workers::WorkerError;

use crate::software_key::{SoftwareKey, augment, processor_time, report, run};

#[path = "pades_bombs/documents.rs"]
mod documents;
#[path = "pades_bombs/rings.rs"]
mod rings;
#[path = "pades_bombs/sharing.rs"]
mod sharing;

use documents::*;
use rings::*;
use sharing::*;

const CATALOG: &str = "<</Type/Catalog/Pages 2 0 R>>";
const PAGE: &str = "<</Type/Page/Parent 2 0 R>>";

/// Where the cross-reference data is wrong, and it depends on the rest whether it can be made anew.
const EITHER: &str = "*";

/// Name, the document, and what the refusal says; nothing where it is sealed.
type Bomb = (&'static str, fn() -> Vec<u8>, &'static str);

const BOMBS: [Bomb; 74] = [
    ("an object stream whose length is in itself", || compressed("7 0 R", "<</T 0>>"), "cannot be read"),
    ("an object stream whose length is in the next, and so on", streams_for_streams, "cannot be read"),
    ("an object stream that is in itself", stream_in_itself, EITHER),
    ("a length that is its own stream", || compressed("5 0 R", "<</T 0>>"), "cannot be read"),
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
    (
        "a name of 100 MB",
        || with_page(&format!("<</Type/Page/Parent 2 0 R/A/{}>>", "a".repeat(LONG))),
        "cannot be read",
    ),
    (
        "a number of 100 MB",
        || with_page(&format!("<</Type/Page/Parent 2 0 R/A {}>>", "1".repeat(LONG))),
        "cannot be read",
    ),
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
    ("damaged, with lengths that lead to white space", lengths_to_white_space, "only some readers"),
    ("fields in object streams that do not end", endless_streams, "overlap"),
    ("fields in object streams of an unknown filter that do not end", endless_unknown_streams, "cannot be read"),
    ("object streams that share parameters", shared_parameters, ""),
    ("object streams that share lists of parameters", shared_lists_of_parameters, ""),
    ("object streams that share lists of lists of parameters", shared_nested_lists_of_parameters, ""),
    ("damaged, with trailers of a million values", || damaged(&trailers_of_values()), "values"),
    ("trailers of a million values", trailers_of_values, EITHER),
    ("a visible seal in a field, where pages share their annotations", shared_annotations, "overlap"),
    ("a comment of 100 MB", || with_page(&format!("%{}\n<</Type/Page/Parent 2 0 R>>", "c".repeat(LONG))), ""),
    ("100,000 sections in a row", || sections_in_a_row(scaled(100_000)), ""),
    ("object streams that extend each other", extensions, ""),
    ("an object stream of 2^63 objects", || announced("9223372036854775807", "4"), ""),
    ("an object stream of -1 objects", || announced("-1", "4"), EITHER),
    ("an object stream that begins at 2^63", || announced("1", "9223372036854775807"), "cannot be read"),
    ("a page tree 100,000 levels deep", || page_tree_of_depth(scaled(100_000)), ""),
    ("a page that is its own ancestor", parents_in_a_ring, ""),
    ("100,000 references in a ring", || references_in_a_ring(scaled(100_000)), "cannot be read"),
    ("a form 100,000 levels deep", || fields_of_depth(scaled(100_000)), "too deeply"),
    ("a deep array in an object stream", || page_in_stream(&format!("/A{}", deep("[", "]"))), "cannot be read"),
    (
        "a deep dictionary in an object stream",
        || page_in_stream(&format!("/A{}", deep("<</A", ">>"))),
        "cannot be read",
    ),
    ("a deep array in the trailer", || document_with(&format!("/A{}", deep("[", "]"))), EITHER),
    ("a deep array in a section stream", || section_stream(&format!("/W[1 1 1]/A{}", deep("[", "]")), b""), EITHER),
    ("a deep array of fields", || catalog(&format!("/AcroForm<</Fields{}>>", deep("[", "]"))), EITHER),
    ("a deep array for an encryption", || document_with(&format!("/Encrypt{}", deep("[", "]"))), EITHER),
    ("an encryption that is itself", || document_with("/Encrypt<</Filter 1 0 R/V 1 0 R/O 1 0 R>>"), "encrypt"),
    ("an array that is never closed", || with_page(&format!("<</Type/Page/A[{}", "[".repeat(LONG))), "cannot be read"),
    (
        "a million arrays in an array",
        || with_page(&format!("<</Type/Page/Parent 2 0 R/A[{}]>>", "[]".repeat(MILLION))),
        "",
    ),
    ("a million entries", || with_page(&format!("<</Type/Page/Parent 2 0 R{}>>", "/A 0".repeat(MILLION))), EITHER),
    ("a million filters", || with_page(&format!("<</Type/Page/Parent 2 0 R/Filter[{}]>>", "/A".repeat(MILLION))), ""),
    ("a million pairs in an index", || section_stream(&pairs(MILLION), &[0; 90]), EITHER),
    ("eight million free numbers", || free_numbers(scaled(8_000_000)), ""),
    ("sixteen filters that make what they are given", || fixed_point(16), EITHER),
    ("four filters that make what they are given", || fixed_point(4), EITHER),
    ("compressed three times over", || compressed_over_and_over(3), EITHER),
    ("compressed ten times over", || compressed_over_and_over(10), EITHER),
    ("a run of runs", || filtered("RunLengthDecode", &[0x81, 0], scaled(30 << 20)), EITHER),
    ("ASCII85 of zeros", || filtered("ASCII85Decode", b"z", scaled(60 << 20)), EITHER),
    ("ASCIIHex of zeros", || filtered("ASCIIHexDecode", b"0", scaled(60 << 20)), EITHER),
    (
        "LZW of nothing but clear codes",
        || filtered("LZWDecode", &[0x80, 0x40, 0x20, 0x10, 8, 4, 2, 1, 0], scaled(6 << 20)),
        EITHER,
    ),
    ("LZW of one octet", || filtered("LZWDecode", &[0; 64], scaled(1 << 20)), EITHER),
    ("10,000 signatures", || signatures(10_000), ""),
];

/// Code that is not optimised gets less to do.
const fn scaled(count: usize) -> usize {
    if cfg!(debug_assertions) { count / 10 } else { count }
}

/// The same.
const LONG: usize = if cfg!(debug_assertions) { 1 << 20 } else { 100 << 20 };
const MILLION: usize = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
const MANY: usize = if cfg!(debug_assertions) { 2_100_000 } else { 10_000_000 };

/// Of looking through a document and its table.
const PER_MEBIBYTE: Duration = Duration::from_millis(4);

/// What is done with each of them: sealed, shown with a seal that is seen, augmented.
const VERBS: [&str; 3] = ["sign", "preview", "augment"];

/// What is on the page.
const SEEN: &str = "kind = \"pades\"\n[appearance]\n";

/// The same in the field that the document has.
const IN_A_FIELD: &str = "kind = \"pades\"\nfield = \"seal\"\n[appearance]\ntext = \"seal\"\n";

const GROWING: &str = "kind = \"pades\"\nlevel = \"B-T\"\ntimestamp = { url = \"http://127.0.0.1:1/\" }";

/// Which of them a process is to take.
const NUMBER: &str = "SIGILLO_BOMB";
/// What it is to do with it.
const VERB: &str = "SIGILLO_BOMB_VERB";

#[test]
fn one_bomb_in_a_process_of_its_own() {
    // Says nothing unless the test below asks.
    let (Ok(number), Ok(verb)) = (std::env::var(NUMBER), std::env::var(VERB)) else { return };
    let (name, document, expected) = BOMBS[number.parse::<usize>().unwrap()];
    let (document, key) = (document(), SoftwareKey::generate(KeySpec::EcP256));
    // The kernel counts the peak from here on.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, start) = (memory("VmRSS:"), processor_time());
    let result = match verb.as_str() {
        "sign" if name.contains("visible") => key.sign(IN_A_FIELD, &document).err(),
        "sign" => key.sign("kind = \"pades\"", &document).err(),
        "preview" => key.preview(SEEN, &document).err(),
        _ => augment(GROWING, &document).err(),
    };
    let (took, peak) = (processor_time() - start, memory("VmHWM:").saturating_sub(before));
    let outcome = result.as_ref().map(|error| format!("{error} {error:?}")).unwrap_or_default();
    println!("\nbomb: {} KiB, {} ms, {} KiB: {outcome:.200}", document.len() >> 10, took.as_millis(), peak >> 10);
    let is_refusal = |error: &WorkerError| matches!(error, WorkerError::Pdf(_) | WorkerError::Augmentation(_));
    let right = match (verb.as_str(), expected) {
        // Nobody gives a timestamp here.
        ("augment", _) => {
            matches!(&result, Some(error) if is_refusal(error) || matches!(error, WorkerError::Timestamp(_)))
        }
        ("sign", "") => outcome.is_empty(),
        ("sign", expected) if expected != EITHER => outcome.contains(expected),
        _ => result.as_ref().is_none_or(is_refusal),
    };
    assert!(right, "{outcome:.1000}");
    // What optimised code takes a second for at most, and for a large file as long as a sound one with as many objects takes: a table has
    // each in some forty octets.
    let times = if cfg!(debug_assertions) { 60 } else { 1 };
    let most = (Duration::from_secs(1) + PER_MEBIBYTE * u32::try_from(document.len() >> 20).unwrap()) * times;
    assert!(took < most, "{took:?}");
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
        for verb in VERBS {
            let once = || {
                let mut child = Command::new(std::env::current_exe().unwrap());
                child.args(["--exact", "pades_bombs::one_bomb_in_a_process_of_its_own", "--nocapture"]);
                run(child.env(NUMBER, number.to_string()).env(VERB, verb))
            };
            // Beside others that are as busy, code takes several times as long.
            let result = once().or_else(|_| once()).or_else(|_| once());
            let (Ok(output) | Err(output)) = &result;
            let line = output.lines().find_map(|line| line.strip_prefix("bomb: ")).unwrap_or("no answer");
            report(&format!("{verb}, {name}: {line}"));
            if result.is_err() {
                failed.push(format!("{verb}, {name}: {output}"));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn a_pdf_is_augmented_with_a_hundred_signatures_at_most() {
    let refusal = |count| augment(GROWING, &signatures(count)).unwrap_err().to_string();
    assert!(refusal(101).contains("more than 100 signatures"), "{}", refusal(101));
    // These are looked at, and are none.
    assert!(!refusal(100).contains("more than 100"), "{}", refusal(100));
}
