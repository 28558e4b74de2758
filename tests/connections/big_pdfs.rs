//! PDFs of more octets than 31 and 32 bits count: held in memory once, and sealed so that others accept the seal.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tests::verifiers::ask;
use tests::{Question, Verdict};

use crate::spool_bench::{Bench, MIB};

/// A PDF of one page and a stream of so many octets that nothing refers to: mostly holes, and no two blocks alike.
fn pdf(path: PathBuf, length: u64) -> PathBuf {
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
    ];
    let mut table = "xref\n0 5\n0000000000 65535 f \n".to_owned();
    let mut head = "%PDF-1.7\n".to_owned();
    for (number, object) in (1..).zip(objects) {
        table.push_str(&format!("{:010} 00000 n \n", head.len()));
        head.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    table.push_str(&format!("{:010} 00000 n \n", head.len()));
    head.push_str(&format!("4 0 obj\n<</Length {length}>>\nstream\n"));
    let behind = "\nendstream\nendobj\n";
    let end = head.len() as u64 + length;
    let start = end + behind.len() as u64;
    let tail = format!("{behind}{table}trailer\n<</Size 5/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n");
    let file = File::create(&path).unwrap();
    file.write_all_at(head.as_bytes(), 0).unwrap();
    for block in 1..length / (16 * MIB) {
        file.write_all_at(&block.to_be_bytes(), block * 16 * MIB).unwrap();
    }
    file.write_all_at(tail.as_bytes(), end).unwrap();
    path
}

/// Changes one bit in the middle of a file.
fn change(file: &Path) {
    let middle = file.metadata().unwrap().len() / 2;
    File::options().write(true).open(file).unwrap().write_all_at(&[1], middle + 100).unwrap();
}

/// Seals one and asks these tools, before and after a bit was changed.
fn sealed_in_memory_once(length: u64, tools: &[&str]) {
    let bench = Bench::new("max_pending_bytes = \"12GiB\"");
    let small = pdf(bench.service.folder().join("small.pdf"), 100);
    assert_eq!(bench.seal("pdf", &small).0, 200);
    let document = pdf(bench.service.folder().join("big.pdf"), length);
    let idle = bench.memory("VmRSS:");
    tests::measure::forget_peak(bench.service.server().pid());
    let started = Instant::now();
    let (status, signed) = bench.seal("pdf", &document);
    let took = started.elapsed().as_secs_f32();
    let peak = bench.memory("VmHWM:");
    let times = tests::measure::mebibytes(peak - idle) / tests::measure::mebibytes(length);
    tests::report(&format!(
        "PDF of {} MiB: {took:.1} s, {} MiB above idle = {times:.2} x",
        length / MIB,
        (peak - idle) / MIB
    ));
    assert_eq!(status, 200, "{}", std::fs::read_to_string(&signed).unwrap_or_default());
    assert!(times < 1.1);
    drop(std::fs::remove_file(document));
    let question = Question::new("pades", &signed).with("--root", bench.service.pki().root());
    let signed_as_sent = |verdict: fn(&Verdict) -> bool| {
        for tool in tools {
            let verdicts = ask(tool, std::slice::from_ref(&question));
            assert!(verdict(&verdicts[0]), "{tool}, {length} octets: {verdicts:?}");
        }
    };
    signed_as_sent(|verdict| *verdict == Verdict::Valid);
    change(&signed);
    signed_as_sent(|verdict| matches!(verdict, Verdict::Invalid(_)));
}

/// Whether minutes are to be spent: up to 9 GB of disk, and 5 GB of memory.
fn big() -> bool {
    let wanted = std::env::var_os("SIGILLO_BIG").is_some();
    if !wanted {
        tests::report("set SIGILLO_BIG=1 to seal PDFs of 2.2 and 4.2 GiB too");
    }
    wanted
}

#[test]
fn a_pdf_of_300_mib_is_in_memory_once() {
    let _alone = crate::alone();
    sealed_in_memory_once(300 * MIB, &["pdfsig", "pyhanko"]);
}

#[test]
fn a_pdf_beyond_2_gib_is_in_memory_once() {
    let _alone = crate::alone();
    if big() {
        sealed_in_memory_once(2250 * MIB, &["pdfsig", "pyhanko"]);
    }
}

#[test]
fn a_pdf_beyond_4_gib_is_in_memory_once() {
    let _alone = crate::alone();
    if big() {
        sealed_in_memory_once(4300 * MIB, &["pdfsig", "pyhanko"]);
    }
}
