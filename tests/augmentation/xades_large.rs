//! What large XML costs: memory at every level and for augmentation.

use workers::SignedDocument;

use crate::bench::Bench;
use crate::xades::question;
use tests::Verdict;
use tests::verifiers::ask;

/// Peak of the process from the last call on, and starts anew (proc(5)).
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    peak.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
#[ignore = "a measurement for release builds: memory for 100 MB at every level"]
fn a_large_document_takes_three_times_its_memory_at_every_level() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let entry = "  <c:Line xmlns:c=\"urn:c\" number=\"4711\" c:unit='pc'>Paper &amp; ink, 1.250,00 \u{20AC}</c:Line>\n";
    let text = format!("<Invoice xmlns=\"urn:invoice\">\n{}</Invoice>\n", entry.repeat(100_000_000 / entry.len()));
    let length = text.len();
    let document = bytes::Bytes::from(text);
    let mut wrong = Vec::new();
    let mut measured = |name: &str, make: &mut dyn FnMut() -> SignedDocument| -> SignedDocument {
        peak();
        let started = std::time::Instant::now();
        let signed = make();
        let (time, peak) = (started.elapsed(), peak());
        tests::report(&format!(
            "{name}: {time:?}, peak {} MB, {:.2} times the document",
            peak / 1_000_000,
            peak as f64 / length as f64
        ));
        if peak > 3 * length {
            wrong.push(format!("{name}: {peak}"));
        }
        signed
    };
    for level in ["B-B", "B-T", "B-LT", "B-LTA"] {
        let content = workers::DocumentContent::Memory(document.clone());
        let signed = measured(level, &mut || {
            bench.sign_kind("xades", &seal, level, "", content.clone(), serde_json::Value::Null).unwrap()
        });
        drop(signed);
    }
    let basic = bench
        .sign_kind(
            "xades",
            &seal,
            "B-B",
            "",
            workers::DocumentContent::Memory(document.clone()),
            serde_json::Value::Null,
        )
        .unwrap()
        .bytes();
    drop(document);
    let mut grown = basic;
    for level in ["B-T", "B-LTA", "B-LTA"] {
        let input = std::mem::take(&mut grown);
        let augmented = measured(&format!("augment to {level}"), &mut || {
            bench.augment_bytes("xades", level, "", input.clone(), None).unwrap()
        });
        grown = augmented.bytes();
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    let verdicts = ask("xmlsec1", &[question(&bench, &bench.keep("large", &grown), "B-LTA")]);
    assert_eq!(verdicts, [Verdict::Valid]);
}
